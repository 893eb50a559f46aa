"""Request targets that are no path: in absolute form on every route (RFC 9112 section 3.2.2), and `OPTIONS *` (RFC 9110
section 9.3.7).
"""

from __future__ import annotations

import pytest

from tests.protocol.wire import Connection
from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.people import People
from tests.support.server import Registry

pytestmark = pytest.mark.ways
DATA = bytes(range(256)) * 2000


def absolute(registry, path: str, scheme: str = "http") -> str:
    return f"{scheme}://{registry.address}{path}"


@pytest.fixture(scope="module")
def image(registry) -> str:
    with Client(registry.address) as client:
        return client.push_image("targets/app", "v1", layers=[DATA])


@pytest.mark.parametrize("scheme", ["http", "HTTP", "https"])
def test_every_route_takes_an_absolute_target(registry, image, scheme):
    paths = (
        "/v2/",
        "/v2/_catalog?n=1",
        "/v2/targets/app/tags/list",
        "/v2/targets/app/manifests/v1",
        f"/v2/targets/app/blobs/{digest_of(DATA)}",
        # fmt: skip
        f"/v2/targets/app/referrers/{image}",
        "/healthz",
        "/readyz",
        "/token",
        "/v2/?ns=docker.io",
        "/v2/none/tags/list",
        "/nowhere",
    )
    with Connection(registry.address) as connection:
        for path in paths:
            for method in ("GET", "HEAD"):
                plain, found = (
                    connection.request(method, path),
                    connection.request(method, absolute(registry, path, scheme)),
                )
                assert found.status == plain.status and (
                    found.headers["Content-Length"] == plain.headers["Content-Length"] or "token" in path
                ), path
        assert (
            connection.request("GET", absolute(registry, f"/v2/targets/app/blobs/{digest_of(DATA)}")).expect(200).body
            == DATA
        )


def test_an_image_is_pushed_and_deleted_by_absolute_targets(registry):
    blob = DATA + b"another"
    with Connection(registry.address) as connection:
        location = (
            connection.request("POST", absolute(registry, "/v2/targets/push/blobs/uploads/")).expect(202).location
        )
        connection.request("PATCH", absolute(registry, location), [("Content-Type", OCTETS)], blob).expect(202)
        location = connection.request("GET", absolute(registry, location)).expect(204).location
        connection.request("PUT", absolute(registry, with_query(location, digest=digest_of(blob)))).expect(201)
        connection.request("DELETE", absolute(registry, f"/v2/targets/push/blobs/{digest_of(blob)}")).expect(202)


def test_the_host_of_the_target_counts_and_not_the_field(tmp_path):
    """Where to log in is said about the host that the client meant."""
    with Registry(tmp_path / "data") as registry:
        People(registry).add("ann")
        for host in ("registry.example:5000", "registry.example", "[::1]:80"):
            with Connection(registry.address) as connection:
                answer = connection.request("GET", f"http://{host}/v2/", [("Host", "other.example")]).expect(401)
            assert f'realm="http://{host}/token"' in answer.headers["WWW-Authenticate"]


def test_who_asks_for_a_foreign_host_is_not_local(tmp_path):
    """Without accounts this machine may do everything, but not in the name of a page that
    another site's name leads to.
    """
    with Registry(tmp_path / "data") as registry, Connection(registry.address) as connection:
        connection.request("POST", "/v2/app/blobs/uploads/", [("Host", "localhost")]).expect(202)
        connection.request("POST", "http://localhost/v2/app/blobs/uploads/", [("Host", "evil.example")]).expect(202)
        connection.request("POST", "http://evil.example/v2/app/blobs/uploads/", [("Host", "localhost")]).expect(
            401, 403
        )


@pytest.mark.parametrize(
    "target",
    ["http:///v2/", "http://:5000/v2/", "http://bob:secret@localhost/v2/", "http://a b/v2/", "http://[::1/v2/"],
)
def test_a_target_without_a_sound_host_is_refused(registry, target):
    with Connection(registry.address) as connection:
        connection.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert connection.reply().status == 400
        assert connection.closed_within(5)


@pytest.mark.parametrize("fields", ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n"])
def test_the_field_has_to_be_sound_all_the_same(registry, fields):
    with Connection(registry.address) as connection:
        connection.send(f"GET http://localhost/v2/ HTTP/1.1\r\n{fields}\r\n".encode())
        assert connection.reply().status == 400


@pytest.mark.parametrize(
    "target", ["ftp://localhost/v2/", "//localhost/v2/", "localhost/v2/", "http:/v2/", "http://localhost/v2/#x", "*"]
)
def test_other_targets_are_no_paths(registry, target):
    with Connection(registry.address) as connection:
        connection.request("GET", target).expect(404)


def test_an_absolute_target_may_have_no_path(registry):
    with Connection(registry.address) as connection:
        for query in ("", "?a=b"):
            page = connection.request("GET", absolute(registry, query)).expect(200)
            assert page.headers["Content-Type"] == "text/html; charset=utf-8"


def test_http_1_0_needs_no_host_field(registry):
    with Connection(registry.address) as connection:
        connection.send(f"GET {absolute(registry, '/v2/')} HTTP/1.0\r\n\r\n".encode())
        connection.reply().expect(200)


@pytest.mark.parametrize("target", ["*", "http://localhost"])
def test_options_of_the_whole_server(registry, target):
    with Connection(registry.address) as connection:
        answer = connection.request("OPTIONS", target).expect(200)
        assert answer.body == b"" and answer.headers["Content-Length"] == "0"
        assert {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} <= set(answer.headers["Allow"].split(", "))
        connection.request("GET", "/v2/").expect(200)
