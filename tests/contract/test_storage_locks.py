"""The part of the storage contract for drivers that lock: one writer holds an upload, which has its bytes at once."""

import asyncio
import contextlib
import hashlib
import os
import random

import pytest

from dockboard_registry.storage import (
    KeyMissing,
    Saved,
    StorageError,
    StorageFull,
    UploadBusy,
    UploadLost,
    new_key,
    read_whole,
)
from tests.contract.aio import asynchronous, gathered, turns_during
from tests.contract.drivers import FULL, KEEPS_OPEN, LISTS_UPLOADS, LOCKS, PROCESSES, VANISHES, child
from tests.contract.stored import PIECE, content, holding, listed, stored, suspended

only = pytest.mark.only


@only(LOCKS)
@asynchronous
async def test_hashing_leaves_out_bytes_that_were_not_saved(storage):
    key, saved = await suspended(storage, b"saved, not saved")
    hasher = hashlib.sha256()
    async with holding(storage.resume(key, saved, 5)) as upload:
        await upload.hash(hasher)
    assert hasher.digest() == hashlib.sha256(b"saved").digest()


@only(LOCKS)
@asynchronous
async def test_one_holds_at_a_time_from_hold_to_release(storage):
    key, saved = await suspended(storage, b"begun, ")
    first, second = storage.resume(key, saved, 7), storage.resume(key, saved, 7)
    async with holding(first):
        for step in (first.write(b"first"), first.suspend(), first.write(b", still first"), first.commit()):
            with pytest.raises(UploadBusy):
                await second.hold()
            await step
        with pytest.raises(UploadBusy):
            await second.hold()
    async with holding(second):
        pass
    assert await content(storage, key) == b"begun, first, still first"


@only(LOCKS)
@asynchronous
async def test_of_many_that_want_to_hold_one_wins(storage):
    key = new_key()
    uploads = [storage.resume(key, Saved(), 0) for _ in range(12)]
    outcomes = await gathered(*(upload.hold() for upload in uploads))
    (winner,) = [number for number, outcome in enumerate(outcomes) if outcome is None]
    assert all(isinstance(outcome, UploadBusy) for number, outcome in enumerate(outcomes) if number != winner)
    await uploads[winner].write(b"won")
    await gathered(*(upload.release() for upload in uploads))
    assert await content(storage, key) == b"won"


@only(LOCKS)
@asynchronous
async def test_holding_changes_nothing(storage):
    """A request that comes too late holds an upload that another one has finished: those bytes are a blob by now."""
    key = await stored(storage, b"a blob by now")
    for size in (0, 5, 13, 20):
        async with holding(storage.resume(key, Saved(), size)) as upload:
            await upload.suspend()
        assert await content(storage, key) == b"a blob by now"


@only(LOCKS, PROCESSES)
@asynchronous
async def test_a_writer_of_another_process_holds_until_it_dies(storage, storage_driver):
    key, saved = await suspended(storage, b"saved, ")
    with child(storage_driver, "hold_upload", key, 7, "lost with its writer") as other:
        assert other.answer() == "held"
        with pytest.raises(UploadBusy):
            await storage.resume(key, saved, 7).hold()
        other.kill()
        async with holding(storage.resume(key, saved, 7)) as upload:
            await upload.write(b"on")
            await upload.commit()
    assert await content(storage, key) == b"saved, on"


@only(LOCKS, PROCESSES)
@asynchronous
async def test_bytes_of_a_dead_writer_are_dropped_even_without_new_ones(storage, storage_driver):
    key, saved = await suspended(storage, b"saved")
    with child(storage_driver, "hold_upload", key, 5, " and lost") as other:
        other.answer()
        other.kill()
    async with holding(storage.resume(key, saved, 5)) as upload:
        await upload.commit()
    assert await content(storage, key) == b"saved"


@only(LOCKS)
@asynchronous
async def test_fewer_bytes_than_were_saved_are_a_loss(storage, storage_driver):
    key, saved = await suspended(storage, b"only this")
    for way in ("write", "pour", "hash", "commit"):
        arguments = {"write": (b"x",), "pour": (lambda buffer: 1,), "hash": (hashlib.sha256(),), "commit": ()}[way]
        async with holding(storage.resume(key, saved, 10)) as upload:
            with pytest.raises(UploadLost):
                await getattr(upload, way)(*arguments)
    assert await content(storage, key) == b"only this"
    storage_driver.remove(key)
    async with holding(storage.resume(key, saved, 9)) as upload:
        with pytest.raises(UploadLost):
            await upload.write(b"x")


@only(LOCKS)
@asynchronous
async def test_a_writer_whose_key_is_deleted_brings_nothing_back(storage):
    async with holding(storage.resume(new_key(), Saved(), 0)) as upload:
        await upload.write(b"before")
        await storage.delete(await listed(storage))
        await gathered(upload.write(b"after"))
        assert await listed(storage) == []
