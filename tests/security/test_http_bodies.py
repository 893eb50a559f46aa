"""Bodies of requests under attack: codings, Expect: 100-continue, and bodies where none belongs."""

from __future__ import annotations

import pytest

from tests.protocol import wire
from tests.protocol.refusal import refused
from tests.security.test_http import ABSENT, REFUSED
from tests.support.http import OCI_INDEX, OCTETS, Client, digest_of, with_query

pytestmark = pytest.mark.ways


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "GZIP", "x"])
def test_coded_bodies_are_not_read(registry, coding):
    with Client(registry.address) as client:
        location = client.start_upload("coding/app")
        headers = {"Content-Encoding": coding, "Content-Type": OCI_INDEX}
        for method, path in (
            ("PUT", "/v2/coding/app/manifests/latest"),
            ("PATCH", location),
            ("PUT", with_query(location, digest=digest_of(b"x"))),
            ("POST", f"/v2/coding/app/blobs/uploads/?digest={digest_of(b'x')}"),
        ):
            refused(client.request(method, path, headers, b"x"), REFUSED["coding"])
        assert client.get(location).expect(204).headers["Range"] == "0-0"
        client.delete(location).expect(204)


def test_identity_is_no_coding(registry):
    with Client(registry.address) as client:
        location = client.start_upload("coding/app")
        client.request(
            "PUT", with_query(location, digest=digest_of(b"x")), {"Content-Encoding": "identity"}, b"x"
        ).expect(201)


def expecting(address: str, method: str, path: str, size: int, more=()) -> tuple[int, wire.Connection]:
    """The first status after a head with Expect: 100-continue and no body yet."""
    connection = wire.Connection(address)
    connection.send(connection.head(method, path, [("Content-Length", str(size)), ("Expect", "100-continue"), *more]))
    return connection.reply(method).status, connection


def test_continue_is_said_after_the_checks_only(registry):
    cases = [
        ("PUT", "/v2/UPPER/manifests/latest", 10, {400}),
        ("PATCH", f"/v2/expect/app/blobs/uploads/{'0' * 32}", 10, {404}),
        ("PUT", f"/v2/expect/app/blobs/uploads/{'0' * 32}?digest={ABSENT}", 10, {404}),
        ("PUT", "/v2/expect/app/manifests/latest", 1 << 40, {413}),
        ("PUT", "/v2/expect/app/manifests/.bad", 10, {400, 404}),
        ("POST", "/v2/_catalog", 10, {405}),
        ("POST", "/v2/expect/app/blobs/uploads/?digest=md5:1", 10, {400}),
    ]
    for method, path, size, statuses in cases:
        status, connection = expecting(registry.address, method, path, size, [("Content-Type", OCI_INDEX)])
        connection.close()
        assert status in statuses, f"{method} {path}: {status}"


def test_continue_is_said_when_the_body_is_wanted(registry):
    with Client(registry.address) as client:
        location = client.start_upload("expect/app")
    status, connection = expecting(registry.address, "PUT", with_query(location, digest=digest_of(b"expected")), 8)
    with connection:
        assert status == 100
        connection.send(b"expected")
        connection.reply("PUT").expect(201)
        connection.request("GET", "/v2/").expect(200)


@pytest.mark.parametrize("size", [1 << 20, 8 << 20, 40 << 20])
def test_a_client_that_sends_all_before_it_listens_still_sees_the_refusal(registry, size):
    """docker and others write the whole body first: the answer must not be lost in a reset."""
    with Client(registry.address) as client:
        answer = client.request(
            "PATCH", f"/v2/sends/all/blobs/uploads/{'0' * 32}", {"Content-Type": OCTETS}, bytes(size)
        )
        refused(answer, REFUSED["unknown upload"])
        refused(
            client.request("PUT", "/v2/UPPER/manifests/x", {"Content-Type": OCI_INDEX}, bytes(size)), REFUSED["name"]
        )


@pytest.mark.parametrize("fields", ["Host: a b", "Host: a\r\nHost: b", "Host: x\r\nContent-Length: 5,5"])
@pytest.mark.parametrize("size", [10, 300_000, 4 << 20])
def test_a_head_of_two_readings_is_refused_although_more_follows(registry, fields, size):
    """The answer is there when all is sent, and nothing behind the head is a request."""
    hidden = b"DELETE /v2/hidden/app/manifests/v1 HTTP/1.1\r\nHost: x\r\n\r\n"
    with wire.Connection(registry.address, 10) as connection:
        head = f"PUT /v2/unsound/app/manifests/v1 HTTP/1.1\r\n{fields}\r\nContent-Length: {size}\r\n\r\n"
        connection.send(head.encode() + bytes(size) + hidden)
        answer = connection.reply("PUT").expect(400)
        assert answer.headers["Connection"] == "close" and connection.closed_within(5)


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST", "HEAD"])
def test_bodies_where_none_belongs(registry, method):
    """A small one is passed over, and the connection stays in step; one of a terabyte is not waited for."""
    with wire.Connection(registry.address) as connection:
        connection.request(method, "/v2/none/tags/list", [("Content-Length", "5")], b"hello").expect(404, 405, 400)
        connection.request("GET", "/v2/").expect(200)
    with wire.Connection(registry.address, 5) as connection:
        connection.send(connection.head(method, "/v2/none/tags/list", [("Content-Length", str(1 << 40))]))
        connection.send(bytes(2 << 20))
        connection.reply(method).expect(404, 405, 400, 413)
