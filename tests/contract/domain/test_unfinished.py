"""Manifests with many references: stored and deleted in many transactions, and whole or not there all the same."""

import asyncio
import random
import threading
import time

import pytest

from dockboard_registry.db import DatabaseFailed, DatabaseFull
from dockboard_registry.db.each import SOME
from dockboard_registry.domain.content import references
from dockboard_registry.domain.content.documents import parse
from dockboard_registry.domain.content.manifests import Manifests
from dockboard_registry.domain.content.unfinished import MANY, UnfinishedManifests
from dockboard_registry.errors import Denied, InUse, ManifestBlobUnknown, ManifestUnknown
from dockboard_registry.names import Reference
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.world import Between, image, index, sha256

COUNT = MANY + 50
COUNTS = {
    "children": "SELECT COUNT(*) FROM manifest_children",
    "blobs": "SELECT COUNT(*) FROM manifest_blobs",
    "unfinished": "SELECT COUNT(*) FROM unfinished_manifests",
}
NOTHING = {"children": 0, "blobs": 0, "unfinished": 0}


async def left(process) -> dict[str, int]:
    return {name: await process.count(sql) for name, sql in COUNTS.items()}


async def linked(process, count: int = COUNT) -> list[bytes]:
    """Blobs of the repository, without their bytes: hundreds of pushes take long."""
    await process.push(b"config")
    blobs = [b"%d" % number for number in range(count)]

    def link(tx) -> None:
        (repository_id,) = tx.one("SELECT id FROM repositories WHERE name = 'app'")
        for blob in blobs:
            digest = sha256(blob)
            columns = "digest, storage_key, size, created_at"
            tx.insert(f"INSERT INTO blobs ({columns}) VALUES (?, ?, ?, 0)", digest, digest[7:71], len(blob))
            columns = "repository_id, digest, leased_at"
            tx.insert(f"INSERT INTO repository_blobs ({columns}) VALUES (?, ?, 0)", repository_id, digest)

    await process.db.write(link)
    return blobs


async def children(process, count: int = COUNT) -> list[bytes]:
    """Manifests of the repository, without any reference of their own."""
    await process.push(b"config")
    made = [image(b"config", annotations={"number": str(number)}) for number in range(count)]

    def insert(tx) -> None:
        (repository_id,) = tx.one("SELECT id FROM repositories WHERE name = 'app'")
        columns = "repository_id, digest, media_type, size, pushed_at, body"
        for body in made:
            row = repository_id, sha256(body), parse(body, "").media_type, len(body), body
            tx.insert(f"INSERT INTO manifests ({columns}) VALUES (?, ?, ?, ?, 0, ?)", *row)

    await process.db.write(insert)
    return made


async def crashed(process, body: bytes) -> None:
    """What a push leaves that recorded all references and ended before it stored the manifest."""
    held = await references.ask(process.db, "app", parse(body, ""))
    assert await UnfinishedManifests(process.db).record("app", sha256(body), held) is not None


async def grow_old(process) -> None:
    await process.db.write(lambda tx: tx.run("UPDATE unfinished_manifests SET changed_at = 0"))


class Before:
    """A Database that lets something else happen before one of its writes, the first of which is number 1."""

    def __init__(self, db, number: int, act):
        self._db, self._left, self._act = db, number, act

    def __getattr__(self, name: str):
        return getattr(self._db, name)

    async def write(self, fn, *arguments, **named):
        self._left -= 1
        if self._left == 0:
            await self._act()
        return await self._db.write(fn, *arguments, **named)


class Watched:
    """A Database that counts the changes, and those that run in the event loop."""

    def __init__(self, db):
        self._db = db
        self.rows = []
        self.in_loop = 0

    def __getattr__(self, name: str):
        return getattr(self._db, name)

    def write(self, fn, *arguments, **named):
        loop = threading.get_ident()

        def watched(tx):
            self.in_loop += bool(named.get("long")) and threading.get_ident() == loop
            self.rows.append(0)
            return fn(Counting(tx, self.rows))

        return self._db.write(watched, *arguments, **named)


