"""Moving the blobs to another store: what counts of a push, whenever the store is frozen and handed over."""

import asyncio
import secrets

import pytest

from dockboard_registry.db import now
from dockboard_registry.domain import settings
from dockboard_registry.domain.content.small_blobs import LIMIT
from dockboard_registry.domain.content.stored_blobs import StoredBlob
from dockboard_registry.domain.moving import notes
from dockboard_registry.domain.moving.copier import Copier
from dockboard_registry.domain.moving.notes import CopyRun
from dockboard_registry.domain.moving.switch import switch
from dockboard_registry.domain.uploads import own_store
from dockboard_registry.domain.uploads.uploads import Uploads
from dockboard_registry.errors import BlobUnknown, RegistryError, StartError, StoreMoving, UploadUnknown
from dockboard_registry.storage import StorageFailed, Stored, identity
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.world import Between, image, sha256
from tests.contract.drivers import FilesystemDriver
from tests.support.memory_storage import MemoryStorage

# That of the stores of the contract suite.
OWN = "the contract's store"
LARGE = LIMIT + 1


@pytest.fixture
def small():
    return LIMIT


@pytest.fixture
def serving(world):
    """A worker of a server whose store has the id of the database."""
    made = world.process()
    made.uploads = Uploads(made.db, made.storage, "this start", 1000, store_id=OWN)

    async def mark() -> None:
        await made.db.write(lambda tx: settings.store_id(tx, OWN))

    asyncio.run(mark())
    return made


@pytest.fixture
def target(tmp_path):
    opened = FilesystemDriver(tmp_path / "target").open()
    yield opened
    opened.close()


async def begun_copy(process, target, storage=None) -> Copier:
    run = CopyRun(identity.following(OWN), secrets.token_hex(4))
    await notes.begin(process.db, run)
    copier = Copier(process.db, storage or process.storage, target, run, 4, lambda done, total: None)
    copier.run = run
    return copier


async def handed_over(process, copier: Copier, db=None) -> float:
    return await switch(db or process.db, copier, copier.run, "elsewhere")


async def held(target) -> set[str]:
    return {found.key async for found in target.keys()}


async def frozen(process, seconds: float = 60) -> str:
    return await process.db.write(lambda tx: own_store.freeze(tx, now() + int(seconds * 1000), "token"))


@asynchronous
async def test_a_frozen_store_takes_nothing_and_the_database_goes_on(serving):
    begun = await serving.begun(bytes(LARGE))
    writing = await serving.writing(await serving.uploads.find("app", begun.id), b"more")
    frost = await frozen(serving)
    with pytest.raises(StoreMoving):
        await serving.push(bytes(LARGE + 5))
    with pytest.raises(StoreMoving):
        await writing.save()
    with pytest.raises(StoreMoving):
        await serving.finish(begun, sha256(bytes(LARGE)))
    for data in (b"config", b"few"):
        await serving.push(data)
    await serving.put(image(b"config", b"few"), "v1")
    assert await serving.db.write(lambda tx: own_store.thaw(tx, frost))
    await serving.push(bytes(LARGE + 5))
    assert await serving.finish(begun, sha256(bytes(LARGE))) == LARGE


@asynchronous
async def test_a_store_that_nobody_thaws_is_thawed_by_a_push(serving):
    await frozen(serving, -1)
    with pytest.raises(StoreMoving) as refused:
        await serving.push(bytes(LARGE))
    assert refused.value.headers["Retry-After"] == "5"
    await serving.push(bytes(LARGE))
    await frozen(serving, 60)
    for _ in range(2):
        with pytest.raises(StoreMoving):
            await serving.push(bytes(LARGE + 1))


