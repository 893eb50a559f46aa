"""Feeds the body of one request to one upload session.

While all bytes of the session are few, the writer keeps them in memory and saves them with the session's row. The row's
generation tells two writers apart. Once there are too many, all bytes are in the store, which the writer holds.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable

from ...db import T
from ...errors import DigestInvalid, QuotaExceeded, RegistryError, UploadUnknown
from ...names import algorithm_of, digest_of
from ...storage import StorageError, Upload, UploadLost
from ..audit import Actor
from .holding import hold
from .sessions import Session
from .uploads import Uploads

_SAVE_SECONDS = 15
# Bytes that a request may bring before the quota of the namespace counts them.
_LEAST_UNCHARGED, _MOST_UNCHARGED = 64 << 10, 8 << 20


def _at_most(count: int, fill: Callable[[memoryview], int]) -> Callable[[memoryview], int]:
    """fill, but for at most so many bytes."""
    left = count

    def limited(buffer: memoryview) -> int:
        nonlocal left
        got = fill(buffer[:left]) if left > 0 else 0
        left -= got
        return got

    return limited


class Writer:
    """One of save, leave, finish and discard ends it.

    maker: who is noted if the blob makes a repository. coming: bytes that were announced.
    """

    def __init__(self, uploads: Uploads, session: Session, maker: Actor | None = None, coming: int = 0):
        self._uploads = uploads
        self._maker = maker
        self.session = session
        self.size = session.size
        self._coming = coming
        self._few = (
            not session.is_stored and session.size + coming <= uploads.small
        )  # all bytes so far and those announced
        self._here: bytes | None = None  # and these, once they were asked for
        self._begun = False
        self._upload: Upload | None = None
        self._hasher = None
        self._pending: asyncio.Future | None = None
        self._saved = time.monotonic()

    async def write(self, data: bytes) -> None:
        """Append.

        One piece is hashed and written while the next one is received. Raises StorageError, UploadRange, UploadUnknown.
        """
        if self._few and self.size + len(data) <= self._uploads.small:
            return await self._keep(data)
        upload = await self._stored()
        await self._drain()
        self._pending = asyncio.ensure_future(upload.write(data, self._hasher))
        self.size += len(data)
        return await self._note_sometimes()

    async def _keep(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            self._uploads.refuse_when_full()
        self._here = await self._all_here() + data
        self.size += len(data)

    async def _all_here(self) -> bytes:
        if self._here is None:
            self._here = await self._uploads.bytes_here(self.session)
        return self._here

    async def _stored(self) -> Upload:
        """The bytes in the store, held. The few that were in the database are written first."""
        if self._upload is None:
            here = None if self.session.is_stored else await self._all_here()
            upload, self.session = await hold(self._uploads, self.session)
            self._upload, self._begun, self._few, self._here = upload, True, False, None
            if here is None:
                self._hasher = self._uploads.running_hasher(self.session)
            else:
                self._hasher = hashlib.new(self.session.algorithm)
                await self._guarded(upload.write(here, self._hasher))
            await self._charge(self.session.size + self._coming)
        return self._upload

    async def _charge(self, size: int) -> None:
        """Let the namespace's quota, if there is one, count so many bytes.

        Raises QuotaExceeded, UploadRange, UploadUnknown.
        """
        if self.session.charged is not None and self.session.charged < size:
            self.session = await self._uploads.charge(self.session, size)

    async def pour(self, fill: Callable[[memoryview], int], dear: bool = False) -> int:
        """Append what fill(buffer) gives, and return the number of bytes. A thread calls it until it returns 0.

        dear: as for storage.Upload. Raises what `write` raises.
        """
        upload = await self._stored()
        await self._drain()
        if self.session.charged is not None:
            fill = _at_most(self._uncharged(), fill)
        count = await self._guarded(upload.pour(fill, self._hasher, dear))
        self.size += count
        await self._note_sometimes()
        return count

    def _uncharged(self) -> int:
        """How many bytes of a body of unknown length may come before the quota counts them: few at first, later a part
        of what came.
        """
        charged = self.session.charged
        return charged + min(max(charged // 4, _LEAST_UNCHARGED), _MOST_UNCHARGED) - self.size

    async def _note_sometimes(self) -> None:
        """Let the quota count what came.

        Save the progress of a long upload, so that it does not expire and a crash of this process loses little.
        """
        if self.session.charged is not None and self._uncharged() <= 0:
            await self._charge(self.size)
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            await self._drain()
            saved = await self._upload.suspend()
            self.session = await self._uploads.save(self.session, self.size, saved, None, goes_on=True)
            self._saved = time.monotonic()

    async def _drain(self) -> None:
        if self._pending is None:
            return
        pending, self._pending = self._pending, None
        await self._guarded(pending)

    async def _guarded(self, work: Awaitable[T]) -> T:
        """Await the storage. Its errors about the session become errors for the client."""
        try:
            return await work
        except UploadLost as error:
            raise UploadUnknown("the bytes received earlier are gone") from error

    async def save(self) -> Session:
        """Keep what was written for a later request.

        Raises UploadRange, UploadUnknown, StorageError, and QuotaExceeded: then the session is gone.
        """
        try:
            return await self._save()
        except QuotaExceeded:
            await self.discard()
            raise

    async def _save(self) -> Session:
        if self._upload is None:
            if self.size != self.session.size:
                self.session = await self._uploads.save_here(
                    self.session, self._here, digest_of(self.session.algorithm, self._here)
                )
            return self.session
        try:
            await self._drain()
            if self.size != self.session.size:
                digest, saved = self._digest() if self._hasher else None, await self._guarded(self._upload.suspend())
                self.session = await self._uploads.save(self.session, self.size, saved, digest)
            if self._hasher:
                self._uploads.remember(self.session.id, self.size, self._hasher)
            return self.session
        finally:
            await self._upload.release()

    async def leave(self) -> Session:
        """Give up.

        The bytes of this request do not count for the upload, but for the namespace's quota while they are stored.
        """
        await self._settle()
        if self._upload is not None:
            try:
                await self._charge_all()
            finally:
                await self._upload.release()
        return self.session

    async def _charge_all(self) -> None:
        """Let the quota count exactly what is in the store. If that is too much, drop the session with its bytes."""
        if self.session.charged in (None, self.size):
            return
        with contextlib.suppress(RegistryError):
            try:
                self.session = await self._uploads.charge(self.session, self.size)
            except QuotaExceeded:
                await self._drop()

    async def _settle(self) -> None:
        """Wait for a write under way, however it ends: its thread uses what release takes away."""
        if self._pending is not None:
            await asyncio.wait([self._pending])
            self._pending.exception()

    async def finish(self, digest: str) -> int:
        """Make the bytes a blob and return its size.

        Raises DigestInvalid, QuotaExceeded (the upload is dropped), StorageError, UploadRange, UploadUnknown.
        """
        if not self._few or not self._uploads.small:
            await self._stored()
        self._begun = True
        try:
            await self._drain()
            if await self._content_digest(digest) != digest:
                raise DigestInvalid(
                    "the content received has another digest; the upload was dropped",
                    "push the content again",
                    digest=digest,
                )
            await self._record(digest)
        except (DigestInvalid, QuotaExceeded):
            await self.discard()
            raise
        except StorageError:
            await self.store_failed()
            raise
        except BaseException:
            await self.leave()
            raise
        if self._upload is not None:
            await self._upload.release()
        return self.size

    async def _record(self, digest: str) -> None:
        """Make the bytes durable and record the blob.

        Under a quota, long bytes that are stored and whole stay, because replacing them again and again would fill the
        disk.
        """
        kept = None if self.session.charged is None or self._few else await self._uploads.whole_copy(digest, self.size)
        if kept and await self._uploads.record(self.session, self.size, digest, maker=self._maker, kept=kept):
            if self._upload is not None:
                with contextlib.suppress(StorageError):  # the collector removes what is left
                    await self._upload.abort()
            return
        if self._upload is not None:
            await self._guarded(self._upload.commit())
        await self._uploads.record(self.session, self.size, digest, await self._new_here(), self._maker)

    async def _new_here(self) -> bytes | None:
        """The bytes that the database does not have yet, if they are few. A blob without bytes has some too: none."""
        return (
            await self._all_here()
            if self._few and (self.size != self.session.size or not self.session.is_here)
            else None
        )

    async def discard(self) -> None:
        """Drop the bytes, then the session: bytes whose sync failed must not be there for another try.

        It also lets go of a store that was held but not written to. Raises UploadRange, UploadUnknown if the session
        was changed; then it stays.
        """
        await self._settle()
        try:
            await self._drop()
        finally:
            if self._upload is not None:
                await self._upload.release()

    async def _drop(self) -> None:
        """Where the store does not lock, the bytes go only after the session: they may be another writer's by now."""
        if self._upload is not None and self._uploads.storage.locks:
            await self._upload.abort()
        if self._begun:
            await self._uploads.drop(self.session)

    async def store_failed(self) -> None:
        """Drop the session if its bytes cannot be trusted any more, or are too many.

        What a store without locks has saved is durable, so the client may go on from there when the store answers.
        """
        await (self.discard if self._uploads.storage.locks else self.leave)()

    def _digest(self) -> str:
        return f"{self.session.algorithm}:{self._hasher.hexdigest()}"

    async def _content_digest(self, wanted: str) -> str:
        """The digest of all bytes by the algorithm of `wanted`. They are read again if no process knows it."""
        algorithm = algorithm_of(wanted)
        if algorithm == self.session.algorithm:
            if self._hasher:
                return self._digest()
            known = self._uploads.known_digest(self.session)
            if known and self.size == self.session.size:
                return known
        if self._few:
            return digest_of(algorithm, await self._all_here())
        fresh = hashlib.new(algorithm)
        await self._guarded(self._upload.hash(fresh))
        return f"{algorithm}:{fresh.hexdigest()}"
