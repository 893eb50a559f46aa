"""Reading and deleting blobs (distribution-spec, "Pulling blobs", "Deleting Blobs"; RFC 9110 sections 13 and 14)."""

from __future__ import annotations

import os

import pytest

from tests.protocol.refusal import refused
from tests.protocol.wire import Connection, request
from tests.support.http import OCI_CONFIG, OCTETS, Client, digest_of

pytestmark = pytest.mark.database

ABSENT = {"sha256": "sha256:" + "0" * 64, "sha512": "sha512:" + "0" * 128}
REFUSED = {
    "unknown blob": ((404,), ("BLOB_UNKNOWN", "NAME_UNKNOWN")),
    "unknown blob in a known repository": ((404,), ("BLOB_UNKNOWN",)),
    "bad digest": ((400, 404), ("DIGEST_INVALID", "UNSUPPORTED")),
    "still referred to": ((409,), ("DENIED",)),
    "method": ((405,), ("UNSUPPORTED",)),
}
SIZE = 2048
DATA = bytes(range(256)) * 8
# RFC 9110 section 14.1.2 on a representation of 2048 bytes: header, first and last byte position (None: 416).
RANGES = [
    ("bytes=0-0", (0, 0)),
    ("bytes=0-", (0, 2047)),
    ("bytes=500-1499", (500, 1499)),
    ("bytes=500-", (500, 2047)),
    ("bytes=-500", (1548, 2047)),
    ("bytes=-1", (2047, 2047)),
    ("bytes=2000-5000", (2000, 2047)),
    ("bytes=2047-2047", (2047, 2047)),
    ("bytes=-2048", (0, 2047)),
    ("bytes=-5000", (0, 2047)),
    ("bytes=2048-", None),
    ("bytes=5000-10000", None),
    ("bytes=-0", None),
]


@pytest.fixture(scope="module")
def blob(registry):
    with Client(registry.address) as client:
        return f"/v2/blobs/app/blobs/{client.push_blob('blobs/app', DATA)}"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("data", [b"", b"{}", os.urandom(70_000)], ids=["empty", "two bytes", "70 kB"])
def test_head_and_get_agree(client, algorithm, data):
    digest = client.push_blob("agree/app", data, algorithm)
    path = f"/v2/agree/app/blobs/{digest}"
    head, got = client.head(path).expect(200), client.get(path).expect(200)
    assert (head.body, got.body) == (b"", data)
    for answer in (head, got):
        assert answer.headers["Content-Length"] == str(len(data))
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["Content-Type"] == OCTETS
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Request-Id"]


def test_one_algorithm_does_not_answer_for_the_other(client):
    """security H7: the digest in the URL is the digest of the bytes that come."""
    data = os.urandom(100)
    client.push_blob("one/app", data, "sha256")
    refused(client.get(f"/v2/one/app/blobs/{digest_of(data, 'sha512')}"), REFUSED["unknown blob"])
    client.push_blob("one/app", data, "sha512")
    for algorithm in ("sha256", "sha512"):
        assert client.pull_blob("one/app", digest_of(data, algorithm)) == data


@pytest.mark.parametrize("algorithm", ABSENT)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_a_blob_that_is_not_there(client, blob, method, algorithm):
    for repository, case in (("blobs/app", "unknown blob in a known repository"), ("no/such", "unknown blob")):
        refused(client.request(method, f"/v2/{repository}/blobs/{ABSENT[algorithm]}"), REFUSED[case])


def test_a_blob_of_another_repository_is_not_there(client):
    digest = client.push_blob("here/app", os.urandom(20))
    refused(client.get(f"/v2/there/app/blobs/{digest}"), REFUSED["unknown blob"])
    refused(client.delete(f"/v2/there/app/blobs/{digest}"), REFUSED["unknown blob"])
    client.head(f"/v2/here/app/blobs/{digest}").expect(200)


