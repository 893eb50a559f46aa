"""Every refusal has the spec's shape, a code from its table and its words, a cause, a next step, and tells nothing
about the inside.
"""

from __future__ import annotations

import json

import pytest

from tests.protocol import wire
from tests.protocol.refusal import LEAKS, refused
from tests.support.http import OCI_INDEX, OCI_MANIFEST, Client, digest_of

ABSENT = "sha256:" + "0" * 64
JSON = "application/json"
# name: method, path, headers, body, statuses, codes
CASES = {
    "root of nothing": ("GET", "/nowhere", {}, None, (404,), ("UNSUPPORTED",)),
    "below v2": ("GET", "/v2/nowhere", {}, None, (404,), ("UNSUPPORTED", "NAME_UNKNOWN")),
    "unknown route": ("GET", "/v2/a/b/unknown/c", {}, None, (404,), ("UNSUPPORTED", "NAME_UNKNOWN")),
    "v2 put": ("PUT", "/v2/", {}, b"", (405,), ("UNSUPPORTED",)),
    "catalog post": ("POST", "/v2/_catalog", {}, b"", (405,), ("UNSUPPORTED",)),
    "tags delete": ("DELETE", "/v2/a/tags/list", {}, None, (405,), ("UNSUPPORTED",)),
    "referrers post": ("POST", f"/v2/a/referrers/{ABSENT}", {}, b"", (405,), ("UNSUPPORTED",)),
    "manifest patch": ("PATCH", "/v2/a/manifests/b", {}, b"", (405,), ("UNSUPPORTED",)),
    "blob put": ("PUT", f"/v2/a/blobs/{ABSENT}", {}, b"x", (405,), ("UNSUPPORTED",)),
    "upload without post": (
        "PUT",
        "/v2/a/blobs/uploads/",
        {},
        b"x",
        (404, 405),
        ("UNSUPPORTED", "BLOB_UPLOAD_UNKNOWN"),
    ),
    "unknown method": ("BREW", "/v2/", {}, None, (405, 501), ("UNSUPPORTED",)),
    "name upper case": ("GET", "/v2/Upper/tags/list", {}, None, (400,), ("NAME_INVALID",)),
    "name too long": ("GET", f"/v2/{'a' * 256}/tags/list", {}, None, (400,), ("NAME_INVALID",)),
    "name unknown": ("GET", "/v2/no/such/tags/list", {}, None, (404,), ("NAME_UNKNOWN",)),
    "manifest unknown": ("GET", "/v2/errors/app/manifests/none", {}, None, (404,), ("MANIFEST_UNKNOWN",)),
    "manifest unknown by digest": (
        "GET",
        f"/v2/errors/app/manifests/{ABSENT}",
        {},
        None,
        (404,),
        ("MANIFEST_UNKNOWN",),
    ),
    "manifest delete unknown": ("DELETE", "/v2/errors/app/manifests/none", {}, None, (404,), ("MANIFEST_UNKNOWN",)),
    "manifest bad digest": ("GET", "/v2/errors/app/manifests/sha256:bad", {}, None, (404,), ("MANIFEST_UNKNOWN",)),
    "manifest bad tag": (
        "PUT",
        "/v2/errors/app/manifests/.bad",
        {"Content-Type": OCI_MANIFEST},
        b"{}",
        (400, 404),
        ("MANIFEST_INVALID", "NAME_INVALID"),
    ),
    "manifest no JSON": (
        "PUT",
        "/v2/errors/app/manifests/x",
        {"Content-Type": OCI_MANIFEST},
        b"<",
        (400,),
        ("MANIFEST_INVALID",),
    ),
    "manifest of no type": (
        "PUT",
        "/v2/errors/app/manifests/x",
        {"Content-Type": "text/html"},
        b"{}",
        (400, 415),
        ("MANIFEST_INVALID", "UNSUPPORTED"),
    ),
    "manifest digest": (
        "PUT",
        f"/v2/errors/app/manifests/{ABSENT}",
        {"Content-Type": OCI_INDEX},
        b'{"schemaVersion":2,"manifests":[]}',
        (400,),
        ("DIGEST_INVALID",),
    ),
    "manifest child": (
        "PUT",
        "/v2/errors/app/manifests/x",
        {"Content-Type": OCI_INDEX},
        json.dumps(
            {"schemaVersion": 2, "manifests": [{"mediaType": OCI_MANIFEST, "digest": ABSENT, "size": 2}]}
        ).encode(),
        (400, 404),
        ("MANIFEST_BLOB_UNKNOWN",),
    ),
    "manifest too large": (
        "PUT",
        "/v2/errors/app/manifests/x",
        {"Content-Type": OCI_INDEX},
        b" " * (4 * 2**20 + 1),
        (413,),
        ("SIZE_INVALID", "MANIFEST_INVALID"),
    ),
    "blob unknown": ("GET", f"/v2/errors/app/blobs/{ABSENT}", {}, None, (404,), ("BLOB_UNKNOWN",)),
    "blob bad digest": ("GET", "/v2/errors/app/blobs/sha256:bad", {}, None, (400, 404), ("DIGEST_INVALID",)),
    "upload unknown": ("GET", f"/v2/errors/app/blobs/uploads/{'0' * 32}", {}, None, (404,), ("BLOB_UPLOAD_UNKNOWN",)),
    "upload patch unknown": (
        "PATCH",
        f"/v2/errors/app/blobs/uploads/{'0' * 32}",
        {},
        b"x",
        (404,),
        ("BLOB_UPLOAD_UNKNOWN",),
    ),
    "upload bad id": ("GET", "/v2/errors/app/blobs/uploads/not-an-id", {}, None, (404,), ("BLOB_UPLOAD_UNKNOWN",)),
    "post wrong digest": (
        "POST",
        f"/v2/errors/app/blobs/uploads/?digest={ABSENT}",
        {},
        b"x",
        (400,),
        ("DIGEST_INVALID",),
    ),
    "post bad algorithm": (
        "POST",
        "/v2/errors/app/blobs/uploads/?digest-algorithm=crc32",
        {},
        b"",
        (400,),
        ("DIGEST_INVALID", "UNSUPPORTED"),
    ),
    "referrers bad digest": ("GET", "/v2/errors/app/referrers/bad", {}, None, (400,), ("DIGEST_INVALID",)),
    "page number": ("GET", "/v2/errors/app/tags/list?n=x", {}, None, (400,), ("UNSUPPORTED", "SIZE_INVALID")),
    "range": (
        "GET",
        "/v2/errors/app/blobs/{blob}",
        {"Range": "bytes=100-"},
        None,
        (416,),
        ("SIZE_INVALID", "UNSUPPORTED", "BLOB_UNKNOWN"),
    ),
    "content coding": (
        "PUT",
        "/v2/errors/app/manifests/x",
        {"Content-Type": OCI_INDEX, "Content-Encoding": "gzip"},
        b"x",
        (415,),
        ("UNSUPPORTED",),
    ),
}


