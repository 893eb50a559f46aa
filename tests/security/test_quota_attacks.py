"""What one user with a quota of 4 MiB tries to bring in: whatever way it comes, the store keeps little more than the
quota allows.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.protocol.wire import Connection
from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.people import As, People, basic

MIB = 1 << 20
QUOTA = 4 * MIB
BLOBS = "/v2/mallory/app/blobs"
NEW = f"{BLOBS}/uploads/"
TYPE = {"Content-Type": OCTETS}


def shown(registry, name: str) -> dict[str, str]:
    return People(registry).shown(name)


@pytest.fixture
def registry(deploy, tmp_path):
    with deploy(tmp_path / "data", auth_anonymous="none") as registry:
        People(registry).add("ann", "mallory", "bob")
        People(registry).command("user", "quota", "mallory", "--bytes", "4MiB")
        yield registry


@pytest.fixture
def mallory(registry):
    with As(registry.address, shown(registry, "mallory")) as client:
        yield client


def stored(registry) -> int:
    """Bytes of all files in the store."""
    return sum(
        os.stat(os.path.join(folder, name)).st_size
        for folder, _, names in os.walk(registry.root / "blobs")
        for name in names
    )


def pieces(count: int, size: int = MIB) -> Iterator[bytes]:
    """A body of unknown length."""
    return (os.urandom(size) for _ in range(count))


def one_piece(client: Client, data: bytes):
    """nginx closes a connection without a word when the answer came before the whole body, so the next request takes
    another one.
    """
    answer = client.request("POST", with_query(NEW, digest=digest_of(data)), TYPE, data)
    if answer.status != 201:
        client.close()
    return answer


def finished(registry, client: Client) -> None:
    """Everything is in order, and a push that fits is taken."""
    one_piece(client, os.urandom(MIB)).expect(201)
    done = registry.prepare("check", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["ok"], done.stdout


def test_one_long_chunked_body_ends_at_the_quota(registry, mallory):
    """64 MiB, of which 4 fit: as clients send them, and through the socket itself, looking at the disk meanwhile."""
    location = mallory.start_upload("mallory/app")
    most = 0
    with Connection(registry.address) as connection:
        headers = [
            *shown(registry, "mallory").items(),
            ("Transfer-Encoding", "chunked"),
            ("Content-Type", OCTETS),
        ]
        connection.send(connection.head("PATCH", location, headers))
        try:
            for piece in pieces(64):
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                most = max(most, stored(registry))
        except OSError:
            pass  # it answered and closed
    assert most <= QUOTA + 2 * MIB
    time.sleep(0.2)
    assert stored(registry) == 0
    mallory.get(location).expect(404)
    finished(registry, mallory)


def test_the_answer_to_a_body_that_is_too_long(mallory):
    answer = mallory.request("PATCH", mallory.start_upload("mallory/app"), TYPE, list(pieces(6))).expect(403)
    assert (
        answer.code() == "DENIED"
        and "the quota of namespace mallory is 4.0 MiB" in answer.json()["errors"][0]["message"]
    )


@pytest.mark.database
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_many_sessions_together_hold_the_quota(registry, mallory, chunked):
    def one(_: int) -> int:
        with As(registry.address, shown(registry, "mallory")) as client:
            data = os.urandom(3 * MIB)
            return client.request("PATCH", client.start_upload("mallory/app"), TYPE, [data] if chunked else data).status

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(one, range(16)))
    assert set(statuses) <= {202, 403} and statuses.count(202) <= 1
    assert stored(registry) <= QUOTA
    for _ in range(4):
        mallory.request("POST", NEW).expect(202, 403)
    People(registry).command("uploads", "drop", "--owner", "mallory")
    assert stored(registry) == 0
    finished(registry, mallory)


def test_bodies_that_are_cut_count_too(registry, mallory):
    """Each leaves less in the store than a look at the quota is worth."""
    data = os.urandom(200_000)
    for _ in range(60):
        answer = mallory.request("POST", NEW)
        if answer.status == 403:
            break
        with Connection(registry.address) as connection:
            location = with_query(answer.expect(202).location, digest=digest_of(b"never"))
            headers = [
                *shown(registry, "mallory").items(),
                ("Transfer-Encoding", "chunked"),
                ("Content-Type", OCTETS),
            ]
            connection.send(connection.head("PUT", location, headers) + b"%x\r\n%s\r\n" % (len(data), data))
            time.sleep(0.03)
    time.sleep(0.3)
    assert stored(registry) <= QUOTA + MIB


@pytest.mark.database
def test_one_blob_pushed_again_and_again_is_stored_once(registry, mallory):
    data = os.urandom(MIB)
    for number in range(64):
        one_piece(mallory, data).expect(201)
        assert stored(registry) <= MIB, number
    assert mallory.pull_blob("mallory/app", digest_of(data)) == data
    small = os.urandom(1000)
    for _ in range(5):
        one_piece(mallory, small).expect(201)
    assert mallory.pull_blob("mallory/app", digest_of(small)) == small
    finished(registry, mallory)


@pytest.mark.parametrize("damage", ["shorter", "other bytes", "gone"])
def test_under_a_quota_a_damaged_blob_is_mended_by_pushing_it(registry, mallory, damage):
    data = os.urandom(MIB)
    one_piece(mallory, data).expect(201)
    (path,) = [os.path.join(folder, name) for folder, _, names in os.walk(registry.root / "blobs") for name in names]
    if damage == "gone":
        os.unlink(path)
    else:
        with open(path, "r+b") as file:
            file.truncate(1000) if damage == "shorter" else file.write(b"other bytes")
    one_piece(mallory, data).expect(201)
    assert mallory.pull_blob("mallory/app", digest_of(data)) == data
    finished(registry, mallory)


def test_what_is_deleted_and_not_collected_makes_as_much_again(registry, mallory):
    """Deleting makes room at once, but not without end: what was deleted lies there until it is collected."""
    statuses = []
    for _ in range(8):
        data = os.urandom(3 * MIB)
        answer = one_piece(mallory, data)
        statuses.append(answer.status)
        mallory.request("DELETE", f"{BLOBS}/{digest_of(data)}")
        assert stored(registry) <= 2 * QUOTA
    assert statuses == [201, 201] + [403] * 6
    error = answer.json()["errors"][0]
    assert "as much again that was deleted or replaced and is not collected yet" in error["message"]
    assert {key: int(error["detail"][key]) for key in ("quota", "used", "garbage")} == {
        "quota": QUOTA,
        "used": 0,
        "garbage": 6 * MIB,
    }
    registry.configure(gc_grace=0)
    registry.prepare("gc")
    assert stored(registry) == 0
    finished(registry, mallory)


def test_an_upload_that_expires_counts_until_its_bytes_are_gone(registry, mallory):
    data = os.urandom(3 * MIB)
    mallory.request("PATCH", mallory.start_upload("mallory/app"), TYPE, data).expect(202)
    one_piece(mallory, data).expect(403)
    registry.configure(gc_upload_expiry=0)
    registry.prepare("gc")
    one_piece(mallory, data).expect(201)  # what has expired is garbage
    one_piece(mallory, os.urandom(3 * MIB)).expect(403)
    mallory.request("DELETE", f"{BLOBS}/{digest_of(data)}").expect(202)
    one_piece(mallory, os.urandom(3 * MIB)).expect(403)
    registry.configure(gc_upload_expiry=0, gc_grace=0)
    registry.prepare("gc")
    assert stored(registry) == 0
    finished(registry, mallory)


@pytest.mark.database
def test_uploads_that_fit_are_taken_side_by_side(registry, mallory):
    """Five layers at once that fill the quota exactly, in all ways; sessions that end give back what they took."""

    def one(number: int) -> int:
        data = os.urandom(QUOTA // 8)
        with As(registry.address, shown(registry, "mallory")) as client:
            body = [data] if number % 2 else data
            location = client.request("PATCH", client.start_upload("mallory/app"), TYPE, body).expect(202).location
            return client.request("PUT", with_query(location, digest=digest_of(data))).status

    for _ in range(3):
        mallory.request("PATCH", mallory.start_upload("mallory/app"), TYPE, os.urandom(QUOTA)).expect(202)
        People(registry).command("uploads", "drop", "--all")
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(one, range(8))) == [201] * 8
    one_piece(mallory, b"x").expect(403)
