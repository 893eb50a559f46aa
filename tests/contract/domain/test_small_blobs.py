"""Blobs in the database: how uploads come there and leave it again, what of two requests
counts, and what is left over.
"""

import asyncio

import pytest

from dockboard_registry.domain.content.small_blobs import LIMIT
from dockboard_registry.domain.uploads.holding import hold
from dockboard_registry.domain.uploads.upload_writer import Writer
from dockboard_registry.errors import BlobUnknown, DigestInvalid, UploadRange, UploadUnknown
from dockboard_registry.storage import StorageFailed, StorageFull
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.world import image, sha256
from tests.contract.drivers import LOCKS

ROWS = "SELECT COUNT(*) FROM small_blobs"
STATE = "SELECT state, size FROM uploads WHERE id = ?"


@pytest.fixture
def small():
    return 10


async def stored(process) -> list[str]:
    return [found.key async for found in process.storage.keys()]


async def state(process, session) -> tuple:
    return await process.db.read(lambda tx: tx.one(STATE, session.id))


@asynchronous
async def test_what_is_small_is_no_file_and_what_is_not_is_no_row(process):
    for size in (0, 1, 10, 11, 500):
        data = b"x" * size
        assert await process.pull(await process.push(data)) == data
    assert await process.count(ROWS) == 3 and len(await stored(process)) == 2
    assert (await process.check()).problems == []


@pytest.mark.only(LOCKS)
@asynchronous
async def test_an_upload_leaves_the_database_with_the_byte_that_is_one_too_many(process, other):
    session = await process.begun(b"0123", b"456789")
    assert await state(process, session) == ("here", 10) and await stored(process) == []
    session = await other.sent(session, b"!")
    assert await state(process, session) == ("stored:", 11) and await process.count(ROWS) == 0
    session = await process.sent(session, b" and on")
    await other.finish(session, sha256(b"0123456789! and on"))
    assert await process.pull(sha256(b"0123456789! and on")) == b"0123456789! and on"
    assert (await process.check()).problems == []


@asynchronous
async def test_one_request_with_few_pieces_and_then_many(process):
    writer = await process.writing(await process.begun(), b"few, ")
    for _ in range(3):
        await writer.write(b"and more, ")
    await writer.save()
    await process.finish(writer.session, sha256(b"few, and more, and more, and more, "))


@asynchronous
async def test_what_is_announced_to_be_long_goes_to_the_store_at_once(process):
    """A thousand slow uploads would else keep their first bytes in memory."""
    for session in (await process.begun(), await process.begun(b"here ")):
        writer = Writer(process.uploads, session, coming=11)
        await writer.write(b"!")
        assert (await process.uploads.find("app", session.id)).is_stored
        await writer.save()
        content = b"here !" if session.size else b"!"
        await process.finish(session, sha256(content))
        assert await process.pull(sha256(content)) == content


@asynchronous
async def test_what_a_request_that_left_had_sent_to_the_store_does_not_count(process):
    session = await process.begun(b"saved")
    writer = await process.writing(session, b", and then lost")
    await writer.leave()
    session = await process.uploads.find("app", session.id)
    assert (session.size, session.is_stored) == (5, True)
    await process.finish(await process.sent(session, b", on"), sha256(b"saved, on"))
    assert await process.pull(sha256(b"saved, on")) == b"saved, on"


@pytest.mark.only(LOCKS)
@asynchronous
async def test_bytes_that_were_lost_on_their_way_to_the_store_end_the_upload(process):
    """Killed between the change of the row and the first byte in the file."""
    session = await process.begun(b"saved")
    upload, _ = await hold(process.uploads, session)
    await upload.release()
    session = await process.uploads.find("app", session.id)
    for attempt in (process.late(session, b"more"), process.finish(session, sha256(b"saved"))):
        with pytest.raises(UploadUnknown):
            await attempt
    await process.uploads.cancel(session)
    assert await process.keys() == []


@asynchronous
async def test_of_two_requests_the_first_to_save_wins(world):
    first, second = world.process(), world.process()
    for more, loser in (
        (b"few", b"lost"),
        (b"few", b"lost, of many"),
        (b"many of them", b"lost"),
        (b"many of them", b"lost, of many"),
    ):
        session = await first.begun(b"begun ")
        writers = await first.writing(session, more), None
        late = None
        try:
            late = await second.writing(session, loser)
        except UploadRange:
            assert len(more) > 4, "only the store holds others off"
        if late is not None and len(loser) > 4:
            # The second has gone to the store, which changed the session under the first.
            with pytest.raises(UploadRange):
                await writers[0].save()
            await late.save()
            content = b"begun " + loser
        else:
            await writers[0].save()
            content = b"begun " + more
            if late is not None:
                with pytest.raises(UploadRange):
                    await late.save()
        await second.finish(session, sha256(content))
        assert await second.pull(sha256(content)) == content
    assert (await first.check()).problems == []


@asynchronous
async def test_a_request_that_read_the_session_before_another_saved_is_told_so(process):
    session = await process.begun(b"one")
    await process.sent(session, b"two")
    for attempt in (process.late(session, b"three"), Writer(process.uploads, session).finish(sha256(b"one"))):
        with pytest.raises(UploadRange):
            await attempt
    await process.finish(session, sha256(b"onetwo"))
    with pytest.raises(UploadUnknown):
        await process.late(session, b"three")
    assert await process.pull(sha256(b"onetwo")) == b"onetwo"