@asynchronous
async def test_the_store_is_handed_over_with_all_blobs(serving, target):
    few, large = await serving.push(b"few"), [await serving.push(bytes(LARGE + size)) for size in range(5)]
    open_session = await serving.begun(bytes(9 << 20))
    copier = await begun_copy(serving, target)
    await copier.copy_most()
    assert (copier.blobs, copier.bytes) == (5, 5 * LARGE + 10)
    late = await serving.push(bytes(LARGE + 100))
    assert await handed_over(serving, copier) < 60
    assert await held(target) == {await serving.key(digest) for digest in (*large, late)}
    assert await serving.pull(few) == b"few"
    with pytest.raises(UploadUnknown):
        await serving.uploads.find("app", open_session.id)
    with pytest.raises(StoreMoving, match="does not use their new store yet"):
        await serving.push(bytes(LARGE + 7))
    known = await serving.db.read(settings.known_store)
    assert (known.id, known.place) == (copier.run.id, "elsewhere")
    moved = Uploads(serving.db, target, "a new start", 1000, store_id=known.id)
    serving.uploads = moved
    assert await serving.key(await serving.push(bytes(LARGE + 7))) in await held(target)


@asynchronous
async def test_no_blob_is_lost_that_is_pushed_while_the_store_is_handed_over(serving, target, world):
    """A push ends at any moment of the last step: it counts and is copied, or it is refused."""
    copier, outcomes = await begun_copy(serving, target), {}
    others = [world.process() for _ in range(3)]
    for each in others:
        each.uploads = Uploads(each.db, each.storage, "this start", 1000, store_id=OWN)

    async def push(process, first: int) -> None:
        """Until one is refused."""
        for size in range(first, first + 1000):
            data = bytes(LARGE + size)
            (outcomes[sha256(data)],) = await gathered(process.push(data))
            if isinstance(outcomes[sha256(data)], BaseException):
                return

    pushing = [asyncio.ensure_future(push(each, 1000 * number)) for number, each in enumerate(others)]
    while len(outcomes) < 20:
        await asyncio.sleep(0.001)
    await handed_over(serving, copier)
    await asyncio.gather(*pushing)
    acknowledged = {digest for digest, outcome in outcomes.items() if not isinstance(outcome, BaseException)}
    refusals = [outcome for outcome in outcomes.values() if isinstance(outcome, BaseException)]
    assert refusals and all(isinstance(each, RegistryError) for each in refusals), refusals
    stored = await held(target)
    assert {await serving.key(digest) for digest in acknowledged} == stored


@pytest.mark.parametrize("moment", ["before the session is in the store", "before the blob is recorded"])
@asynchronous
async def test_a_push_that_the_hand_over_overtakes_is_refused(serving, target, moment):
    copier = await begun_copy(serving, target)
    session, stored = await serving.uploads.start("app"), moment.startswith("before the blob")
    if stored:
        session = await serving.sent(session, bytes(LARGE))
    late = Between(serving.db, "write", lambda: handed_over(serving, copier, process_db))
    process_db, serving.uploads = serving.db, Uploads(late, serving.storage, "this start", 1000, store_id=OWN)
    with pytest.raises((StoreMoving, UploadUnknown)):
        session = session if stored else await serving.sent(session, bytes(LARGE))
        await serving.finish(session, sha256(bytes(LARGE)))
    assert late.acted
    with pytest.raises(BlobUnknown):
        await serving.blob("app", sha256(bytes(LARGE)))


@asynchronous
async def test_whatever_stops_the_last_step_leaves_everything_as_it_was(serving, target):
    await serving.push(bytes(LARGE))
    copier = await begun_copy(serving, target)
    await begun_copy(serving, target)
    with pytest.raises(StartError, match="another copy-storage has begun"):
        await handed_over(serving, copier)
    assert (await serving.db.read(settings.known_store)).id == OWN
    await serving.push(bytes(LARGE + 1))


@asynchronous
async def test_a_later_run_goes_on_where_one_died_in_the_last_step(serving, target):
    digest = await serving.push(bytes(LARGE))
    frost = await frozen(serving)
    copier = await begun_copy(serving, target)
    await handed_over(serving, copier)
    assert await held(target) == {await serving.key(digest)}
    assert not await serving.db.write(lambda tx: own_store.thaw(tx, frost))


@asynchronous
async def test_a_hand_over_that_pushes_did_not_wait_for_is_refused(serving, target):
    """Somebody thaws the store while the last blobs are copied."""
    await serving.push(bytes(LARGE))
    copier = await begun_copy(serving, target)

    class Thawing(Copier):
        async def copy(self) -> None:
            await super().copy()
            await serving.db.write(lambda tx: tx.run("DELETE FROM settings WHERE name = 'store_frozen'"))

    copier.__class__ = Thawing
    with pytest.raises(StartError, match="took too long"):
        await handed_over(serving, copier)
    assert (await serving.db.read(settings.known_store)).id == OWN