class Counting:
    """A Tx that counts the references that it inserts and deletes."""

    def __init__(self, tx, rows: list[int]):
        self._tx, self._rows = tx, rows

    def __getattr__(self, name: str):
        return getattr(self._tx, name)

    def run(self, sql: str, *parameters) -> int:
        changed = self._tx.run(sql, *parameters)
        if sql.startswith(("INSERT INTO manifest_", "DELETE FROM manifest_")):
            self._rows[-1] += changed
        return changed


@pytest.mark.parametrize("count", [MANY - 1, MANY, MANY + 1, 3 * MANY + 17])
@asynchronous
async def test_references_to_children_are_recorded_and_removed(process, count):
    made = await children(process, count)
    whole = index(*made, made[0])
    for _ in range(2):
        await process.put(whole, "all")
        assert await left(process) == {"children": count, "blobs": 0, "unfinished": 0}
    with pytest.raises(InUse) as refused:
        await process.manifests.delete("app", sha256(made[-1]))
    assert refused.value.next == f"delete index {sha256(whole)} first"
    await process.manifests.delete("app", sha256(whole))
    assert await left(process) == NOTHING
    await process.manifests.delete("app", sha256(made[-1]))


@asynchronous
async def test_references_to_layers_are_recorded_and_removed(process):
    whole = image(b"config", *await linked(process))
    await process.put(whole, "v1")
    assert await left(process) == {"children": 0, "blobs": COUNT + 1, "unfinished": 0}
    with pytest.raises(InUse) as refused:
        await process.blobs.delete("app", sha256(b"7"))
    assert refused.value.next == f"delete manifest {sha256(whole)} first"
    await process.manifests.delete("app", sha256(whole))
    assert await left(process) == NOTHING
    await process.blobs.delete("app", sha256(b"7"))


@asynchronous
async def test_no_transaction_changes_many_references(process):
    made = await children(process, 5 * MANY)
    whole = index(*made)
    watched = Watched(process.db)
    busy = Manifests(watched)
    await busy.put("app", Reference("all", None), whole, "", [])
    assert sum(watched.rows) == 5 * MANY and max(watched.rows) <= MANY
    watched.rows.clear()
    await busy.delete("app", sha256(whole))
    assert sum(watched.rows) == 5 * MANY and max(watched.rows) <= MANY + 1
    assert watched.in_loop == 0
    busy.close()


@asynchronous
async def test_a_push_that_is_refused_at_its_end_leaves_nothing(process):
    made = await children(process)
    await process.put(made[0], "v1")
    before = await left(process)
    whole = index(*made)
    with pytest.raises(Denied):
        await process.manifests.put("app", Reference("v1", None), whole, "", [], moves=False)
    assert await left(process) == before
    await process.manifests.delete("app", sha256(made[1]))


@asynchronous
async def test_a_refused_push_of_a_manifest_that_is_there_takes_nothing_from_it(process):
    made = await children(process)
    whole = index(*made)
    await process.put(whole, "all")
    await process.put(made[0], "v1")
    before = await left(process)
    with pytest.raises(Denied):
        await process.manifests.put("app", Reference("v1", None), whole, "", [], moves=False)
    assert await left(process) == before


@asynchronous
async def test_what_is_deleted_before_its_reference_is_recorded_is_missed(world, process):
    made = await children(process)
    other = world.process()
    late = Manifests(Between(process.db, "write", lambda: other.manifests.delete("app", sha256(made[-1]))))
    with pytest.raises(ManifestBlobUnknown) as refused:
        await late.put("app", Reference("all", None), index(*made), "", [])
    assert refused.value.facts["digests"] == [sha256(made[-1])]
    assert await left(process) == NOTHING
    late.close()


@asynchronous
async def test_what_a_crash_leaves_keeps_content_until_it_is_removed(process):
    made = await children(process)
    await crashed(process, index(*made))
    with pytest.raises(InUse) as refused:
        await process.manifests.delete("app", sha256(made[0]))
    assert refused.value.next == "try again later"
    unfinished = UnfinishedManifests(process.db)
    await unfinished.remove_what_is_left()
    assert (await left(process))["children"] == COUNT
    await grow_old(process)
    await unfinished.remove_what_is_left()
    assert await left(process) == NOTHING
    await process.manifests.delete("app", sha256(made[0]))


