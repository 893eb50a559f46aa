"""What becomes of a session and its bytes when the request that brings more fails."""

import asyncio

import pytest

from dockboard_registry.domain.uploads import receiving
from dockboard_registry.errors import (
    BlobUnknown,
    ConnectionCut,
    QuotaExceeded,
    RightsChanged,
    UploadInvalid,
    UploadRange,
    UploadUnknown,
)
from dockboard_registry.storage import StorageFailed
from tests.contract.aio import asynchronous
from tests.contract.domain.placement import everywhere
from tests.contract.domain.world import sha256
from tests.contract.drivers import LOCKS

SAVED, MORE = b"saved, ", b"and more"
KEPT, DROPPED = len(SAVED), None
ERRORS = [ConnectionCut(), UploadInvalid("wrong"), RightsChanged(), RuntimeError("a bug"), asyncio.CancelledError()]
FATAL = [StorageFailed("the disk"), QuotaExceeded("too much")]


def failing(error: BaseException):
    """A request that brings MORE and then fails."""

    async def bring(writer) -> None:
        await writer.write(MORE)
        raise error

    return bring


async def bring_more(writer) -> None:
    await writer.write(MORE)


async def size_after(process, session, work, error: BaseException) -> int | None:
    """The session's size after this work, which raises the error; None if the session is gone."""
    with pytest.raises(type(error)) as raised:
        await work
    assert raised.value is error
    try:
        return (await process.uploads.find(session.repository, session.id)).size
    except UploadUnknown:
        assert await process.keys() == []
        return None


@pytest.mark.only(LOCKS)
@everywhere
@asynchronous
async def test_append_keeps_what_came_before_the_client_was_cut_off(process):
    for error in (*ERRORS, *FATAL):
        session = await process.begun(SAVED)
        size = await size_after(
            process, session, receiving.append(process.uploads, session, failing(error), len(MORE)), error
        )
        cut = isinstance(error, ConnectionCut)
        assert size == (DROPPED if error in FATAL else KEPT + len(MORE) if cut else KEPT), error
        if size is not None:
            await process.uploads.cancel(session)


@everywhere
@asynchronous
async def test_a_client_that_was_cut_off_goes_on_where_it_was(process):
    session = await process.begun(SAVED)
    with pytest.raises(ConnectionCut):
        await receiving.append(process.uploads, session, failing(ConnectionCut()), len(MORE))
    await process.finish(session, sha256(SAVED + MORE))
    assert await process.pull(sha256(SAVED + MORE)) == SAVED + MORE


@pytest.mark.only(LOCKS)
@everywhere
@asynchronous
async def test_a_session_that_the_client_knows_survives_a_refused_end(process):
    for error in (*ERRORS, *FATAL):
        session = await process.begun(SAVED)
        work = receiving.finish(process.uploads, session, failing(error), len(MORE), sha256(b""), None, keep=True)
        assert await size_after(process, session, work, error) == (DROPPED if error in FATAL else KEPT), error
        if error not in FATAL:
            await process.uploads.cancel(session)


@pytest.mark.only(LOCKS)
@everywhere
@asynchronous
async def test_a_session_that_the_client_does_not_know_is_dropped(process):
    for error in (ConnectionCut(), UploadInvalid("wrong"), RightsChanged(), *FATAL):
        session = await process.begun()
        work = receiving.finish(process.uploads, session, failing(error), len(MORE), sha256(b""), None, keep=False)
        assert await size_after(process, session, work, error) is DROPPED, error


@everywhere
@asynchronous
async def test_bytes_that_come_whole_are_kept_or_become_the_blob(process):
    session = await receiving.append(process.uploads, await process.begun(SAVED), bring_more, len(MORE))
    assert session.size == KEPT + len(MORE)
    digest = sha256(SAVED + MORE + MORE)
    with pytest.raises(BlobUnknown):
        await process.pull(digest)
    await receiving.finish(process.uploads, session, bring_more, len(MORE), digest, None, keep=True)
    assert await process.pull(digest) == SAVED + MORE + MORE
    assert (await process.check()).problems == []


@everywhere
@asynchronous
async def test_of_two_requests_the_slower_one_is_told_and_changes_nothing(process):
    session = await process.begun(SAVED)

    async def overtaken(writer) -> None:
        await process.sent(session, b"faster")
        await writer.write(MORE)

    with pytest.raises(UploadRange):
        await receiving.append(process.uploads, session, overtaken, len(MORE))
    assert (await process.uploads.find("app", session.id)).size == KEPT + len(b"faster")
