"""Two transactions that overlap: one has done its work and is about to commit when the other begins. Whatever the
second decides, it decides after the first has committed, and what is visible stays whole.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dockboard_registry.domain.content.blobs import Blobs
from dockboard_registry.domain.content.manifests import Manifests
from dockboard_registry.domain.garbage.collect import Collector
from dockboard_registry.domain.uploads.uploads import Uploads
from dockboard_registry.errors import BlobUnknown, InUse, ManifestBlobUnknown, ManifestUnknown
from dockboard_registry.names import Reference
from tests.contract.aio import asynchronous
from tests.contract.domain.placement import everywhere
from tests.contract.domain.world import LONG, full_round, image, index, sha256
from tests.contract.drivers import LOCKS

# Longer than a transaction takes that does not wait for another, and shorter than anyone's patience.
OVERLAP_SECONDS = 0.4


class Open:
    """A Database whose next write stays open, its work done, until it is let go."""

    def __init__(self, db: Any):
        self._db = db
        self.done, self._go = threading.Event(), threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def write(self, fn: Callable, durable: bool = True, repeatable: bool = False, brings: int = 0) -> Any:
        def stay(tx: Any) -> Any:
            outcome = fn(tx)
            self.done.set()
            assert self._go.wait(20)
            return outcome

        return self._db.write(stay, durable, repeatable, brings)

    def commit(self) -> None:
        self._go.set()


async def overlapping(db: Any, first: Callable[[Any], Awaitable], second: Callable[[], Awaitable]) -> list:
    """What both came to: `first(db)` commits its only write while `second()` is under way."""
    held = Open(db)
    one = asyncio.ensure_future(first(held))
    await asyncio.to_thread(held.done.wait, 20)
    two = asyncio.ensure_future(second())
    await asyncio.wait([two], timeout=OVERLAP_SECONDS)
    held.commit()
    return await asyncio.gather(one, two, return_exceptions=True)


@pytest.fixture
def other(world):
    """A second worker process, with connections of its own."""
    return world.process(lease=0, grace=0)


BODY = image(b"config", b"layer")


async def pushed(process) -> None:
    for data in (b"config", b"layer"):
        await process.push(data)


def put(body: bytes, *tags: str):
    return lambda db: Manifests(db).put("app", Reference(None, sha256(body)), body, "", list(tags))


async def whole(process) -> None:
    assert (await process.check()).problems == []


@everywhere
@asynchronous
async def test_a_blob_is_deleted_while_a_manifest_that_needs_it_is_pushed(process, other):
    await pushed(process)
    stored, refused = await overlapping(
        process.db, put(BODY, "v1"), lambda: other.blobs.delete("app", sha256(b"layer"))
    )
    assert stored.digest == sha256(BODY) and isinstance(refused, InUse)
    await whole(process)


@everywhere
@asynchronous
async def test_a_manifest_is_pushed_while_a_blob_that_it_needs_is_deleted(process, other):
    await pushed(process)
    _, refused = await overlapping(
        process.db, lambda db: Blobs(db, process.storage, LONG).delete("app", sha256(b"layer")), lambda: other.put(BODY)
    )
    assert isinstance(refused, ManifestBlobUnknown)
    await whole(process)


@everywhere
@asynchronous
async def test_a_child_is_deleted_while_its_index_is_pushed(process, other):
    await pushed(process)
    child = await process.put(BODY)
    stored, refused = await overlapping(
        process.db, put(index(BODY), "all"), lambda: other.manifests.delete("app", child)
    )
    assert stored.digest == sha256(index(BODY)) and isinstance(refused, InUse)
    await whole(process)


@everywhere
@asynchronous
async def test_an_index_is_pushed_while_its_child_is_deleted(process, other):
    await pushed(process)
    child = await process.put(BODY)
    _, refused = await overlapping(
        process.db, lambda db: Manifests(db).delete("app", child), lambda: other.put(index(BODY))
    )
    assert isinstance(refused, ManifestBlobUnknown)
    await whole(process)


@everywhere
@asynchronous
async def test_blobs_are_collected_while_a_manifest_that_needs_them_is_pushed(process, other):
    await pushed(process)
    _, report = await overlapping(process.db, put(BODY, "v1"), other.collect)
    assert (report.links, report.blobs, report.keys) == (0, 0, 0)
    await whole(process)
    assert await process.pull(sha256(b"layer")) == b"layer"


@everywhere
@asynchronous
async def test_a_manifest_is_pushed_while_its_blobs_are_collected(process, other):
    await pushed(process)
    _, refused = await overlapping(
        process.db, lambda db: full_round(Collector(db, process.storage, 0, 0, LONG)), lambda: other.put(BODY, "v1")
    )
    assert isinstance(refused, ManifestBlobUnknown)
    await whole(process)


@pytest.mark.parametrize("source", ["app", None])
@everywhere
@asynchronous
async def test_a_blob_is_collected_while_it_is_mounted_elsewhere(world, process, other, source):
    """The collector finds the link that the blob was pushed with, and not the new one, however late it begins."""
    digest = await process.push(b"data")
    await process.db.write(lambda tx: tx.run("UPDATE repository_blobs SET leased_at = 0"))
    mounted, report = await overlapping(
        process.db,
        lambda db: Blobs(db, process.storage, LONG).mount("new", digest, source),
        world.process(grace=0).collect,
    )
    assert mounted is True and report.blobs == 0
    await other.collect()
    await whole(process)


@pytest.mark.parametrize("source", ["app", None])
@everywhere
@asynchronous
async def test_a_blob_is_mounted_while_its_last_link_is_deleted(process, other, source):
    digest = await process.push(b"data")
    await overlapping(
        process.db,
        lambda db: Blobs(db, process.storage, LONG).delete("app", digest),
        lambda: other.blobs.mount("new", digest, source),
    )
    await other.collect()
    await whole(process)


@pytest.mark.only(LOCKS)
@everywhere
@asynchronous
async def test_a_blob_without_links_is_collected_while_it_is_pushed_again(process, other):
    digest = await process.push(b"data")
    await process.blobs.delete("app", digest)
    session = await process.begun(b"data", repository="new")

    async def finish(db: Any) -> None:
        uploads = Uploads(db, process.storage, "this start", 100)
        await uploads.record(await uploads.find("new", session.id), 4, digest)

    _, report = await overlapping(process.db, finish, other.collect)
    assert report.blobs == 0
    assert await process.pull(digest, "new") == b"data"
    await whole(process)


@everywhere
@asynchronous
async def test_the_same_blob_is_pushed_twice(process, other):
    """Each key that was replaced is garbage, and the one that is named is not."""
    await process.push(b"data")
    sessions = [await process.begun(b"data"), await process.begun(b"data")]

    def finish(session):
        return lambda db: Uploads(db, process.storage, "this start", 100).record(session, 4, sha256(b"data"))

    await overlapping(process.db, finish(sessions[0]), lambda: finish(sessions[1])(other.db))
    assert await process.key(sha256(b"data")) == sessions[1].storage_key
    assert await process.count("SELECT COUNT(*) FROM garbage") == 2
    assert (
        await process.count("SELECT COUNT(*) FROM garbage JOIN blobs ON blobs.storage_key = garbage.storage_key") == 0
    )


@everywhere
@asynchronous
async def test_a_manifest_is_deleted_while_it_gets_a_tag(process, other):
    await pushed(process)
    digest = await process.put(BODY)
    outcomes = await overlapping(process.db, put(BODY, "late"), lambda: other.manifests.delete("app", digest))
    assert outcomes[1] is None
    with pytest.raises(ManifestUnknown):
        await process.manifest("app", Reference("late", None))
    await whole(process)


@everywhere
@asynchronous
async def test_a_manifest_gets_a_tag_while_it_is_deleted(process, other):
    await pushed(process)
    digest = await process.put(BODY)
    await overlapping(process.db, lambda db: Manifests(db).delete("app", digest), lambda: other.put(BODY, "again"))
    assert (await process.manifest("app", Reference("again", None))).body == BODY
    await whole(process)


@everywhere
@asynchronous
async def test_the_same_new_tag_is_pushed_twice(process, other):
    """The one that commits later wins."""
    await pushed(process)
    second = image(b"config", b"layer", annotations={"a": "b"})
    await overlapping(process.db, put(BODY, "v1"), lambda: other.put(second, "v1"))
    assert (await process.manifest("app", Reference("v1", None))).body == second
    await whole(process)


@pytest.mark.only(LOCKS)
@everywhere
@asynchronous
async def test_the_same_new_repository_begins_twice(process, other):
    def begin(process):
        return lambda db: Uploads(db, process.storage, "this start", 100)

    sessions = [await process.begun(b"a", repository="new"), await process.begun(b"b", repository="new")]
    await overlapping(
        process.db,
        lambda db: begin(process)(db).record(sessions[0], 1, sha256(b"a")),
        lambda: begin(other)(other.db).record(sessions[1], 1, sha256(b"b")),
    )
    assert await process.count("SELECT COUNT(*) FROM repositories") == 1
    assert [await process.pull(sha256(data), "new") for data in (b"a", b"b")] == [b"a", b"b"]


@pytest.mark.only(LOCKS)
@everywhere
@asynchronous
async def test_an_upload_is_cancelled_while_it_is_finished(process, other):
    session = await process.begun(b"data")
    _, refused = await overlapping(
        process.db,
        lambda db: Uploads(db, process.storage, "this start", 100).record(session, 4, sha256(b"data")),
        lambda: other.uploads.cancel(session),
    )
    assert type(refused).__name__ == "UploadUnknown"
    assert await process.pull(sha256(b"data")) == b"data"


@everywhere
@asynchronous
async def test_a_lease_is_renewed_while_its_link_is_collected(process, world, other):
    process = world.process(lease=0)
    digest = await process.push(b"data")
    await asyncio.sleep(0.005)
    _, answer = await overlapping(
        process.db,
        lambda db: full_round(Collector(db, process.storage, LONG, 0, LONG)),
        lambda: process.promise("app", digest),
    )
    assert isinstance(answer, BlobUnknown)
    await whole(process)