@asynchronous
async def test_nothing_is_handed_over_after_another_move(serving, target):
    """A run that began before that copies from a store that the blobs have left."""
    await serving.push(bytes(LARGE))
    await handed_over(serving, await begun_copy(serving, target))
    known = await serving.db.read(settings.known_store)
    with pytest.raises(StartError, match="has moved the blobs since"):
        await handed_over(serving, await begun_copy(serving, MemoryStorage()))
    assert (await serving.db.read(settings.known_store)) == known


@asynchronous
async def test_what_the_other_store_lost_is_copied_again_and_what_nobody_needs_goes(serving, target, world):
    kept, lost, deleted = [await serving.push(bytes(LARGE + size)) for size in range(3)]
    copier = await begun_copy(serving, target)
    await copier.copy_most()
    await target.delete([await serving.key(lost)])
    await world.process(lease=0, grace=0).collector.collect()
    await serving.push(bytes(LARGE), "kept")
    await serving.push(bytes(LARGE + 1), "kept")
    again = Copier(serving.db, serving.storage, target, copier.run, 4, lambda done, total: None)
    await again.compare()
    await again.copy_most()
    assert await held(target) == {await serving.key(digest) for digest in (kept, lost)}
    assert await serving.key(deleted) is None


@asynchronous
async def test_what_was_collected_after_it_was_copied_does_not_stay_in_the_other_store(serving, target, world):
    kept, deleted = await serving.push(bytes(LARGE), "kept"), await serving.push(bytes(LARGE + 1), "gone")
    copier = await begun_copy(serving, target)
    await copier.copy_most()
    await serving.db.write(
        lambda tx: tx.run("UPDATE repository_blobs SET leased_at = ? WHERE digest = ?", 2 * now(), kept)
    )
    await world.process(lease=0, grace=0).collector.collect()
    assert await serving.key(deleted) is None and len(await held(target)) == 2
    await handed_over(serving, copier)
    await copier.forget()
    assert await held(target) == {await serving.key(kept)}
    assert await serving.count("SELECT COUNT(*) FROM copied_keys") == 0


@asynchronous
async def test_a_store_that_fails_after_the_hand_over_keeps_what_was_collected(serving):
    class Failing(MemoryStorage):
        async def delete(self, keys: list[str]) -> int:
            raise StorageFailed("the store does not answer")

    await serving.push(bytes(LARGE))
    copier = await begun_copy(serving, Failing())
    await copier.copy_most()
    await handed_over(serving, copier)
    await copier.forget()
    assert await serving.count("SELECT COUNT(*) FROM copied_keys") == 0


@asynchronous
async def test_keys_that_another_copy_notes_until_the_last_moment_do_not_count(serving):
    digest, other = await serving.push(bytes(LARGE)), await begun_copy(serving, MemoryStorage())
    late = Between(serving.db, "write", other.copy_most)
    run = CopyRun(identity.following(OWN), secrets.token_hex(4))
    await notes.begin(late, run)
    assert late.acted and await serving.count("SELECT COUNT(*) FROM copied_keys") == 0
    with pytest.raises(StartError, match="another copy-storage has begun"):
        await notes.add(serving.db, other.run, [StoredBlob("key", digest, LARGE)])


@asynchronous
async def test_a_copy_that_died_while_it_forgot_the_one_before_is_none(serving):
    """The keys that are left are not those of its store."""
    await serving.push(bytes(LARGE))
    await (await begun_copy(serving, MemoryStorage())).copy_most()
    run = CopyRun(identity.following(OWN), secrets.token_hex(4))
    dying = Between(serving.db, "scan", killed)
    for _ in range(2):
        with pytest.raises(Killed):
            await notes.begin(dying, run)
        dying.acted = False
    await notes.begin(serving.db, run)
    assert await serving.count("SELECT COUNT(*) FROM copied_keys") == 0


class Killed(Exception):
    """A process that ends at once."""


async def killed() -> None:
    raise Killed


