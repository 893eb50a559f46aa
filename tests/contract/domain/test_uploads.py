"""Upload sessions: any process continues them, one writer at a time, and only verified bytes become blobs."""

import asyncio
import gc
import hashlib
import os
import stat

import pytest

from dockboard_registry.domain.uploads.upload_writer import Writer
from dockboard_registry.domain.uploads.uploads import Uploads
from dockboard_registry.errors import BlobUnknown, DigestInvalid, TooManyRequests, UploadRange, UploadUnknown
from dockboard_registry.names import digest_of
from dockboard_registry.storage import StorageFull
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.placement import everywhere
from tests.contract.domain.world import Unanswered, sha256
from tests.contract.drivers import LOCKS, child

ROW = "SELECT size, digest, epoch, generation FROM uploads WHERE id = ?"


def open_files() -> int:
    """Without sockets: a database may open connections as it needs them."""
    names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    return sum(os.path.exists(name) and not stat.S_ISSOCK(os.stat(name).st_mode) for name in names)


@everywhere
@asynchronous
async def test_an_upload_in_pieces_becomes_a_blob(process):
    session = await process.begun(b"one, ", b"two, ", b"three")
    assert (await process.uploads.find("app", session.id)).size == 15
    with pytest.raises(BlobUnknown):
        await process.blob("app", sha256(b"one, two, three"))
    assert await process.finish(session, sha256(b"one, two, three")) == 15
    assert await process.pull(sha256(b"one, two, three")) == b"one, two, three"
    with pytest.raises(UploadUnknown):
        await process.uploads.find("app", session.id)
    assert (await process.check()).problems == []


@everywhere
@asynchronous
async def test_every_process_continues_an_upload(world):
    workers = [world.process() for _ in range(3)]
    session = await workers[0].begun(b"0")
    for number in range(1, 9):
        session = await workers[number % 3].sent(session, b"%d" % number)
    await workers[1].finish(session, sha256(b"012345678"))
    assert await workers[2].pull(sha256(b"012345678")) == b"012345678"


@everywhere
@asynchronous
async def test_the_digest_may_be_of_another_algorithm_than_the_upload_began_with(process):
    for begun, finished in (("sha256", "sha512"), ("sha512", "sha256"), ("sha512", "sha512")):
        data = f"{begun} {finished}".encode()
        session = await process.begun(data[:3], data[3:], algorithm=begun)
        await process.finish(session, digest_of(finished, data))
        assert await process.pull(digest_of(finished, data)) == data


@everywhere
@asynchronous
async def test_an_empty_blob(process):
    assert await process.finish(await process.begun(), sha256(b"")) == 0
    assert await process.pull(sha256(b"")) == b""


@everywhere
@asynchronous
async def test_a_session_is_known_in_its_own_repository_only(process):
    session = await process.begun(b"x", repository="mine")
    for repository in ("other", "min", "mine/other", ""):
        with pytest.raises(UploadUnknown):
            await process.uploads.find(repository, session.id)


@everywhere
@asynchronous
async def test_a_wrong_digest_drops_the_upload(process):
    session = await process.begun(b"these bytes")
    before = open_files()
    with pytest.raises(DigestInvalid):
        await process.finish(session, sha256(b"other bytes"))
    with pytest.raises(UploadUnknown):
        await process.uploads.find("app", session.id)
    for digest in (sha256(b"these bytes"), sha256(b"other bytes")):
        with pytest.raises(BlobUnknown):
            await process.blob("app", digest)
    assert await process.keys() == []
    assert open_files() == before


@pytest.mark.only(LOCKS)
@asynchronous
async def test_of_two_writers_one_wins_and_the_other_hears_so(world):
    first, second = world.process(), world.process()
    session = await first.begun(b"begun ")
    winner = await first.writing(session, b"winner")
    for process in (first, second):
        with pytest.raises(UploadRange):
            await process.writing(session, b"loser.")
        with pytest.raises(UploadRange):
            await process.finish(session, sha256(b"begun "))
    await winner.save()
    await second.finish(session, sha256(b"begun winner"))
    assert await second.pull(sha256(b"begun winner")) == b"begun winner"


