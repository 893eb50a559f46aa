"""Chunked bodies with extensions and trailers, which a server has to skip (RFC 9112 section 7.1), on every way that a
body comes.
"""

from __future__ import annotations

import json
import os
import threading

import pytest

from tests.protocol.wire import Connection
from tests.support.http import OCI_INDEX, OCTETS, Client, digest_of, with_query

pytestmark = pytest.mark.ways
DATA = os.urandom(500_000)
EXTENSIONS = {
    "none": b"",
    "a word": b";x",
    "a value": b" ; a = b",
    "quoted": b';name="a \\" b"',
    "as S3 signs": b";chunk-signature=" + b"f" * 64,
}
TRAILERS = {
    "none": b"",
    "one": b"X-Digest: abc\r\n",
    "several": b"A: 1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
}


def coded(data: bytes, extension: bytes, trailer: bytes, size: int = 40_000) -> bytes:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces) + b"0%b\r\n%b\r\n" % (
        extension,
        trailer,
    )


def send(connection: Connection, method: str, path: str, kind: str, body: bytes):
    connection.send(connection.head(method, path, [("Content-Type", kind), ("Transfer-Encoding", "chunked")]) + body)
    return connection.reply(method)


@pytest.mark.parametrize("trailer", TRAILERS.values(), ids=TRAILERS)
@pytest.mark.parametrize("extension", EXTENSIONS.values(), ids=EXTENSIONS)
def test_extensions_and_trailers_are_skipped(registry, extension, trailer):
    data = DATA + extension + trailer
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": {"a": "x" * 200_000}}
    ).encode()
    with Client(registry.address) as client, Connection(registry.address) as connection:
        location = client.start_upload("chunks/app")
        answer = send(connection, "PATCH", location, OCTETS, coded(data, extension, trailer)).expect(202)
        client.request("PUT", with_query(answer.location, digest=digest_of(data))).expect(201)
        assert client.pull_blob("chunks/app", digest_of(data)) == data
        send(connection, "PUT", "/v2/chunks/app/manifests/v1", OCI_INDEX, coded(manifest, extension, trailer)).expect(
            201
        )
        connection.request("GET", "/v2/").expect(200)
        assert client.get("/v2/chunks/app/manifests/v1").expect(200).body == manifest


def test_a_form_for_the_token_server(registry):
    with Connection(registry.address) as connection:
        body = coded(b"grant_type=password&username=&password=", b";x=y", b"X: y\r\n", 7)
        send(connection, "POST", "/token", "application/x-www-form-urlencoded", body).expect(200, 400, 401)
        connection.request("GET", "/v2/").expect(200)


@pytest.mark.parametrize(
    "body",
    [
        b"3;" + b"x" * 5_000 + b"\r\nabc\r\n0\r\n\r\n",
        b"3;a\rb\r\nabc\r\n0\r\n\r\n",
        b"3;\0\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\nno colon\r\n\r\n",
        b"3\r\nabc\r\n0\r\na b: c\r\n\r\n",
        b"3\r\nabc\r\n0\r\n" + b"X: " + b"y" * 5_000 + b"\r\n\r\n",
        b"3\r\nabc\r\n0\r\n" + (b"X: " + b"y" * 900 + b"\r\n") * 30 + b"\r\n",
        b"3\r\nabc\r\n0\r\n" + b"X:\r\n" * 5_000 + b"\r\n",
        (b"1;" + b"x" * 200 + b"\r\na\r\n") * 300 + b"0\r\n\r\n",
    ],
    ids=range(10),
)
@pytest.mark.parametrize("path", ["/v2/chunks/app/manifests/v2", "upload"])
def test_what_is_malformed_or_too_long_is_refused(registry, body, path):
    with Client(registry.address) as client:
        target = client.start_upload("chunks/app") if path == "upload" else path
        with Connection(registry.address) as connection:
            connection.send(
                connection.head("PATCH" if path == "upload" else "PUT", target, [("Transfer-Encoding", "chunked")])
                + body
            )
            answer = connection.rest()
            assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
            assert answer.count(b"HTTP/1.1 ") <= 1
        client.get("/v2/chunks/app/manifests/v2").expect(404)


@pytest.mark.parametrize(
    "target", ["PUT /v2/chunks/app/manifests/v3", "POST /v2/chunks/app/blobs/uploads/", "GET /v2/"]
)
def test_trailers_without_end_keep_nobody_waiting(registry, target):
    """Each of them is short, and they come faster than they are read."""
    with Connection(registry.address) as connection, Client(registry.address) as client:
        method, path = target.split(" ")
        connection.send(connection.head(method, path, [("Transfer-Encoding", "chunked")]) + b"3\r\nabc\r\n0\r\n")
        sender = threading.Thread(target=connection.send, args=(b"X:\r\n" * 20_000_000,), daemon=True)
        sender.start()
        for _ in range(20):
            client.get("/v2/").expect(200)
        sender.join(10)
        assert not sender.is_alive()