@asynchronous
async def test_a_layer_of_an_unfinished_manifest_is_not_collected(world, process):
    whole = image(b"config", *await linked(process))
    await crashed(process, whole)
    strict = world.process(lease=0, grace=0)
    await strict.collect()
    assert await process.count("SELECT COUNT(*) FROM repository_blobs") == COUNT + 1
    with pytest.raises(InUse) as refused:
        await process.blobs.delete("app", sha256(b"7"))
    assert refused.value.next == "try again later"


@asynchronous
async def test_a_push_after_a_crash_goes_on_with_what_is_there(process):
    made = await children(process)
    whole = index(*made)
    await crashed(process, whole)
    await process.db.write(lambda tx: tx.run("DELETE FROM manifest_children WHERE child_digest < 'sha256:8'"))
    await process.put(whole, "all")
    assert await left(process) == {"children": COUNT, "blobs": 0, "unfinished": 0}
    await grow_old(process)
    await UnfinishedManifests(process.db).remove_what_is_left()
    assert (await left(process))["children"] == COUNT


@asynchronous
async def test_a_deletion_that_a_crash_has_cut_short_is_finished(process):
    made = await children(process, 3 * MANY)
    whole = index(*made)
    await process.put(whole, "all")

    async def crash() -> None:
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        await Manifests(Before(process.db, 3, crash)).delete("app", sha256(whole))
    with pytest.raises(ManifestUnknown):
        await process.manifest("app", Reference("all", None))
    assert 0 < (await left(process))["children"] < 3 * MANY
    await grow_old(process)
    await UnfinishedManifests(process.db).remove_what_is_left()
    assert await left(process) == NOTHING


@asynchronous
async def test_a_manifest_may_be_pushed_again_while_its_references_are_removed(world, process):
    made = await children(process, 3 * MANY)
    whole = index(*made)
    await process.put(whole, "all")
    other = world.process()

    async def push_again() -> None:
        await other.put(whole, "again")

    deleting = Manifests(Before(process.db, 2, push_again))
    await deleting.delete("app", sha256(whole))
    assert await left(process) == {"children": 3 * MANY, "blobs": 0, "unfinished": 0}
    deleting.close()


@asynchronous
async def test_what_is_pushed_again_while_it_is_deleted_is_whole(world, process):
    """The deletion removes the references that the push has just found."""
    made = await children(process, 3 * MANY)
    whole = index(*made)
    other = world.process()
    for step in range(1, 9):
        await process.put(whole, "all")
        pushing = Manifests(Before(process.db, step, lambda: other.manifests.delete("app", sha256(whole))))
        await pushing.put("app", Reference("again", None), whole, "", [])
        pushing.close()
        assert await left(process) == {"children": 3 * MANY, "blobs": 0, "unfinished": 0}, step


@asynchronous
async def test_pushes_and_deletions_of_one_manifest_at_once(world):
    """Whoever wins: a manifest that is there has all its references, and one that is not has none."""
    workers = [world.process() for _ in range(3)]
    made = await children(workers[0])
    await workers[0].put(made[0], "taken")
    before = await left(workers[0])
    whole, chance = index(*made), random.Random(1)
    for _ in range(6):
        steps = []
        for worker in workers:
            steps += [
                worker.put(whole, "all"),
                worker.manifests.put("app", Reference("taken", None), whole, "", [], moves=False),
                worker.manifests.delete("app", sha256(whole)),
            ]
        chance.shuffle(steps)
        outcomes = await gathered(*steps)
        wrong = [
            each for each in outcomes if isinstance(each, Exception) and not isinstance(each, (Denied, ManifestUnknown))
        ]
        assert wrong == []
        stored = await workers[0].count("SELECT COUNT(*) FROM manifests") > COUNT
        assert await left(workers[0]) == {**before, "children": COUNT if stored else 0}


@pytest.mark.parametrize("failure", [DatabaseFull, DatabaseFailed, asyncio.CancelledError])
@asynchronous
async def test_a_push_that_fails_while_it_records_removes_its_references(process, failure):
    """What it names can be deleted at once, which a full disk may need."""
    made = await children(process, 3 * MANY)

    async def fail() -> None:
        raise failure

    manifests = Manifests(Before(process.db, 4, fail))
    with pytest.raises(failure):
        await manifests.put("app", Reference("all", None), index(*made), "", [])
    manifests.close()
    assert await left(process) == NOTHING