@everywhere
@asynchronous
async def test_many_writers_at_once_leave_a_sound_blob(world):
    workers = [world.process() for _ in range(3)]
    for turn in range(8):
        session = await workers[0].begun(b"turn %d " % turn)
        outcomes = await gathered(
            *(worker.sent(session, b"by %d" % number) for number, worker in enumerate(workers * 2))
        )
        assert any(not isinstance(outcome, Exception) for outcome in outcomes)
        assert all(isinstance(outcome, UploadRange) for outcome in outcomes if isinstance(outcome, Exception))
        size = (await workers[1].uploads.find("app", session.id)).size
        assert size == 7 + 4 * sum(not isinstance(outcome, Exception) for outcome in outcomes)
        with pytest.raises(DigestInvalid):
            await workers[1].finish(session, sha256(b"anything else"))


@everywhere
@asynchronous
async def test_a_request_that_waited_does_not_write_over_what_another_sent(world):
    """Two requests read the session; one sends all its bytes before the other sends any.

    The digest saved is of the first's.
    """
    first, second = world.process(), world.process()
    session = await first.begun()
    await first.sent(session, b"true bytes")
    with pytest.raises(UploadRange):
        await overwrite(second, session, b"evil bytes")
    await first.finish(session, sha256(b"true bytes"))
    assert await first.pull(sha256(b"true bytes")) == b"true bytes"
    assert (await first.check()).problems == []


@everywhere
@asynchronous
async def test_a_request_that_waited_does_not_touch_a_finished_blob(world):
    first, second = world.process(), world.process()
    session = await first.begun(b"a blob")
    await first.finish(session, sha256(b"a blob"))
    with pytest.raises(UploadUnknown):
        await overwrite(second, session, b"x")
    stale = session._replace(size=0, generation=0)
    with pytest.raises(UploadUnknown):
        await overwrite(first, stale, b"evil x")
    assert await first.pull(sha256(b"a blob")) == b"a blob"
    assert (await first.check()).problems == []


async def overwrite(process, session, data: bytes) -> None:
    writer = await process.writing(session, data)
    await writer.save()


@everywhere
@asynchronous
async def test_a_second_upload_of_the_same_bytes_during_the_first(process):
    sessions = [await process.begun(b"same") for _ in range(5)]
    sizes = await asyncio.gather(*(process.finish(session, sha256(b"same")) for session in sessions))
    assert sizes == [4] * 5
    assert await process.pull(sha256(b"same")) == b"same"
    assert await process.count("SELECT COUNT(*) FROM garbage") == 4
    assert (await process.check()).problems == []


@everywhere
@asynchronous
async def test_finishing_twice_succeeds_once(world):
    workers = [world.process() for _ in range(3)]
    for turn in range(10):
        data = b"turn %d" % turn
        session = await workers[0].begun(data)
        before = open_files()
        outcomes = await gathered(*(worker.finish(session, sha256(data)) for worker in workers * 2))
        assert [outcome for outcome in outcomes if not isinstance(outcome, Exception)] == [len(data)]
        assert all(
            isinstance(outcome, (UploadUnknown, UploadRange)) for outcome in outcomes if isinstance(outcome, Exception)
        )
        assert await workers[turn % 3].pull(sha256(data)) == data
        assert open_files() == before
    assert (await workers[0].check()).problems == []