@pytest.mark.only(LOCKS)
@asynchronous
async def test_a_request_that_fails_late_drops_nothing_of_another(world, process):
    full = world.process(full=True)
    for more in (b"more", b"many more of them"):
        session = await process.begun(b"few ")
        late = Writer(full.uploads, session)
        await process.sent(session, more)
        with pytest.raises(StorageFull):
            await late.write(b"few")
        for attempt in (late.discard(), Writer(process.uploads, session).finish(sha256(b"others"))):
            with pytest.raises(UploadRange):
                await attempt
        await process.finish(session, sha256(b"few " + more))
        assert await process.pull(sha256(b"few " + more)) == b"few " + more


@asynchronous
async def test_many_at_once_leave_a_sound_blob(world):
    workers = [world.process() for _ in range(3)]
    for turn in range(8):
        session = await workers[0].begun(b"%d:" % turn)
        outcomes = await gathered(
            *(worker.sent(session, b"by %d" % number) for number, worker in enumerate(workers * 2))
        )
        refused = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert all(isinstance(outcome, UploadRange) for outcome in refused) and len(refused) < 6
        assert (await workers[1].uploads.find("app", session.id)).size == 2 + 4 * (6 - len(refused))


@asynchronous
async def test_other_bytes_end_the_upload_and_nothing_is_left(process):
    for data in (b"few", b"far too many"):
        session = await process.begun(data)
        with pytest.raises(DigestInvalid):
            await process.finish(session, sha256(b"others"))
        with pytest.raises(UploadUnknown):
            await process.uploads.find("app", session.id)
    assert await process.keys() == []


@asynchronous
async def test_a_digest_of_an_earlier_start_or_another_algorithm_is_computed_from_the_row(world):
    session = await world.process("before").begun(b"bytes")
    after = world.process("after")
    with pytest.raises(DigestInvalid):
        await after.finish(session, sha256(b"other"))
    session = await world.process("before").begun(b"bytes", algorithm="sha512")
    await after.finish(session, sha256(b"bytes"))
    assert await after.pull(sha256(b"bytes")) == b"bytes"


@pytest.mark.only(LOCKS)
@asynchronous
async def test_a_full_disk_takes_no_row(world, process):
    full = world.process(full=True)
    session = await full.begun()
    writer = Writer(full.uploads, session)
    with pytest.raises(StorageFull):
        await writer.write(b"few")
    await writer.discard()
    with pytest.raises(UploadUnknown):
        await process.uploads.find("app", session.id)
    assert await process.count(ROWS) == 0


@asynchronous
async def test_rows_go_with_what_named_them(world, process, hasty):
    await process.put(image(await pushed(process, b"config"), await pushed(process, b"layer")))
    await process.push(b"unused")
    await process.begun(b"expires")
    await process.uploads.cancel(await process.begun(b"cancelled"))
    report = await hasty.collect()
    assert (report.blobs, report.keys, report.bytes, report.strays) == (1, 2, len(b"unusedexpires"), 0)
    assert await process.count(ROWS) == 2
    assert (await process.check()).problems == []


async def pushed(process, data: bytes) -> bytes:
    await process.push(data)
    return data


@asynchronous
async def test_a_new_push_of_a_damaged_row_mends_it(world, process, other):
    digest = await process.push(b"row")
    await process.db.write(lambda tx: tx.run("UPDATE small_blobs SET body = ?", b"wor"))
    with pytest.raises(StorageFailed):
        await other.pull(digest)
    assert [problem.kind for problem in (await process.check()).problems] == ["blob with other bytes"]
    await process.push(b"row")
    assert await other.pull(digest) == b"row"
    assert (await world.process(grace=0).collect()).keys == 1 and await process.count(ROWS) == 1


@asynchronous
async def test_files_of_before_and_rows_are_read_side_by_side(world, process):
    """A registry whose blobs are all files goes on with rows, and the other way round."""
    world.small = 0
    files = world.process()
    await files.push(b"a file")
    begun = await files.begun(b"begun")
    await process.push(b"a row")
    for one in (process, files):
        assert await one.pull(sha256(b"a file")) == b"a file" and await one.pull(sha256(b"a row")) == b"a row"
    await process.finish(await process.sent(begun, b" on"), sha256(b"begun on"))
    half = await process.begun(b"half")
    await files.finish(await files.sent(half, b"+"), sha256(b"half+"))
    assert await process.count(ROWS) == 1
    await files.push(b"a row")
    assert (await process.check()).problems == []


@asynchronous
async def test_a_blob_that_is_pulled_while_it_goes(process, hasty):
    """Between the question and the opening the row went, for no repository needed it any more."""
    digest = await process.push(b"row")
    blob = await process.blob("app", digest)
    await hasty.collect()
    with pytest.raises(BlobUnknown):
        await process.blobs.open("app", digest, blob)


@asynchronous
async def test_as_many_bytes_as_a_row_may_have(world):
    world.small = LIMIT
    process = world.process()
    data = bytes(range(256)) * (LIMIT // 256)
    pieces = await asyncio.gather(*(process.push(data[:size]) for size in (LIMIT - 1, LIMIT)))
    await process.push(data + b"!")
    assert [len(await process.pull(digest)) for digest in pieces] == [LIMIT - 1, LIMIT]
    assert await process.count(ROWS) == 2 and len(await stored(process)) == 1


@asynchronous
async def test_rows_that_nothing_names_go_and_others_stay(process):
    """Of uploads, blobs and garbage each names its own."""
    kept = await process.begun(b"under way")
    await process.push(b"blob")
    await process.db.write(
        lambda tx: [
            tx.run("INSERT INTO small_blobs (storage_key, body) VALUES (?, ?)", f"{number:040x}", b"four")
            for number in range(1100)
        ]
    )
    report = await process.collect()
    assert (report.strays, report.bytes) == (1100, 4400)
    assert await process.count(ROWS) == 2
    await process.finish(kept, sha256(b"under way"))
    assert await process.pull(sha256(b"blob")) == b"blob"
