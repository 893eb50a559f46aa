"""Blobs move from a directory to each kind of store, and back to another directory."""

import secrets

from dockboard_registry.domain.content.small_blobs import LIMIT
from dockboard_registry.domain.moving import notes
from dockboard_registry.domain.moving.copier import Copier
from dockboard_registry.domain.moving.notes import CopyRun
from dockboard_registry.storage import identity
from tests.contract.aio import asynchronous
from tests.contract.domain.world import World
from tests.contract.drivers import FilesystemDriver, SQLiteDriver
from tests.contract.stored import listed, suspended

SIZES = (LIMIT + 1, 70_000, (9 << 20) + 3)


async def moved(process, source, target, id: str) -> Copier:
    run = CopyRun(id, secrets.token_hex(4))
    await notes.begin(process.db, run)
    copier = Copier(process.db, source, target, run, 2, lambda done, total: None)
    await copier.compare()
    await copier.copy_most()
    assert await copier.is_complete() and not copier.problems
    return copier


@asynchronous
async def test_all_blobs_arrive_with_their_bytes(storage, tmp_path):
    world = World(SQLiteDriver(tmp_path / "database"), FilesystemDriver(tmp_path / "source"), LIMIT)
    process, other = world.process(), FilesystemDriver(tmp_path / "other").open()
    keys = sorted([await process.key(await process.push(bytes(size))) for size in SIZES])
    there = identity.following("0" * 32)
    await suspended(storage, bytes(6 << 20))  # as a killed run leaves it
    assert (await moved(process, process.storage, storage, there)).blobs == 3
    assert await listed(storage) == keys
    assert (await moved(process, process.storage, storage, there)).blobs == 0
    assert (await moved(process, storage, other, identity.following(there))).blobs == 3
    assert await listed(other) == keys
    other.close()
    world.close()
