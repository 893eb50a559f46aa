"""`check --storage`: what differs between the rows of blobs and the keys of the store."""

import pytest

from dockboard_registry.domain.content.small_blobs import LIMIT
from dockboard_registry.domain.content.storage_check import StorageChecker, StorageReport
from dockboard_registry.storage import new_key
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.world import LONG, Between, sha256
from tests.contract.stored import stored


async def compared(process, read: bool = False, youth: float = 0) -> StorageReport:
    return await StorageChecker(process.db, process.storage, youth).run(lambda done, total: None, read)


def kinds(report: StorageReport) -> dict[str, str]:
    return {problem.object: problem.kind for problem in report.problems}


@pytest.mark.parametrize("small", [0, LIMIT], ids=["all stored", "small ones in rows"])
@asynchronous
async def test_a_sound_store_has_no_problem(process, small):
    for data in (b"", b"few", bytes(LIMIT + 1), bytes(9 << 20)):
        await process.push(data)
    await process.begun(bytes(6 << 20), bytes(100))
    under_way = 1 if process.storage.locks or (await process.keys()) else 0
    report = await compared(process)
    assert report.problems == [] and report.found == report.young == report.bytes == 0
    assert report.blobs == (2 if small else 4) and report.keys in (report.blobs, report.blobs + under_way)
    report = await compared(process, read=True)
    assert report.found == 0 and report.bytes == LIMIT + 1 + (9 << 20) + (0 if small else 3)


@asynchronous
async def test_what_is_missing_shorter_and_left_over_is_named(world, process):
    missing, shorter, rotten, sound = [await process.push(name * 10) for name in (b"a", b"b", b"c", b"d")]
    world.storage.remove(await process.key(missing))
    world.storage.damage(await process.key(shorter), b"short")
    world.storage.damage(await process.key(rotten), b"other byte")
    left = await stored(process.storage, b"left over")
    wanted = {missing: "blob without bytes", shorter: "blob of other size", left: "bytes without a blob"}
    report = await compared(process)
    assert kinds(report) == wanted and report.found == 3 and report.bytes == 0
    assert (report.blobs, report.keys) == (4, 4)
    report = await compared(process, read=True)
    assert kinds(report) == {**wanted, rotten: "blob with other bytes"} and report.found == 4
    assert report.bytes == 20 and await process.pull(sound) == b"d" * 10


class MisjudgingStore:
    """Lists other sizes than its objects have, as the Swift API of a Ceph does for what was sent in parts."""

    def __init__(self, storage):
        self._storage = storage

    def __getattr__(self, name: str):
        return getattr(self._storage, name)

    async def keys(self, after: str = ""):
        async for found in self._storage.keys(after):
            yield found._replace(size=7)


@asynchronous
async def test_what_is_of_another_size_in_the_list_only_is_no_problem(world, process):
    for data in (bytes(10), bytes(9 << 20)):
        await process.push(data)
    shorter = await process.push(b"a" * 10)
    world.storage.damage(await process.key(shorter), b"short")
    report = await StorageChecker(process.db, MisjudgingStore(process.storage), 0).run(lambda done, total: None)
    assert kinds(report) == {shorter: "blob of other size"} and (report.blobs, report.bytes) == (3, 0)


@asynchronous
async def test_young_keys_without_a_row_are_no_problem(process):
    await stored(process.storage, b"just written")
    report = await compared(process, youth=LONG)
    assert (report.found, report.young) == (0, 1)


@asynchronous
async def test_garbage_and_uploads_have_rows(world, process):
    digest = await process.push(b"unused")
    await process.begun(bytes(6 << 20))
    report = await world.process(lease=0).collect()
    assert report.blobs == 1
    report = await compared(process)
    assert (report.blobs, report.found, report.young) == (0, 0, 0) and await process.key(digest) is None


@asynchronous
async def test_what_changes_meanwhile_is_looked_at_again(world, process):
    """Blobs are pushed, pushed again and deleted between the reading of rows and that of keys."""
    old = [await process.push(b"%d" % number) for number in range(20)]
    hasty = world.process(lease=0, grace=0)

    async def change() -> None:
        await gathered(*(process.push(b"new %d" % number) for number in range(20)))
        await hasty.collect()

    changing = Between(process.db, "scan", change)
    report = await StorageChecker(changing, process.storage, 0).run(lambda done, total: None)
    assert changing.acted and report.found == 0 and await process.key(old[0]) is None


@asynchronous
async def test_long_lists_are_compared_page_by_page(world, process):
    keys = sorted(new_key() for _ in range(2500))
    insert = "INSERT INTO blobs (digest, storage_key, size, created_at) VALUES (?, ?, ?, ?)"
    await process.db.write(lambda tx: [tx.insert(insert, sha256(key.encode()), key, 5, 1) for key in keys])
    report = await compared(process)
    assert (report.blobs, report.keys, report.found, len(report.problems)) == (2500, 0, 2500, 1000)