@pytest.mark.parametrize(
    "digest", ["sha256:baddigeststring", "sha256", "md5:" + "0" * 32, "latest", "SHA256:" + "0" * 64]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
def test_what_is_no_digest(client, method, digest):
    refused(client.request(method, f"/v2/blobs/app/blobs/{digest}"), REFUSED["bad digest"])


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH"])
def test_a_blob_cannot_be_written_by_its_digest(client, blob, method):
    refused(client.request(method, blob, {}, b"other"), REFUSED["method"])
    assert client.get(blob).expect(200).body == DATA


def test_405_names_the_methods(client, blob):
    allowed = client.request("PUT", blob, {}, b"x").expect(405).headers["Allow"]
    assert {"GET", "HEAD", "DELETE"} <= {word.strip() for word in allowed.split(",")}


@pytest.mark.parametrize(("wanted", "span"), RANGES, ids=[wanted for wanted, _ in RANGES])
def test_one_range(client, blob, wanted, span):
    answer = client.get(blob, {"Range": wanted})
    if span is None:
        answer.expect(416)
        assert answer.headers["Content-Range"] in (f"bytes */{SIZE}", None)
        return
    first, last = span
    answer.expect(206)
    assert answer.body == DATA[first : last + 1]
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.headers["Content-Length"] == str(last - first + 1)


@pytest.mark.parametrize("wanted", ["bytes=500-0", "bytes=1-0"])
def test_a_reversed_range(client, blob, wanted):
    """RFC 9110 lets a server ignore it; the conformance suite accepts 416 alone."""
    client.get(blob, {"Range": wanted}).expect(416)


@pytest.mark.parametrize("wanted", ["lines=0-5", "bytes=a-b", "bytes=", "0-5", "bytes 0-5", "bytes=--5"])
def test_ranges_that_are_not_served_do_no_harm(client, blob, wanted):
    answer = client.get(blob, {"Range": wanted}).expect(200, 416)
    assert answer.status == 416 or answer.body == DATA


def test_a_range_of_an_empty_blob(client):
    digest = client.push_blob("empty/app", b"")
    client.get(f"/v2/empty/app/blobs/{digest}", {"Range": "bytes=0-"}).expect(416, 200)


def test_head_with_a_range_has_no_body(client, blob):
    answer = client.head(blob, {"Range": "bytes=0-9"}).expect(200, 206)
    assert answer.body == b""
    assert client.get(blob).expect(200).body == DATA, "the connection went on in step"


def test_the_etag_is_the_quoted_digest(client, blob):
    assert client.get(blob).headers["ETag"] == f'"{digest_of(DATA)}"'


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"other", "{}"', "*"])
def test_not_modified(client, blob, method, form):
    answer = client.request(method, blob, {"If-None-Match": form.format(digest_of(DATA))}).expect(304)
    assert answer.body == b""
    assert answer.headers["ETag"] == f'"{digest_of(DATA)}"'
    assert client.get(blob).expect(200).body == DATA, "the connection went on in step"


def test_modified(client, blob):
    assert client.get(blob, {"If-None-Match": '"other"'}).expect(200).body == DATA


def test_if_range(client, blob):
    matching = {"Range": "bytes=0-9", "If-Range": f'"{digest_of(DATA)}"'}
    assert client.get(blob, matching).expect(206).body == DATA[:10]
    assert client.get(blob, {**matching, "If-Range": '"other"'}).expect(200).body == DATA


def test_delete_takes_effect_at_once_and_here_only(client):
    digest = client.push_blob("delete/one", b"two homes")
    client.push_blob("delete/two", b"two homes")
    path = f"/v2/delete/one/blobs/{digest}"
    client.delete(path).expect(202)
    client.head(path).expect(404)
    refused(client.get(path), REFUSED["unknown blob"])
    refused(client.delete(path), REFUSED["unknown blob"])
    assert client.pull_blob("delete/two", digest) == b"two homes"
    client.push_blob("delete/one", b"two homes")
    assert client.pull_blob("delete/one", digest) == b"two homes"


def test_a_delete_holds_for_every_worker(registry, client):
    """security S5: deleted here, still in another repository where it is read meanwhile."""
    digest = client.push_blob("delete/here", b"remembered by nobody")
    client.push_blob("delete/there", b"remembered by nobody")
    for _ in range(10):
        request(registry.address, "GET", f"/v2/delete/here/blobs/{digest}").expect(200)
    client.delete(f"/v2/delete/here/blobs/{digest}").expect(202)
    for _ in range(10):
        request(registry.address, "HEAD", f"/v2/delete/there/blobs/{digest}").expect(200)
        refused(request(registry.address, "GET", f"/v2/delete/here/blobs/{digest}"), REFUSED["unknown blob"])


def test_a_blob_in_use_is_not_deleted(client):
    client.push_image("use/app", "latest", [b"a layer in use"])
    document = client.pull_manifest("use/app", "latest").json()
    for used in (document["config"], *document["layers"]):
        refused(client.delete(f"/v2/use/app/blobs/{used['digest']}"), REFUSED["still referred to"])
        client.head(f"/v2/use/app/blobs/{used['digest']}").expect(200)
    assert document["config"]["mediaType"] == OCI_CONFIG
    client.delete(f"/v2/use/app/manifests/{digest_of(client.pull_manifest('use/app', 'latest').body)}").expect(202)
    client.delete(f"/v2/use/app/blobs/{document['layers'][0]['digest']}").expect(202)


@pytest.mark.ways
def test_the_end_of_one_connection_is_not_told_to_others(registry, client, blob):
    """A body that GET has no use for is not waited for: this answer alone says that the connection ends."""
    with Connection(registry.address) as connection:
        connection.send(connection.head("GET", blob, [("Content-Length", str(100 << 20))]))
        early = connection.reply()
    later = client.get(blob).expect(200)
    assert early.headers["Connection"] == "close"
    assert (later.body, later.headers["Connection"]) == (DATA, None)


def test_many_reads_over_one_connection_stay_in_step(client):
    blobs = {
        client.push_blob("step/app", data): data for data in (os.urandom(size) for size in (0, 1, 999, 65_536, 300_000))
    }
    for _ in range(5):
        for digest, data in blobs.items():
            assert client.head(f"/v2/step/app/blobs/{digest}").expect(200).headers["Content-Length"] == str(len(data))
            assert client.pull_blob("step/app", digest) == data
            client.get(f"/v2/step/app/blobs/{ABSENT['sha256']}").expect(404)