@pytest.fixture(scope="module")
def blob(registry) -> str:
    with Client(registry.address) as client:
        client.push_image("errors/app", "latest")
        return client.push_blob("errors/app", b"range me")


@pytest.fixture(params=CASES)
def case(request, blob):
    method, path, headers, body, *expected = CASES[request.param]
    return method, path.replace("{blob}", blob), headers, body, tuple(expected)


def test_every_refusal_is_well_formed(registry, case):
    method, path, headers, body, expected = case
    answer = wire.request(registry.address, method, path, headers.items(), body)
    refused(answer, expected)
    below = path.startswith("/v2/")
    assert answer.headers["Docker-Distribution-API-Version"] == ("registry/2.0" if below else None)
    assert answer.headers["X-Request-Id"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Length"] == str(len(answer.body))
    assert not LEAKS.search(str(answer.headers).encode()), answer.headers
    if answer.status == 405:
        assert method not in answer.headers["Allow"]


@pytest.mark.direct
def test_the_connection_goes_on_after_a_refusal(registry, blob, case):
    """The next answer on the same connection is that of the next request; where the
    server rather closes, it says so.
    """
    method, path, headers, body, expected = case
    with wire.Connection(registry.address) as connection:
        answer = connection.request(method, path, headers.items(), body)
        if not wire.goes_on(answer):
            assert connection.closed_within(5)
            return
        assert connection.request("GET", f"/v2/errors/app/blobs/{blob}").expect(200).body == b"range me"


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[0] == "GET"])
def test_head_of_a_refusal_has_no_body(registry, blob, name):
    _, path, headers, _, statuses, _ = CASES[name]
    with wire.Connection(registry.address) as connection:
        connection.request("HEAD", path.replace("{blob}", blob), headers.items()).expect(*statuses, 200, 404, 405)
        connection.request("GET", "/v2/").expect(200), "nothing of a body was left on the connection"


@pytest.mark.direct
@pytest.mark.parametrize("text", ['"', "\\", "<script>", "%0a", "%00", "\u00e9", "%e2%80%ae", "%7b%7b7*7%7d%7d"])
def test_what_the_client_sent_does_not_break_the_body(registry, text):
    for path in (
        f"/v2/{text}/tags/list",
        f"/v2/errors/app/manifests/{text}",
        f"/v2/errors/app/blobs/{text}",
        f"/{text}",
    ):
        answer = wire.request(registry.address, "GET", path)
        assert 400 <= answer.status < 500, (path, answer)
        assert answer.headers.get_content_type() == JSON and answer.json()["errors"]
        assert b"<script>" not in answer.body


def test_each_answer_has_its_own_request_id(registry):
    with Client(registry.address) as client:
        ids = [client.get(path).headers["X-Request-Id"] for path in ("/v2/", "/v2/_catalog", "/nowhere") * 5]
    assert len(set(ids)) == len(ids)


def test_a_refusal_changes_nothing_for_the_next(client, blob):
    before = client.get("/v2/_catalog").json()
    client.get("/v2/never/pushed/tags/list").expect(404)
    client.request("POST", f"/v2/never/pushed/blobs/uploads/?digest={ABSENT}", {}, b"x").expect(400)
    assert client.get("/v2/_catalog").json() == before
    assert client.pull_blob("errors/app", digest_of(b"range me")) == b"range me"
