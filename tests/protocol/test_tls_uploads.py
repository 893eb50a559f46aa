"""Large bodies over TLS: read from the session in a thread, and the connection goes on as if Tornado had read them."""

from __future__ import annotations

import http.client
import random
import socket
import ssl
import time

import pytest

from tests.protocol.certificates import make_certificate, trusting
from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.images import noise
from tests.support.server import Registry

pytestmark = pytest.mark.direct
CONTENT = noise(3_000_000, 5)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificate"), "registry")


@pytest.fixture(scope="module")
def secure(tmp_path_factory, pair):
    root = tmp_path_factory.mktemp("secure") / "data"
    with Registry(
        root, workers=1, server_tls_certificate=pair[0], server_tls_key=pair[1], server_header_timeout=1
    ) as registry:
        yield registry


@pytest.fixture(params=[ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["TLS 1.2", "TLS 1.3"])
def connection(secure, pair, request):
    """One keep-alive connection; http.client would open another where the server closed it, so that is forbidden."""
    context = trusting(pair[0])
    context.minimum_version = context.maximum_version = request.param
    host, port = secure.address.rsplit(":", 1)
    made = http.client.HTTPSConnection(host, int(port), timeout=30, context=context)
    made.connect()
    made.auto_open = False
    yield made
    made.close()


def ask(connection, method: str, target: str, headers: dict | None = None, body=None):
    connection.request(method, target, body, headers or {})
    answer = connection.getresponse()
    return answer, answer.read()


def start(connection) -> str:
    return ask(connection, "POST", "/v2/tls/app/blobs/uploads/")[0].headers["Location"]


def pieces(data: bytes, seed: int = 1):
    """Of sizes around those of a TLS record, with a rest now and then."""
    dice, at = random.Random(seed), 0
    while at < len(data):
        size = dice.choice((1, 100, 16_383, 16_384, 16_385, 70_000, 400_000))
        yield data[at : at + size]
        at += size
        if dice.random() < 0.1:
            time.sleep(0.05)


@pytest.mark.parametrize("headers", [{"Content-Length": str(len(CONTENT))}, {}], ids=["length", "chunked"])
def test_a_large_body_and_what_follows_on_its_connection(connection, headers):
    answer, _ = ask(connection, "PATCH", start(connection), {"Content-Type": OCTETS, **headers}, pieces(CONTENT))
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{len(CONTENT) - 1}")
    digest = digest_of(CONTENT)
    answer, _ = ask(connection, "PUT", with_query(answer.headers["Location"], digest=digest))
    assert answer.status == 201
    time.sleep(2.5)  # longer than a header may take: the connection is idle, no header has begun
    answer, body = ask(connection, "GET", f"/v2/tls/app/blobs/{digest}")
    assert (answer.status, body) == (200, CONTENT)


def test_a_chunked_body_whose_last_record_is_read_in_two(connection):
    """What the first buffer had no room for is in the session, and nothing more comes from the socket."""
    size = (16 << 10) - 9
    connection.putrequest("PATCH", start(connection))
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    time.sleep(0.2)  # a slow client: the server waits for the socket, and then takes 16 KiB
    connection.sock.settimeout(5)
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    connection.send(b"%x\r\n" % size)
    connection.send(bytes(size) + b"\r\n0\r\n\r\n")
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Range"]) == (202, f"0-{size - 1}")


def test_a_whole_blob_in_one_put(connection):
    location = with_query(start(connection), digest=digest_of(CONTENT))
    assert ask(connection, "PUT", location, {"Content-Length": str(len(CONTENT))}, pieces(CONTENT, 2))[0].status == 201
    assert ask(connection, "GET", "/v2/")[0].status == 200


def test_a_wrong_digest_is_refused_and_the_connection_goes_on(connection):
    location = with_query(start(connection), digest=digest_of(b"something else"))
    answer, body = ask(connection, "PUT", location, {"Content-Length": str(len(CONTENT))}, pieces(CONTENT, 3))
    assert answer.status == 400 and b"DIGEST_INVALID" in body
    assert ask(connection, "GET", "/v2/")[0].status == 200


def test_a_refusal_before_a_long_body_is_heard(connection):
    """The upload is unknown: the answer comes while the client sends, and the connection ends after it."""
    connection.putrequest("PATCH", "/v2/tls/app/blobs/uploads/" + "0" * 32)
    connection.putheader("Content-Length", str(20_000_000))
    connection.endheaders()
    sent = 0
    try:
        while sent < 20_000_000:
            connection.send(CONTENT[:1_000_000])
            sent += 1_000_000
    except OSError:
        pass  # the server may close before all is sent
    answer = connection.getresponse()
    assert answer.status == 404 and b"BLOB_UPLOAD_UNKNOWN" in answer.read()
    assert answer.headers["Connection"] == "close"


def test_a_client_that_vanishes_in_the_middle(secure, pair, connection):
    location = start(connection)
    connection.putrequest("PATCH", location)
    connection.putheader("Content-Length", str(len(CONTENT)))
    connection.endheaders()
    connection.send(CONTENT[:1_000_000])
    connection.close()
    with Client(secure.address, context=trusting(pair[0])) as other:
        assert other.get("/v2/").status == 200
        at = int(other.get(location).expect(204).headers["Range"].partition("-")[2]) + 1
        rest = (
            other.request("PATCH", location, {"Content-Range": f"{at}-{len(CONTENT) - 1}"}, CONTENT[at:])
            if at > 1
            else None
        )
        assert rest is None or rest.status in (202, 416)


def test_a_body_that_is_no_chunked_coding(connection):
    connection.putrequest("PATCH", start(connection))
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders(b"5\r\nhello\r\nnothing of the kind\r\n")
    answer = connection.getresponse()
    assert answer.status == 400 and answer.headers["Connection"] == "close"
