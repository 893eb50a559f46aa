"""The bytes that one request brings to an upload session, and what becomes of them if the request fails.

    the quota is exceeded                        the session is dropped with its bytes
    the store failed                             the same, where the store locks; otherwise the session stays as it was
    the client was cut off                       `append` keeps the bytes for the next request
    the request is refused                       the session stays as it was before the request
    anything else, such as the server's end      the same

In `finish` a request that is cut off or refused leaves the session as it was if `keep` is set. Otherwise the session is
dropped, because the client does not know it. A session without bytes is left to expire, which takes minutes.
"""

import contextlib
from collections.abc import Awaitable, Callable

from ...errors import ConnectionCut, QuotaExceeded, RegistryError
from ...storage import StorageError
from ..audit import Actor
from .sessions import Session
from .upload_writer import Writer
from .uploads import Uploads

# Gives the request's bytes to the writer. It may raise anything.
Bring = Callable[[Writer], Awaitable[None]]
_Ending = Callable[[], Awaitable[object]]


async def append(uploads: Uploads, session: Session, bring: Bring, coming: int) -> Session:
    """Keep the bytes for the next request, and return the session with them. coming: bytes that were announced.

    Raises what `bring` and the writer raise.
    """
    writer = Writer(uploads, session, coming=coming)
    await _receive(writer, bring, writer.save, writer.leave)
    return await writer.save()


async def finish(
    uploads: Uploads, session: Session, bring: Bring, coming: int, digest: str, maker: Actor | None, keep: bool
) -> None:
    """Make all bytes of the session the blob. maker: who is noted if the blob makes a repository.

    Raises what `bring` and the writer raise.
    """
    writer = Writer(uploads, session, maker, coming)
    end = writer.leave if keep else writer.discard
    await _receive(writer, bring, end, end)
    await writer.finish(digest)


async def _receive(writer: Writer, bring: Bring, after_cut: _Ending, after_refusal: _Ending) -> None:
    try:
        await bring(writer)
    except BaseException as error:
        # The session may have changed by now. This client is not told.
        with contextlib.suppress(RegistryError):
            await _ending(writer, error, after_cut, after_refusal)()
        raise


def _ending(writer: Writer, error: BaseException, after_cut: _Ending, after_refusal: _Ending) -> _Ending:
    """How the writer ends after this error."""
    if isinstance(error, QuotaExceeded):
        return writer.discard
    if isinstance(error, StorageError):
        return writer.store_failed
    if isinstance(error, ConnectionCut):
        return after_cut
    return after_refusal if isinstance(error, RegistryError) else writer.leave
