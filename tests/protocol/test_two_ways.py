"""A plain GET or HEAD is answered by a short way through the server; every other form of it gets the same answer.

The forms below differ in ways that must not matter (RFC 9112), and in some that only the long way understands.
"""

from __future__ import annotations

import os
import time

import pytest

from tests.protocol.wire import Connection
from tests.support.http import Client, digest_of

pytestmark = pytest.mark.direct
DATA = os.urandom(100_000)
ABSENT = "sha256:" + "0" * 64
FORMS = {
    "plain": [],
    "as docker asks": [
        ("User-Agent", "docker/20.10"),
        ("Accept", "application/json"),
        ("Accept", "*/*"),
        ("Accept-Encoding", "identity"),
    ],
    "with a header nobody knows": [("X-Whatever", "1")],
    "with an empty header": [("X-Empty", "")],
    "with a cookie": [("Cookie", "a=b")],
    "with an empty body": [("Content-Length", "0")],
    "keep-alive spelled out": [("Connection", "keep-alive")],
    "with a referer": [("Referer", "http://example.org/")],
}
PATHS = {
    "manifest by tag": "/v2/two/ways/manifests/latest",
    "manifest by digest": "/v2/two/ways/manifests/{manifest}",
    "blob": "/v2/two/ways/blobs/{blob}",
    "empty blob": "/v2/two/ways/blobs/{empty}",
    "blob by sha512": "/v2/two/ways/blobs/{sha512}",
    "unknown tag": "/v2/two/ways/manifests/nothere",
    "unknown digest": f"/v2/two/ways/manifests/{ABSENT}",
    "unknown blob": f"/v2/two/ways/blobs/{ABSENT}",
    "unknown repository": "/v2/two/other/manifests/latest",
    "bad name": "/v2/Two/ways/manifests/latest",
    "bad tag": "/v2/two/ways/manifests/.latest",
    "bad digest": "/v2/two/ways/blobs/sha256:bad",
    "encoded tag": "/v2/two/ways/manifests/l%61test",
    "encoded digest": "/v2/two/ways/blobs/{encoded}",
    "with a query": "/v2/two/ways/manifests/latest?x=y",
    "root": "/v2/",
}
CHANGING = {"date", "x-request-id"}


@pytest.fixture(scope="module")
def paths(registry) -> dict[str, str]:
    with Client(registry.address) as client:
        values = {
            "manifest": client.push_image("two/ways", "latest"),
            "blob": client.push_blob("two/ways", DATA),
            "empty": client.push_blob("two/ways", b""),
            "sha512": client.push_blob("two/ways", DATA, "sha512"),
            "encoded": digest_of(DATA).replace(":", "%3A"),
        }
    return {name: path.format(**values) for name, path in PATHS.items()}


def essence(response) -> tuple:
    """What a client may rely on: all but the date and the request's own id."""
    headers = sorted((name.lower(), value) for name, value in response.headers.items() if name.lower() not in CHANGING)
    body = (
        [(error["code"], error["message"], error.get("detail")) for error in response.json()["errors"]]
        if response.status >= 400 and response.body
        else response.body
    )
    return response.status, headers, body


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", PATHS)
def test_every_form_has_the_same_answer(registry, paths, name, method):
    found = {}
    for form, headers in FORMS.items():
        with Connection(registry.address) as connection:
            found[form] = essence(connection.request(method, paths[name], headers))
    for form, answer in found.items():
        assert answer == found["plain"], form


# A HEAD asks whether something is there: under a name that cannot be, nothing is.
@pytest.mark.parametrize("name", [name for name in PATHS if name != "bad name"])
def test_head_is_get_without_the_body(registry, paths, name):
    with Connection(registry.address) as connection:
        head, got = (connection.request(method, paths[name]) for method in ("HEAD", "GET"))
    assert essence(head)[:2] == essence(got)[:2] and head.body == b""
    assert head.headers["Content-Length"] == str(len(got.body))


@pytest.mark.parametrize("name", ["manifest by tag", "blob", "unknown blob", "root"])
def test_a_request_may_arrive_in_pieces(registry, paths, name):
    with Connection(registry.address) as connection:
        plain = essence(connection.request("GET", paths[name]))
        data = connection.head("GET", paths[name])
        for cut in (1, 5, len(data) // 2, len(data) - 3, len(data) - 1):
            connection.send(data[:cut])
            time.sleep(0.02)
            connection.send(data[cut:])
            assert essence(connection.reply()) == plain, cut


def test_requests_may_arrive_together(registry, paths):
    order = ["manifest by tag", "blob", "unknown tag", "root", "empty blob", "manifest by digest", "blob", "bad name"]
    with Connection(registry.address) as connection:
        single = {name: essence(connection.request("GET", paths[name])) for name in order}
        connection.send(
            b"".join(
                connection.head("GET", paths[name], FORMS["with a cookie"] if turn % 3 else [])
                for turn, name in enumerate(order)
            )
        )
        assert [essence(connection.reply()) for _ in order] == [single[name] for name in order]


def test_short_and_long_way_alternate_on_one_connection(registry, paths):
    with Connection(registry.address) as connection:
        for turn in range(30):
            headers = FORMS["with a header nobody knows"] if turn % 2 else []
            assert connection.request("GET", paths["blob"], headers).expect(200).body == DATA
            assert connection.request("POST", "/v2/two/ways/blobs/uploads/", headers).expect(202)
            assert connection.request("HEAD", paths["manifest by tag"], headers).expect(200).body == b""


@pytest.mark.parametrize("name", ["manifest by tag", "blob", "unknown tag"])
def test_connection_close_is_obeyed(registry, paths, name):
    with Connection(registry.address) as connection:
        connection.request("GET", paths[name], [("Connection", "close")]).expect(200, 404)
        assert connection.closed_within(5)


@pytest.mark.parametrize("name", ["manifest by tag", "blob", "unknown tag"])
def test_http_1_0_gets_an_answer_and_the_end_of_the_connection(registry, paths, name):
    with Connection(registry.address) as connection:
        connection.send(b"GET %s HTTP/1.0\r\nHost: %s\r\n\r\n" % (paths[name].encode(), registry.address.encode()))
        answer = connection.reply().expect(200, 404)
        # A proxy that is not told would keep the connection for its next request.
        assert answer.headers["Content-Length"] and answer.headers["Connection"] == "close"
        assert connection.closed_within(5)