@pytest.mark.parametrize("count", [2, COUNT])
@asynchronous
async def test_the_right_is_asked_again_before_anything_becomes_visible(process, count):
    made = await children(process, count)

    async def refuse() -> None:
        raise Denied

    with pytest.raises(Denied):
        await process.manifests.put("app", Reference("all", None), index(*made), "", [], require_still=refuse)
    with pytest.raises(ManifestUnknown):
        await process.manifest("app", Reference("all", None))
    assert await left(process) == NOTHING


@asynchronous
async def test_a_manifest_is_deleted_though_the_database_fails_after_that(process):
    made = await children(process, 3 * MANY)
    whole = index(*made)
    await process.put(whole, "all")

    async def fail() -> None:
        raise DatabaseFailed

    deleting = Manifests(Before(process.db, 2, fail))
    await deleting.delete("app", sha256(whole))
    deleting.close()
    with pytest.raises(ManifestUnknown):
        await process.manifest("app", Reference("all", None))
    await grow_old(process)
    await UnfinishedManifests(process.db).remove_what_is_left()
    assert await left(process) == NOTHING


def store_as_before(tx, whole: bytes) -> None:
    """Store an index as the version before does, which knows nothing of unfinished manifests."""
    (repository_id,) = tx.one("SELECT id FROM repositories WHERE name = 'app'")
    document = parse(whole, "")
    held = references.FoundReferences({child.digest: child.size for child in document.children}, {})
    references.guard(tx, repository_id, sorted(held.manifests))
    row = repository_id, sha256(whole), document.media_type, len(whole), whole
    columns = "repository_id, digest, media_type, size, pushed_at, body"
    tx.insert(f"INSERT INTO manifests ({columns}) VALUES (?, ?, ?, ?, 0, ?)", *row)
    references.record(tx, repository_id, sha256(whole), held)


@asynchronous
async def test_references_of_a_manifest_that_is_stored_at_the_same_moment_are_not_removed(world, process):
    made = await children(process, 3 * MANY)
    whole = index(*made)
    await crashed(process, whole)
    await grow_old(process)
    other, written, pushes = world.process(), threading.Event(), []

    def push(tx) -> None:
        store_as_before(tx, whole)
        written.set()
        time.sleep(0.5)  # the removal meets this transaction before its end

    async def begin_push() -> None:
        pushes.append(asyncio.ensure_future(other.db.write(push)))
        await asyncio.to_thread(written.wait, 20)

    await UnfinishedManifests(Before(process.db, 2, begin_push)).remove_what_is_left()
    await asyncio.gather(*pushes)
    assert await left(process) == {"children": 3 * MANY, "blobs": 0, "unfinished": 0}


@asynchronous
async def test_references_of_a_manifest_that_an_older_server_stores_meanwhile_are_not_removed(process):
    made = await children(process, 3 * MANY)
    whole = index(*made)
    await crashed(process, whole)
    await grow_old(process)

    async def store() -> None:
        await process.db.write(lambda tx: store_as_before(tx, whole))

    # The first change begins the removal, and the second one removes some references.
    await UnfinishedManifests(Before(process.db, 3, store)).remove_what_is_left()
    assert await left(process) == {"children": 3 * MANY, "blobs": 0, "unfinished": 0}


@pytest.mark.parametrize("known", [False, True])
@asynchronous
async def test_references_that_an_older_server_removes_before_the_end_are_recorded_again(process, known):
    """The version before deletes a manifest with its references, and knows nothing of unfinished manifests."""
    made = await children(process)
    whole = index(*made)
    if known:
        await process.put(whole, "all")

    async def delete_as_before() -> None:
        def change(tx) -> None:
            tx.run("DELETE FROM manifest_children WHERE parent_digest = ?", sha256(whole))
            tx.run("DELETE FROM manifests WHERE digest = ?", sha256(whole))

        await process.db.write(change)

    steps = 1 + -(-COUNT // SOME)
    manifests = Manifests(Before(process.db, steps + 1, delete_as_before))
    await manifests.put("app", Reference("all", None), whole, "", [])
    assert await left(process) == {"children": COUNT, "blobs": 0, "unfinished": 0}
    with pytest.raises(InUse):
        await process.manifests.delete("app", sha256(made[0]))
