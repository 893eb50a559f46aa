"""The contract of dockboard_registry/storage/__init__.py, over every driver."""

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


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_keys_are_random_and_of_one_form():
    made = {new_key() for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(key) == 40 and set(key) <= set("0123456789abcdef") for key in made)


@asynchronous
async def test_what_was_committed_is_read_back(storage):
    data = random.Random(1).randbytes(3 * PIECE + 17)
    key = await stored(storage, data)
    assert await content(storage, key) == data
    assert await content(storage, key) == data


@asynchronous
async def test_pieces_are_appended_and_hashed_on_the_way(storage):
    pieces = [random.Random(seed).randbytes(size) for seed, size in enumerate([1, PIECE, 0, 333_333, 2])]
    key, hasher = new_key(), hashlib.sha256()
    async with holding(storage.resume(key, Saved(), 0)) as upload:
        for piece in pieces:
            await upload.write(piece, hasher)
        await upload.commit()
    assert hasher.digest() == hashlib.sha256(b"".join(pieces)).digest()
    assert await content(storage, key) == b"".join(pieces)


@pytest.mark.parametrize("dear", [False, True])
@asynchronous
async def test_bytes_are_poured_until_there_are_no_more(storage, dear):
    data = random.Random(5).randbytes(20 * PIECE + 3)
    rest, hasher, turns, paused = memoryview(data), hashlib.sha256(), 0, False

    def fill(buffer: memoryview) -> int:
        nonlocal rest, paused
        paused = not paused and len(rest) % 7 == 0
        count = 0 if paused else min(len(buffer), len(rest), 100_003)
        buffer[:count] = rest[:count]
        rest = rest[count:]
        return count

    key = new_key()
    async with holding(storage.resume(key, Saved(), 0)) as upload:
        await upload.write(b"head", hasher)
        while rest:
            turns += await upload.pour(fill, hasher, dear) > 0
        await upload.write(b"tail", hasher)
        await upload.commit()
    assert turns > 1
    assert hasher.digest() == hashlib.sha256(b"head" + data + b"tail").digest()
    assert await content(storage, key) == b"head" + data + b"tail"


@asynchronous
async def test_any_part_can_be_read(storage):
    data = bytes(range(256)) * 4
    source = await storage.open(await stored(storage, data))
    assert source.size == len(data)
    places = [(0, 1), (0, 1024), (1023, 1), (1000, 100), (7, 0), (1024, 10), (5000, 10)]
    assert await source.read_each(places) == [data[start : start + length] for start, length in places]
    for start, length in places:
        assert await source.read(start, length) == data[start : start + length]
        at_once = source.read_now(start, length)
        assert at_once is None or at_once == data[start : start + length]
    source.close()


@asynchronous
async def test_a_descriptor_for_sendfile_shows_the_same_bytes(storage):
    source = await storage.open(await stored(storage, b"for sendfile"))
    descriptor = source.fileno()
    assert descriptor is None or os.pread(descriptor, 100, 0) == b"for sendfile"
    source.close()


@asynchronous
async def test_a_key_without_bytes_is_missing(storage):
    with pytest.raises(KeyMissing):
        await storage.open(new_key())


@asynchronous
async def test_an_upload_that_nobody_holds_does_nothing(storage):
    key = new_key()
    storage.resume(key, Saved(), 0)
    storage.resume(key, Saved(), 0)
    assert await listed(storage) == []
    with pytest.raises(KeyMissing):
        await storage.open(key)


@asynchronous
async def test_an_empty_upload_can_be_committed(storage):
    key = new_key()
    async with holding(storage.resume(key, Saved(), 0)) as upload:
        await upload.commit()
    assert await content(storage, key) == b""
    assert await listed(storage) == [key]


@asynchronous
async def test_an_upload_can_be_dropped_before_its_first_write(storage):
    async with holding(storage.resume(new_key(), Saved(), 0)) as upload:
        assert isinstance(await upload.suspend(), Saved)
        await upload.abort()
        await upload.abort()
    assert await listed(storage) == []


@asynchronous
async def test_a_suspended_upload_goes_on_where_it_was(storage):
    key, saved = await suspended(storage, b"one, ")
    async with holding(storage.resume(key, saved, 5)) as upload:
        await upload.write(b"two, ")
        saved = await upload.suspend()
    async with holding(storage.resume(key, saved, 10)) as upload:
        await upload.write(b"three")
        await upload.commit()
    assert await content(storage, key) == b"one, two, three"


@only(PROCESSES)
@asynchronous
async def test_another_process_goes_on_with_an_upload(storage, storage_driver):
    key, saved = await suspended(storage, b"from here, ")
    with child(storage_driver, "finish_upload", key, saved.state, saved.rest.hex(), 11, "from there") as other:
        assert other.answer() == "committed"
        assert other.end() == 0
    assert await content(storage, key) == b"from here, from there"


@asynchronous
async def test_all_bytes_so_far_can_be_hashed_again(storage):
    data = random.Random(2).randbytes(2 * PIECE + 5)
    key, saved = await suspended(storage, data)
    async with holding(storage.resume(key, saved, len(data))) as upload:
        await upload.write(b"and more")
        hasher = hashlib.sha512()
        await upload.hash(hasher)
        assert hasher.digest() == hashlib.sha512(data + b"and more").digest()
        await upload.commit()
    assert await content(storage, key) == data + b"and more"


@asynchronous
async def test_an_aborted_upload_is_gone(storage):
    key = new_key()
    async with holding(storage.resume(key, Saved(), 0)) as upload:
        await upload.write(b"never mind")
        await upload.abort()
    assert await listed(storage) == []
    with pytest.raises(KeyMissing):
        await storage.open(key)