@pytest.mark.only(LOCKS)
@everywhere
@asynchronous
async def test_cancelling_during_a_write_leaves_nothing(world):
    first, second = world.process(), world.process()
    for end in ("save", "finish", "leave", "discard"):
        session = await first.begun(b"begun ")
        before = open_files()
        writer = await first.writing(session, b"more")
        await second.uploads.cancel(session)
        arguments = (sha256(b"begun more"),) if end == "finish" else ()
        (outcome,) = await gathered(getattr(writer, end)(*arguments))
        assert end == "leave" or isinstance(outcome, UploadUnknown)
        assert open_files() == before
        with pytest.raises(UploadUnknown):
            await second.uploads.find("app", session.id)
        with pytest.raises(BlobUnknown):
            await second.blob("app", sha256(b"begun more"))
    assert await first.keys() == []


@everywhere
@asynchronous
async def test_cancelling_twice_and_after_the_end(process):
    session = await process.begun(b"x")
    await process.uploads.cancel(session)
    with pytest.raises(UploadUnknown):
        await process.uploads.cancel(session)
    session = await process.begun(b"kept")
    await process.finish(session, sha256(b"kept"))
    with pytest.raises(UploadUnknown):
        await process.uploads.cancel(session)
    assert await process.pull(sha256(b"kept")) == b"kept"


@everywhere
@asynchronous
async def test_leaving_keeps_what_was_saved_before(process):
    session = await process.begun(b"saved")
    writer = await process.writing(session, b" and not saved")
    await writer.leave()
    assert (await process.uploads.find("app", session.id)).size == 5
    session = await process.sent(session, b", on")
    await process.finish(session, sha256(b"saved, on"))
    assert await process.pull(sha256(b"saved, on")) == b"saved, on"


@pytest.mark.only(LOCKS)
@asynchronous
async def test_bytes_of_a_worker_that_was_killed_do_not_count(world):
    process = world.process()
    for more in (b"", b", on"):
        session = await process.begun(b"saved")
        with child(world.storage, "hold_upload", session.storage_key, 5, " and lost") as other:
            assert other.answer() == "held"
            with pytest.raises(UploadRange):
                await process.writing(session, b"too early")
            other.kill()
        if more:
            session = await process.sent(session, more)
        await world.process().finish(session, sha256(b"saved" + more))
        assert await process.pull(sha256(b"saved" + more)) == b"saved" + more


@pytest.mark.only(LOCKS)
@asynchronous
async def test_bytes_of_a_worker_that_was_killed_do_not_count_when_read_again(world):
    """The same, after a restart: no saved digest is trusted, so the bytes are read again, without those that were not
    saved.
    """
    session = await world.process("before").begun(b"saved")
    with child(world.storage, "hold_upload", session.storage_key, 5, " and lost") as other:
        other.answer()
        other.kill()
    process = world.process("after")
    await process.finish(session, sha256(b"saved"))
    assert await process.pull(sha256(b"saved")) == b"saved"


@asynchronous
async def test_a_digest_of_this_start_is_trusted_by_other_workers(world):
    session = await world.process().begun(b"these bytes")
    row = await world.process().db.read(lambda tx: tx.one(ROW, session.id))
    assert row == (11, sha256(b"these bytes"), "this start", 2)


@pytest.mark.only(LOCKS)
@asynchronous
async def test_a_digest_of_an_earlier_start_is_not_trusted(world):
    """After a power cut the bytes may be older than the row: they are read again."""
    session = await world.process("before the power cut").begun(b"these bytes")
    world.storage.damage(session.storage_key, b"other bytes")
    with pytest.raises(DigestInvalid):
        await world.process("after it").finish(session, sha256(b"these bytes"))
    session = await world.process("before the power cut").begun(b"these bytes")
    after = world.process("after it")
    await after.finish(session, sha256(b"these bytes"))
    assert await after.pull(sha256(b"these bytes")) == b"these bytes"


