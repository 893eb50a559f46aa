"""Deleting a whole repository: at once for everybody, in short transactions, and whatever happens beside it."""

import threading

import pytest

from dockboard_registry.domain.audit import Actor, Audit
from dockboard_registry.domain.content import repository_deletion
from dockboard_registry.domain.content.manifests import Manifests
from dockboard_registry.domain.content.repository_deletion import RepositoryDeletion
from dockboard_registry.domain.credentials.throttle import Throttle
from dockboard_registry.errors import BlobUnknown, ManifestBlobUnknown, NameUnknown, UploadUnknown
from dockboard_registry.names import Reference
from tests.contract.aio import asynchronous
from tests.contract.domain.test_overlap import overlapping
from tests.contract.domain.world import image, index, sha256

BOB = Actor("user bob", "192.0.2.7")
TABLES = ("tags", "manifests", "manifest_blobs", "manifest_children", "repository_blobs", "uploads")


async def left(process) -> dict[str, int]:
    return {table: await process.count(f"SELECT COUNT(*) FROM {table}") for table in TABLES}


async def filled(process, repository: str = "app", count: int = 3) -> list[str]:
    """Images below one index, each with a tag."""
    await process.push(b"config", repository)
    bodies = [image(b"config", annotations={"number": str(number)}) for number in range(count)]
    for number, body in enumerate(bodies):
        await process.put(body, f"v{number}", repository=repository)
    return [*map(sha256, bodies), await process.put(index(*bodies), "all", repository=repository)]


@asynchronous
async def test_a_repository_goes_with_all_that_it_has_and_the_others_stay(process):
    await process.people("bob")
    await filled(process)
    await filled(process, "other")
    before = await left(process)
    await process.begun(b"half", repository="app")
    kept = await process.begun(b"half", repository="other")
    assert await process.deletion.holds("app") == (4, 4)
    assert await process.deletion.delete(BOB, "app") == (4, 4)
    for question in (
        process.manifest("app", Reference("all", None)),
        process.tags.list("app", "", 10),
        process.deletion.delete(BOB, "app"),
        process.deletion.holds("app"),
    ):
        with pytest.raises(NameUnknown):
            await question
    with pytest.raises(BlobUnknown):
        await process.blob("app", sha256(b"config"))
    assert await process.repositories.catalog("", 10) == ["other"]
    await process.deletion.purge()
    assert await left(process) == {table: count // 2 for table, count in before.items()} | {"uploads": 1}
    assert (await process.uploads.find("other", kept.id)).size == 4
    assert (await process.check()).problems == []
    assert [(event.action, event.object, event.detail) for event in await process.audit.list(actor=BOB.name)] == [
        ("repository.delete", "repository app", {"tags": 4, "manifests": 4})
    ]


@asynchronous
async def test_it_goes_a_few_rows_at_a_time_and_a_crash_in_between_leaves_nothing(process, other, monkeypatch):
    monkeypatch.setattr(repository_deletion, "_ROWS", 2)
    await filled(process, count=5)
    await process.deletion.delete(BOB, "app", 3)
    assert sum((await left(process)).values()) > 0
    await other.deletion.purge()
    assert sum((await left(process)).values()) == 0


@asynchronous
async def test_the_name_is_free_at_once_and_what_is_pushed_then_stays(process):
    await filled(process)
    await process.deletion.delete(BOB, "app")
    with pytest.raises(ManifestBlobUnknown):
        await process.put(image(b"config"), "v1")
    await process.push(b"config")
    digest = await process.put(image(b"config"), "v1")
    session = await process.begun(b"half")
    await process.deletion.purge()
    assert (await process.manifest("app", Reference("v1", None))).digest == digest
    assert (await process.uploads.find("app", session.id)).size == 4
    assert (await process.check()).problems == []


@asynchronous
async def test_an_upload_to_it_is_at_its_end(process):
    await filled(process)
    session = await process.begun(b"half")
    await process.deletion.delete(BOB, "app")
    await process.deletion.purge()
    with pytest.raises(UploadUnknown):
        await process.uploads.find("app", session.id)


@asynchronous
async def test_a_push_that_commits_after_the_deletion_is_taken_away_too(process, other):
    """It read the repository's row before that went."""
    await filled(process)

    def push(db):
        return Manifests(db).put("app", Reference("late", None), image(b"config", annotations={"late": "yes"}), "", [])

    await overlapping(process.db, push, lambda: other.deletion.delete(BOB, "app"))
    await other.deletion.purge()
    await other.deletion.purge()
    assert sum((await left(process)).values()) == 0
    assert (await process.check()).problems == []


@asynchronous
async def test_bytes_go_with_the_collector(world):
    process = world.process(grace=0, lease=0)
    await process.push(b"config")
    await process.put(image(b"config"), "v1")
    await process.deletion.delete(BOB, "app")
    await process.deletion.purge()
    await process.collect()
    assert await process.keys() == []


class Watched:
    """A database that counts the transactions that it is asked to write, and those that ran in the thread of the event
    loop.
    """

    def __init__(self, db):
        self.scan, self._write = db.scan, db.write
        self.writes = self.in_loop = 0

    def write(self, change, *arguments, **named):
        loop = threading.get_ident()
        self.writes += 1

        def watched(tx):
            self.in_loop += threading.get_ident() == loop
            return change(tx)

        return self._write(watched, *arguments, **named)


@asynchronous
async def test_what_was_deleted_before_costs_the_next_deletion_nothing(process):
    """Whoever makes and deletes repositories again and again must not make others wait for the right to write."""
    await process.people("bob")
    for _ in range(5):
        await filled(process)
        await process.deletion.delete(BOB, "app", 100)
    assert sum((await left(process)).values()) == 0
    await filled(process)
    db = Watched(process.db)
    deletion = RepositoryDeletion(db)
    await deletion.purge()
    assert db.writes == 0
    await deletion.delete(BOB, "app", 100)
    # The name goes; tags, children, blobs' references, manifests and blobs; and a look whether anything is left.
    assert db.writes == 7


@asynchronous
async def test_the_event_loop_is_free_while_much_is_taken_away(process):
    """Requests wait for nothing that a deletion or a job does with many rows."""
    await process.people("bob")
    await filled(process)
    db = Watched(process.db)
    await RepositoryDeletion(db).delete(BOB, "app", 100)
    await Audit(db).forget(1)
    await Throttle(db).tidy()
    assert db.writes == 9
    assert db.in_loop == 0
