"""Every way to bring a blob in (distribution-spec, "Pushing blobs"), and every way that goes wrong."""

from __future__ import annotations

import os
import threading
import time
import uuid

import pytest

from tests.protocol.refusal import refused
from tests.protocol.wire import Connection
from tests.support.http import OCTETS, Client, digest_of, with_query

pytestmark = pytest.mark.database

ABSENT = "sha256:" + "0" * 64
REFUSED = {
    "wrong digest": ((400,), ("DIGEST_INVALID",)),
    "digest of no known kind": ((400,), ("DIGEST_INVALID", "UNSUPPORTED")),
    "no digest": ((400,), ("DIGEST_INVALID",)),
    "out of order": ((416,), ("BLOB_UPLOAD_INVALID",)),
    "length is not the range": ((400, 416), ("SIZE_INVALID", "BLOB_UPLOAD_INVALID")),
    "unknown upload": ((404,), ("BLOB_UPLOAD_UNKNOWN",)),
    "unknown algorithm": ((400,), ("DIGEST_INVALID", "UNSUPPORTED")),
    "unknown blob": ((404,), ("BLOB_UNKNOWN", "NAME_UNKNOWN")),
    "bad name": ((400, 404), ("NAME_INVALID",)),
}
SIZES = {"empty": 0, "two bytes": 2, "a chunk and a bit": 70_001, "more than a server buffer": 3 << 20}


def uploads(repository: str, **query: str) -> str:
    return with_query(f"/v2/{repository}/blobs/uploads/", **query)


def send_range(client: Client, location: str, data: bytes, start: int, method: str = "PATCH", **query: str):
    end = start + len(data) - 1
    headers = {"Content-Type": OCTETS, "Content-Range": f"{start}-{end}"}
    return client.request(method, with_query(location, **query), headers, data)


def in_one_post(client: Client, repository: str, data: bytes, digest: str):
    return client.request("POST", uploads(repository, digest=digest), {"Content-Type": OCTETS}, data)


def in_post_and_put(client: Client, repository: str, data: bytes, digest: str):
    location = client.start_upload(repository)
    return client.request("PUT", with_query(location, digest=digest), {"Content-Type": OCTETS}, data)


def in_post_and_put_without_length(client: Client, repository: str, data: bytes, digest: str):
    location = client.start_upload(repository)
    return client.request("PUT", with_query(location, digest=digest), {"Content-Type": OCTETS}, pieces(data))


def in_a_streamed_patch(client: Client, repository: str, data: bytes, digest: str):
    location = client.start_upload(repository)
    sent = client.request("PATCH", location, {"Content-Type": OCTETS}, pieces(data)).expect(202)
    return client.request("PUT", with_query(sent.location, digest=digest))


def in_one_patch_with_length(client: Client, repository: str, data: bytes, digest: str):
    location = client.start_upload(repository)
    sent = client.request("PATCH", location, {"Content-Type": OCTETS}, data).expect(202)
    return client.request("PUT", with_query(sent.location, digest=digest))


def in_chunks(client: Client, repository: str, data: bytes, digest: str):
    location, start = client.start_upload(repository), 0
    for part in thirds(data):
        location = send_range(client, location, part, start).expect(202).location
        start += len(part)
    return client.request("PUT", with_query(location, digest=digest))


def in_chunks_the_last_in_the_put(client: Client, repository: str, data: bytes, digest: str):
    location, start = client.start_upload(repository), 0
    *first, last = thirds(data) or [b""]
    for part in first:
        location = send_range(client, location, part, start).expect(202).location
        start += len(part)
    if not last:
        return client.request("PUT", with_query(location, digest=digest))
    return send_range(client, location, last, start, "PUT", digest=digest)


FORMS = [
    in_one_post,
    in_post_and_put,
    in_post_and_put_without_length,
    in_a_streamed_patch,
    in_one_patch_with_length,
    in_chunks,
    in_chunks_the_last_in_the_put,
]


def pieces(data: bytes, size: int = 10_000):
    return (data[start : start + size] for start in range(0, len(data), size))