@pytest.mark.only(LOCKS)
@asynchronous
async def test_bytes_that_a_power_cut_took_end_the_upload(world):
    session = await world.process("before").begun(b"these bytes")
    world.storage.damage(session.storage_key, b"these")
    after = world.process("after")
    before = open_files()
    for attempt in (after.sent(session, b"more"), after.finish(session, sha256(b"these bytes"))):
        with pytest.raises(UploadUnknown):
            await attempt
    with pytest.raises(BlobUnknown):
        await after.blob("app", sha256(b"these bytes"))
    await gathered(after.uploads.cancel(session))
    assert open_files() == before


@everywhere
@asynchronous
async def test_many_sessions_forget_old_hashes_and_are_right_all_the_same(process):
    sessions = [await process.begun(b"%04d" % number) for number in range(1100)]
    for number in (0, 1, 500, 1099):
        await process.finish(await process.sent(sessions[number], b"!"), sha256(b"%04d!" % number))
        assert await process.pull(sha256(b"%04d!" % number)) == b"%04d!" % number


@everywhere
@asynchronous
async def test_sessions_are_limited(world):
    process = world.process(limit=3)
    sessions = [await process.begun() for _ in range(3)]
    with pytest.raises(TooManyRequests) as refused:
        await process.begun()
    assert int(refused.value.headers["Retry-After"]) > 0
    await process.uploads.cancel(sessions[0])
    await process.begun()


@pytest.mark.only(LOCKS)
@asynchronous
async def test_a_full_store_takes_no_upload_and_the_rest_works(world, process):
    kept = await process.push(b"kept")
    full = world.process(full=True)
    session = await full.begun()
    before = open_files()
    writer = await full.writing(session, b"too much")
    with pytest.raises(StorageFull):
        await writer.finish(sha256(b"too much"))
    assert open_files() == before
    assert await full.pull(kept) == b"kept"
    assert (await process.check()).problems == []


@pytest.mark.only(LOCKS)
@asynchronous
async def test_the_end_of_an_upload_waits_for_its_last_write(world):
    """Else the file is closed under the thread that writes, and asyncio complains about
    an error that nobody looked at.
    """
    complaints: list[dict] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    full = world.process(full=True)
    for end in ("discard", "leave", "save", "finish"):
        writer = await full.writing(await full.begun(), b"too much")
        await gathered(getattr(writer, end)(*([sha256(b"too much")] if end == "finish" else [])))
        del writer
        gc.collect()
        assert complaints == [], end


@everywhere
@asynchronous
async def test_large_bodies_are_poured_and_hashed(process):
    data = hashlib.shake_256(b"seed").digest(9 << 20)
    rest = memoryview(data)

    def fill(buffer: memoryview) -> int:
        nonlocal rest
        count = min(len(buffer), len(rest))
        buffer[:count] = rest[:count]
        rest = rest[count:]
        return count

    writer = Writer(process.uploads, await process.begun(b"head"))
    while await writer.pour(fill):
        pass
    assert await writer.finish(sha256(b"head" + data)) == 4 + len(data)
    assert await process.pull(sha256(b"head" + data)) == b"head" + data


async def recorded_twice(process, meanwhile) -> None:
    """An upload whose last transaction is committed and run again."""
    session = await process.begun(b"bytes")
    uploads = Uploads(Unanswered(process.db, meanwhile), process.storage, "this start", 10)
    await uploads.record(session, 5, sha256(b"bytes"))


@everywhere
@asynchronous
async def test_a_push_that_was_committed_is_acknowledged_whoever_pushed_the_blob_since(world, process):
    """The other push has given the blob its own key."""
    await recorded_twice(process, lambda: world.process().push(b"bytes", "other"))
    assert await process.pull(sha256(b"bytes")) == b"bytes"
    assert (await process.check()).problems == []


@pytest.mark.only(LOCKS)
@everywhere
@asynchronous
async def test_a_push_whose_blob_was_deleted_before_it_was_acknowledged(world, process):
    with pytest.raises(UploadUnknown):
        await recorded_twice(process, lambda: world.process().blobs.delete("app", sha256(b"bytes")))
    assert (await process.check()).problems == []