@asynchronous
async def test_keys_come_in_order_and_from_any_point(storage):
    made = sorted([await stored(storage, b"x") for _ in range(60)])
    for chosen in (made[0][:2], made[30][:2]):
        made += [await stored(storage, b"x", chosen + new_key()[2:]) for _ in range(5)]
    made = sorted(made)
    assert await listed(storage) == made
    for number in (0, 1, 33, len(made) - 1):
        assert await listed(storage, made[number]) == made[number + 1 :]
    assert await listed(storage, made[10] + "0") == made[11:]
    assert await listed(storage, "ff" * 20) == []


@only(LISTS_UPLOADS)
@asynchronous
async def test_an_upload_under_way_is_listed_among_the_others(storage):
    made = [await stored(storage, b"x") for _ in range(9)]
    under_way = [(await suspended(storage, bytes(6 << 20)))[0] for _ in range(3)]
    assert await listed(storage) == sorted([*made, *under_way])
    await storage.delete([*made[:7], *under_way])
    assert await listed(storage) == sorted(made[7:])


@asynchronous
async def test_the_list_tells_sizes_also_of_what_was_sent_in_parts(storage):
    sizes = {await stored(storage, bytes(size)): size for size in (0, 1, 70_000, (8 << 20) + 5)}
    assert {found.key: found.size async for found in storage.keys()} == sizes


@asynchronous
async def test_keys_are_listed_while_others_come_and_go(storage):
    made = sorted([await stored(storage, b"x") for _ in range(40)])
    found = []
    async for one in storage.keys():
        found.append(one.key)
        if len(found) == 3:
            await storage.delete(made[-2:])
            await stored(storage, b"new")
    assert set(made[:-2]) <= set(found)
    assert found == sorted(set(found))


@asynchronous
async def test_deleting_tells_the_bytes_and_can_be_repeated(storage):
    keys = [await stored(storage, bytes(size)) for size in (0, 10, 1000)]
    kept = await stored(storage, b"kept")
    assert await storage.delete([*keys, new_key()]) in (0, 1010)
    assert await storage.delete(keys) == 0
    assert await storage.delete([]) == 0
    assert await listed(storage) == [kept]
    assert await content(storage, kept) == b"kept"


@asynchronous
async def test_deleting_at_once_from_several_sides(storage):
    keys = [await stored(storage, b"ten bytes.") for _ in range(50)]
    freed = await asyncio.gather(*(storage.delete(keys) for _ in range(4)))
    assert sum(freed) <= 500, "bytes were counted more than once"
    assert await listed(storage) == []


@only(KEEPS_OPEN)
@asynchronous
async def test_an_open_source_survives_the_deletion(storage):
    data = random.Random(3).randbytes(PIECE)
    key = await stored(storage, data)
    source = await storage.open(key)
    await storage.delete([key])
    with pytest.raises(KeyMissing):
        await storage.open(key)
    assert await read_whole(source, 0, PIECE) == data
    source.close()
    source.close()


@only(FULL)
@asynchronous
async def test_a_full_store_takes_no_bytes_and_gives_and_deletes_them(storage, storage_driver):
    kept = await stored(storage, b"kept")
    full = storage_driver.open_full()
    async with holding(full.resume(new_key(), Saved(), 0)) as upload:
        with pytest.raises(StorageFull):
            await upload.write(b"one byte too many")
        for dear in (False, True):
            with pytest.raises(StorageFull):
                await upload.pour(lambda buffer: len(buffer), None, dear)
        await upload.abort()
    assert await content(full, kept) == b"kept"
    assert await full.delete([kept]) in (0, 4)
    assert await listed(storage) == []
    full.close()


@only(VANISHES)
@asynchronous
async def test_a_store_that_is_not_there_says_so(storage, storage_driver):
    key = await stored(storage, b"x")
    await storage.check()
    storage_driver.lose()
    fresh = storage_driver.open()
    for attempt in (fresh.check, lambda: storage.open(key), lambda: stored(storage, b"x"), lambda: listed(storage)):
        with pytest.raises(StorageError):
            await attempt()
    fresh.close()


@asynchronous
async def test_many_uploads_at_once_keep_apart(storage):
    async def one(number: int) -> str:
        key, saved = await suspended(storage, b"")
        for step in range(20):
            async with holding(storage.resume(key, saved, 7 * step)) as upload:
                await upload.write(b"%03d-%02d;" % (number, step))
                saved = await upload.suspend()
                if step == 19:
                    await upload.commit()
        return key

    keys = await asyncio.gather(*(one(number) for number in range(30)))
    for number, key in enumerate(keys):
        assert await content(storage, key) == b"".join(b"%03d-%02d;" % (number, step) for step in range(20))
    assert await listed(storage) == sorted(keys)


@asynchronous
async def test_nothing_stays_open(storage):
    await content(storage, await stored(storage, b"warm up"))
    before = open_files()
    key, saved = await suspended(storage, b"12345")
    for size in (5, 6):
        async with holding(storage.resume(key, saved, size)) as upload:
            await gathered(storage.resume(key, saved, 5).hold(), upload.write(b""), upload.hash(hashlib.sha256()))
    await content(storage, await stored(storage, b"x"))
    async with holding(storage.resume(key, saved, 5)) as upload:
        await upload.abort()
    assert open_files() == before


@asynchronous
async def test_the_loop_turns_while_bytes_are_written(storage):
    data = random.Random(4).randbytes(48 * PIECE)

    async def work() -> None:
        async with holding(storage.resume(new_key(), Saved(), 0)) as upload:
            await upload.write(data, hashlib.sha256())
            await upload.hash(hashlib.sha256())
            await upload.commit()

    assert await turns_during(work()) >= 10