@asynchronous
async def test_a_run_deletes_nothing_that_a_later_one_has_copied(serving):
    """The later one begins after the first has read the list of the other store, in which a key was not whole."""
    key = await serving.key(await serving.push(bytes(LARGE)))

    class Unfinished(MemoryStorage):
        async def keys(self, after: str = ""):
            yield Stored(key, 1, None)

    class AfterWrite(Between):
        async def write(self, fn, *arguments, **named):
            self._before = "scan"
            return await self._db.write(fn, *arguments, **named)

    target = Unfinished()
    first = await begun_copy(serving, target)

    async def copy() -> None:
        run = CopyRun(first.run.id, "later")
        await notes.begin(serving.db, run)
        await Copier(serving.db, serving.storage, target, run, 4, lambda done, total: None).copy()

    late = AfterWrite(serving.db, "", copy)
    overtaken = Copier(late, serving.storage, target, first.run, 4, lambda done, total: None)
    with pytest.raises(StartError, match="another copy-storage has begun"):
        await overtaken.compare()
    assert late.acted and set(target.content) == {key}
    assert await serving.count("SELECT COUNT(*) FROM copied_keys") == 1


@asynchronous
async def test_a_refused_push_does_not_write_to_let_pushes_go_on(serving):
    class Writes(Between):
        async def write(self, fn, *arguments, **named):
            written.append(fn)
            return await self._db.write(fn, *arguments, **named)

    written: list = []
    db = Writes(serving.db, "", killed)
    serving.uploads = Uploads(db, serving.storage, "this start", 1000, store_id="the old store")
    with pytest.raises(StoreMoving):
        await serving.push(bytes(LARGE))
    assert written and own_store.thaw_when_due not in written
    await frozen(serving, -1)
    with pytest.raises(StoreMoving):
        await serving.push(bytes(LARGE))
    assert own_store.thaw_when_due in written


@asynchronous
async def test_bytes_that_have_another_digest_are_not_copied(serving, target, world):
    rotten, gone = [await serving.push(bytes(LARGE + size)) for size in range(2)]
    world.storage.damage(await serving.key(rotten), b"x" * LARGE)
    world.storage.remove(await serving.key(gone))
    copier = await begun_copy(serving, target)
    await copier.copy_most()
    assert {problem.object for problem in copier.problems.values()} == {rotten, gone}
    assert await held(target) == set()


@asynchronous
async def test_what_cannot_be_read_for_a_moment_is_not_left_behind(serving, target):
    class Stalling(MemoryStorage):
        stalls = True

        async def open(self, key: str):
            if self.stalls:
                raise StorageFailed("the store does not answer")
            return await serving.storage.open(key)

    digest, source = await serving.push(bytes(LARGE)), Stalling()
    copier = await begun_copy(serving, target, source)
    await copier.copy_most()
    assert [problem.object for problem in copier.problems.values()] == [digest]
    source.stalls = False
    await handed_over(serving, copier)
    assert copier.problems == {} and await held(target) == {await serving.key(digest)}


@asynchronous
async def test_copies_end_when_the_source_has_failed(serving, target):
    for size in range(101):
        await serving.push(bytes(LARGE + size))
    with pytest.raises(StartError, match="more than 100 blobs"):
        await (await begun_copy(serving, target, MemoryStorage())).copy()


@pytest.mark.parametrize(
    ("noted", "found", "same"),
    [
        (None, None, False),
        (f"{OWN}.3.aa", f"copying.{OWN}.3.aa", True),
        (f"{OWN}.3.bb", f"copying.{OWN}.3.aa", False),
        (None, f"{OWN}.1.cc", False),
        (None, OWN, False),
    ],
)
def test_a_store_that_may_take_the_blobs(noted, found, same):
    marker = None if found is None else settings.Marker(found, 0)
    id = notes.new_id(f"{OWN}.2.dd", noted, marker)
    assert (id == noted) == same and identity.registry_of(id) == OWN and identity.moves_of(id) == 3


@pytest.mark.parametrize(
    "found", [f"{OWN}.2.dd", f"copying.{OWN}.2.dd", f"{OWN}.4.ee", "1" * 32, "copying." + "1" * 32 + ".3.ff"]
)
def test_a_store_that_may_not(found):
    assert notes.new_id(f"{OWN}.2.dd", None, settings.Marker(found, 0)) is None