def thirds(data: bytes) -> list[bytes]:
    size = -(-len(data) // 3)
    return list(pieces(data, size)) if size else []


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_brings_the_bytes_in(client, form, algorithm, size):
    data = os.urandom(size)
    digest = digest_of(data, algorithm)
    done = form(client, "forms/app", data, digest).expect(201)
    assert done.headers["Docker-Content-Digest"] == digest
    assert done.location == f"/v2/forms/app/blobs/{digest}"
    assert client.get(done.location).expect(200).body == data


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("form", FORMS)
def test_bytes_with_another_digest_are_refused_and_not_kept(client, form, algorithm):
    data, other = os.urandom(50), os.urandom(50)
    claimed = digest_of(other, algorithm)
    refused(form(client, "wrong/app", data, claimed), REFUSED["wrong digest"])
    for digest in (claimed, digest_of(data, algorithm)):
        client.get(f"/v2/wrong/app/blobs/{digest}").expect(404)


def test_the_start_of_an_upload_names_its_session(client):
    started = client.request("POST", uploads("start/app")).expect(202)
    session = started.location.removeprefix("/v2/start/app/blobs/uploads/").partition("?")[0]
    assert uuid.UUID(session), "the spec asks for a UUID in the location"
    assert started.headers["Location"].startswith("/"), "a relative location survives every proxy"
    assert started.headers["Docker-Upload-UUID"] == session
    assert started.headers["Range"] == "0-0"
    assert started.headers["Content-Length"] == "0"


def test_progress_is_told_by_patch_and_by_status(client):
    location = client.start_upload("progress/app")
    assert client.get(location).expect(204).headers["Range"] == "0-0"
    for start, end in ((0, 9), (10, 99), (100, 100)):
        patched = send_range(client, location, b"x" * (end - start + 1), start).expect(202)
        status = client.get(patched.location).expect(204)
        assert patched.headers["Range"] == status.headers["Range"] == f"0-{end}"
        assert status.location and status.body == b""
        location = patched.location


@pytest.mark.parametrize("bad_start", [1, 5, 11, 19, 10_000])
def test_a_chunk_out_of_order_is_refused_and_the_upload_goes_on(client, bad_start):
    data = os.urandom(30)
    location = client.start_upload("order/app")
    refused(send_range(client, location, data[:10], bad_start), REFUSED["out of order"])
    assert client.get(location).expect(204).headers["Range"] == "0-0"
    location = send_range(client, location, data[:10], 0).expect(202).location
    again = bad_start if bad_start != 10 else 9
    refused(send_range(client, location, data[10:20], again), REFUSED["out of order"])
    location = client.get(location).expect(204).location
    location = send_range(client, location, data[10:20], 10).expect(202).location
    refused(send_range(client, location, data[20:], 21, "PUT", digest=digest_of(data)), REFUSED["out of order"])
    status = client.get(location).expect(204)
    assert status.headers["Range"] == "0-19"
    done = send_range(client, status.location, data[20:], 20, "PUT", digest=digest_of(data)).expect(201)
    assert client.get(done.location).expect(200).body == data


def test_a_chunk_sent_twice_is_refused_once(client):
    data = os.urandom(20)
    location = client.start_upload("twice/app")
    location = send_range(client, location, data, 0).expect(202).location
    refused(send_range(client, location, data, 0), REFUSED["out of order"])
    client.request("PUT", with_query(location, digest=digest_of(data))).expect(201)


@pytest.mark.parametrize("span", ["0-8", "0-10"])
def test_a_range_that_is_not_the_length_is_refused(client, span):
    location = client.start_upload("span/app")
    answer = client.request("PATCH", location, {"Content-Type": OCTETS, "Content-Range": span}, b"x" * 10)
    refused(answer, REFUSED["length is not the range"])
    assert client.get(location).expect(204).headers["Range"] == "0-0"


def test_each_chunk_may_reach_another_worker(registry):
    data = os.urandom(200_000)
    with Client(registry.address) as client:
        location = client.start_upload("workers/app")
    for start in range(0, len(data), 10_000):
        with Client(registry.address) as client:
            location = send_range(client, location, data[start : start + 10_000], start).expect(202).location
    with Client(registry.address) as client:
        client.request("PUT", with_query(location, digest=digest_of(data))).expect(201)
        assert client.pull_blob("workers/app", digest_of(data)) == data


def test_patches_without_a_range_append(client):
    data = os.urandom(64)
    location = client.start_upload("append/app")
    for part in (data[:20], data[20:50]):
        location = client.request("PATCH", location, {"Content-Type": OCTETS}, part).expect(202).location
    client.request("PUT", with_query(location, digest=digest_of(data)), {"Content-Type": OCTETS}, data[50:]).expect(201)
    assert client.pull_blob("append/app", digest_of(data)) == data


def test_a_cut_patch_can_be_resumed_where_it_was_cut(registry, client):
    data = os.urandom(500_000)
    location = client.start_upload("cut/app")
    with Connection(registry.address) as connection:
        head = connection.head(
            "PATCH", location, [("Content-Length", str(len(data))), ("Content-Range", f"0-{len(data) - 1}")]
        )
        connection.send(head + data[:300_000])
    kept = settled_size(client, location)
    assert kept <= 300_000
    location = client.get(location).expect(204).location
    send_range(client, location, data[kept:], kept, "PUT", digest=digest_of(data)).expect(201)
    assert client.pull_blob("cut/app", digest_of(data)) == data


def settled_size(client: Client, location: str) -> int:
    """Bytes that an upload holds once two looks agree: the server learns of a cut connection a little later."""
    sizes = [-1, -2]
    while sizes[-1] != sizes[-2]:
        time.sleep(0.2)
        span = client.get(location).expect(204).headers["Range"]
        last = int(span.removeprefix("0-"))
        sizes.append(last + 1 if last else 0)
    return sizes[-1]


def test_cancel_ends_the_session(client):
    location = client.start_upload("cancel/app")
    location = send_range(client, location, b"some bytes", 0).expect(202).location
    cancelled = client.delete(location).expect(204)
    assert cancelled.body == b""
    refused(client.get(location), REFUSED["unknown upload"])
    refused(client.delete(location), REFUSED["unknown upload"])
    refused(send_range(client, location, b"more", 10), REFUSED["unknown upload"])
    refused(client.request("PUT", with_query(location, digest=digest_of(b"some bytes"))), REFUSED["unknown upload"])


def test_a_finished_session_is_gone(client):
    location = client.start_upload("finished/app")
    client.request("PUT", with_query(location, digest=digest_of(b"done")), {}, b"done").expect(201)
    refused(client.get(location), REFUSED["unknown upload"])
    refused(send_range(client, location, b"more", 4), REFUSED["unknown upload"])
    refused(client.delete(location), REFUSED["unknown upload"])


@pytest.mark.parametrize(
    ("algorithm", "status"),
    [
        ("sha256", 202),
        ("sha512", 202),
        ("md5", 400),
        ("SHA256", 400),
        ("sha384", 400),
        ("%00", 400),
        ("../sha256", 400),
    ],
)
def test_the_digest_algorithm_parameter(client, algorithm, status):
    started = client.request("POST", with_query(uploads("algorithm/app"), **{"digest-algorithm": algorithm}))
    if status != 202:
        refused(started, REFUSED["unknown algorithm"])
        return
    data = os.urandom(100)
    patched = client.request("PATCH", started.expect(202).location, {}, pieces(data, 30)).expect(202)
    digest = digest_of(data, algorithm)
    client.request("PUT", with_query(patched.location, digest=digest)).expect(201)
    assert client.pull_blob("algorithm/app", digest) == data


@pytest.mark.parametrize(
    "digest", ["sha256:baddigeststring", "md5:" + "0" * 32, "sha256", "", "SHA256:" + "0" * 64, "sha256:" + "A" * 64]
)
def test_a_digest_of_no_known_kind_is_refused(client, digest):
    refused(in_one_post(client, "kinds/app", b"data", digest), REFUSED["digest of no known kind"])
    refused(in_post_and_put(client, "kinds/app", b"data", digest), REFUSED["digest of no known kind"])


def test_a_put_without_digest_is_refused_and_the_upload_stays(client):
    location = client.start_upload("nodigest/app")
    refused(client.request("PUT", location, {"Content-Type": OCTETS}, b"data"), REFUSED["no digest"])
    client.get(location).expect(204, 404)


def test_a_mount_makes_the_blob_readable_at_once(client):
    digest = client.push_blob("mount/source", b"mounted bytes")
    for query in ({"mount": digest, "from": "mount/source"}, {"mount": digest}):
        target = f"mount/target-{len(query)}"
        mounted = client.request("POST", uploads(target, **query)).expect(201)
        assert mounted.location == f"/v2/{target}/blobs/{digest}"
        assert mounted.headers["Docker-Content-Digest"] == digest
        assert client.get(mounted.location).expect(200).body == b"mounted bytes"


def test_a_mounted_blob_outlives_its_source(client):
    digest = client.push_blob("outlive/source", b"shared")
    client.request("POST", uploads("outlive/target", mount=digest, **{"from": "outlive/source"})).expect(201)
    client.delete(f"/v2/outlive/source/blobs/{digest}").expect(202)
    refused(client.get(f"/v2/outlive/source/blobs/{digest}"), REFUSED["unknown blob"])
    assert client.pull_blob("outlive/target", digest) == b"shared"


@pytest.mark.parametrize("query", [{}, {"from": "nowhere/known"}, {"from": "unmountable/app"}])
def test_a_mount_of_an_unknown_blob_starts_an_upload(client, query):
    data = os.urandom(40)
    started = client.request("POST", uploads("unmountable/app", mount=digest_of(data), **query)).expect(202)
    client.request("PUT", with_query(started.location, digest=digest_of(data)), {}, data).expect(201)
    assert client.pull_blob("unmountable/app", digest_of(data)) == data


def test_a_mount_from_a_repository_without_the_blob_is_mount_or_upload(client):
    digest = client.push_blob("elsewhere/source", b"it is elsewhere")
    answer = client.request("POST", uploads("elsewhere/target", mount=digest, **{"from": "elsewhere/other"})).expect(
        201, 202
    )
    if answer.status == 202:
        client.request("PUT", with_query(answer.location, digest=digest), {}, b"it is elsewhere").expect(201)
    assert client.pull_blob("elsewhere/target", digest) == b"it is elsewhere"


def test_a_mount_from_an_impossible_name_reads_nothing(client):
    digest = client.push_blob("impossible/source", b"not for ..")
    for source in (
        "..%2f..%2fimpossible%2fsource",
        "",
        "Impossible/source",
        "impossible/source&from=impossible/source",
        "x" * 256,
    ):
        started = client.request("POST", f"/v2/impossible/target/blobs/uploads/?mount={digest}&from={source}").expect(
            202
        )
    client.request("PUT", with_query(started.location, digest=digest), {}, b"not for ..").expect(201)


@pytest.mark.parametrize(
    "mount",
    [
        "sha256:short",
        "md5:" + "0" * 32,
        "..%2f..%2fetc%2fpasswd",
        "",
        "sha256:" + "A" * 64,
        f"{digest_of(b'1')}&mount={digest_of(b'2')}",
    ],
)
@pytest.mark.parametrize("source", ["", "&from=badmount/other", "&from=Bad"])
def test_a_mount_by_a_bad_digest_starts_an_upload(client, mount, source):
    """distribution specification, "Mounting a blob from another repository": a registry
    that can't mount answers 202.
    """
    data = os.urandom(20)
    started = client.request("POST", f"/v2/badmount/app/blobs/uploads/?mount={mount}{source}").expect(202)
    client.request("PUT", with_query(started.location, digest=digest_of(data)), {}, data).expect(201)
    assert client.pull_blob("badmount/app", digest_of(data)) == data


def test_the_same_blob_pushed_at_once_by_many(registry):
    data, statuses = os.urandom(100_000), []

    def push() -> None:
        with Client(registry.address) as client:
            statuses.append(in_post_and_put(client, "crowd/app", data, digest_of(data)).status)

    threads = [threading.Thread(target=push) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [201] * 8


def test_an_upload_continues_only_in_its_own_repository(client):
    location = client.start_upload("mine/app")
    foreign = location.replace("/v2/mine/app/", "/v2/theirs/app/")
    refused(client.get(foreign), REFUSED["unknown upload"])
    refused(send_range(client, foreign, b"data", 0), REFUSED["unknown upload"])
    refused(client.request("PUT", with_query(foreign, digest=digest_of(b""))), REFUSED["unknown upload"])
    refused(client.delete(foreign), REFUSED["unknown upload"])
    client.get(location).expect(204)


@pytest.mark.parametrize("name", ["Upper/app", "a//b", "a/-b", "x" * 256, "a/b_", "a..b/c"])
def test_a_repository_with_a_bad_name_is_not_started(client, name):
    refused(client.request("POST", uploads(name)), REFUSED["bad name"])


@pytest.mark.parametrize("name", ["app", "a/b/c/d/e/f", "a.b/c_d/e__f/g-h/i---j", "0/1"])
def test_names_of_any_depth(client, name):
    digest = client.push_blob(name, name.encode())
    assert client.pull_blob(name, digest) == name.encode()


def test_a_start_without_the_closing_slash(client):
    """Old clients leave the slash out; both spellings reach the same route."""
    client.request("POST", "/v2/slash/app/blobs/uploads").expect(202, 404)
    assert client.request("POST", "/v2/slash/app/blobs/uploads/").expect(202)


def test_unknown_digest_of_an_upload_of_nothing(client):
    location = client.start_upload("nothing/app")
    refused(client.request("PUT", with_query(location, digest=ABSENT)), REFUSED["wrong digest"])
