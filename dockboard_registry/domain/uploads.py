"""Upload sessions: a row that any worker continues, and a writer that holds the bytes while one request feeds it.

A writer holds the bytes in the store, and the row is saved by compare-and-set on its generation, so of two writers one wins. A
running hash lives only in the process that wrote all bytes so far; its digest is saved with the row, which spares the re-reading
when another worker finishes the upload. It counts only under the epoch (start of the server) that wrote it: after a power cut the
bytes may be older than the row.
"""

import asyncio
import hashlib
import itertools
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from ..db import Database, Row, T, Tx, now
from ..errors import DigestInvalid, QuotaExceeded, TooManyRequests, UploadRange, UploadUnknown
from ..names import algorithm_of, namespace_of
from ..storage import Storage, StorageError, Upload, UploadBusy, UploadLost, new_key
from . import blobs, repositories
from .quotas import QUOTA_COLUMNS, QUOTA_JOIN, Limits, Quotas

_FIND = "SELECT id, repository, storage_key, state, size, algorithm, digest, epoch, generation, owner FROM uploads WHERE id = ?"
_COLUMNS = 10
_FIND_WITH_QUOTA = (
    "SELECT id, repository, storage_key, state, size, algorithm, digest, epoch, generation, owner,"
    f" {QUOTA_COLUMNS} FROM uploads {QUOTA_JOIN} WHERE uploads.id = ?"
)
_FULL_WITH_QUOTA = f"SELECT (SELECT 1 FROM uploads LIMIT 1 OFFSET ?), {QUOTA_COLUMNS} FROM (SELECT 1 AS one) request {QUOTA_JOIN}"
_INSERT = (
    "INSERT INTO uploads (id, repository, storage_key, state, size, algorithm, digest, epoch, generation, owner, started_at,"
    " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_REMEMBERED = 1024
_SAVE_SECONDS = 15


class Session(NamedTuple):
    """One row of uploads: size in bytes, digest of all bytes so far where it is known, owner: who may go on with it, None without accounts."""

    id: str
    repository: str
    storage_key: str
    state: str
    size: int
    algorithm: str
    digest: str | None
    epoch: str | None
    generation: int
    owner: str | None = None


class Uploads:
    """limit: open sessions of the whole registry at most."""

    def __init__(self, db: Database, storage: Storage, epoch: str, limit: int, quotas: Quotas = Quotas()):
        self._quotas = quotas
        self._db = db
        self._storage = storage
        self._epoch = epoch
        self._limit = limit
        self._hashers: OrderedDict[str, tuple[int, "hashlib._Hash"]] = OrderedDict()

    async def start(self, repository: str, algorithm: str = "sha256", owner: str | None = None, wanted: int = 1) -> Session:
        """A new session, into which at least `wanted` bytes are going to be sent. Raises TooManyRequests, QuotaExceeded."""
        namespace = namespace_of(repository)
        session = Session(secrets.token_hex(16), repository, new_key(), "", 0, algorithm, None, None, 0, owner)

        def insert(tx: Tx) -> Limits:
            full, *row = tx.one(_FULL_WITH_QUOTA, self._limit - 1, namespace, namespace)
            if full:
                raise TooManyRequests("too many uploads are open", headers={"Retry-After": "60"})
            at = now()
            tx.insert(_INSERT, *session, at, at)  # False where a run before was committed: nobody else has this id
            return self._quotas.limits(namespace, *row)

        limits = await self._db.write(insert, durable=False, repeatable=True)
        if limits:
            await self._require_room(limits, session, wanted)
        return session

    async def _require_room(self, limits: Limits, session: Session, wanted: int) -> None:
        """Raises QuotaExceeded, and then the session is gone: no other request can bring it to a good end."""
        try:
            await self._quotas.require_room(self._db, limits, session.repository, session.size + wanted)
        except QuotaExceeded:
            await self.cancel(session)
            raise

    async def find(self, repository: str, id: str, owner: str | None = None) -> Session:
        """Raises UploadUnknown, for an upload to another repository or by somebody else too."""
        return _owned(await self._db.read(lambda tx: tx.one(_FIND, id)), repository, owner)

    async def enter(self, repository: str, id: str, owner: str | None, wanted: int) -> Session:
        """`find`, for a request that brings so many bytes. Raises QuotaExceeded where they would not fit, and then the session is gone."""
        namespace = namespace_of(repository)
        row = await self._db.read(lambda tx: tx.one(_FIND_WITH_QUOTA, namespace, namespace, id))
        session = _owned(row and row[:_COLUMNS], repository, owner)
        limits = self._quotas.limits(namespace, *row[_COLUMNS:])
        if limits and (session.size or wanted):
            await self._require_room(limits, session, wanted)
        return session

    def writer(self, session: Session) -> "Writer":
        """A writer that appends to the session's bytes."""
        upload = self._storage.resume(session.storage_key, session.state, session.size)
        return Writer(self, session, upload)

    async def hold(self, upload: Upload, session: Session) -> None:
        """Shut out other writers from a session that still is as it was read. Raises UploadRange, UploadUnknown.

        The session was read before: whoever held the upload meanwhile may have finished it, and then its bytes are a blob that
        nothing may touch.
        """
        try:
            await upload.hold()
        except UploadBusy as error:
            raise UploadRange("another request is writing to this upload") from error
        try:
            current = await self.find(session.repository, session.id, session.owner)
            if current.generation != session.generation:
                raise UploadRange("another request wrote to this upload meanwhile")
        except BaseException:
            await upload.release()
            raise

    def running_hasher(self, session: Session):
        """The hash of all bytes so far where this process has it, else None."""
        size, hasher = self._hashers.pop(session.id, (0, None))
        if size != session.size:
            hasher = None
        if session.size == 0:
            hasher = hashlib.new(session.algorithm)
        return hasher

    async def cancel(self, session: Session) -> None:
        """Forget the session and its bytes. Raises UploadUnknown."""
        if not await self._db.write(lambda tx: tx.run("DELETE FROM uploads WHERE id = ?", session.id), durable=False):
            raise UploadUnknown("there is no such upload in this repository: it was finished, cancelled or has expired")
        await self._storage.delete([session.storage_key])

    async def save(self, session: Session, size: int, state: str, digest: str | None) -> Session:
        """The session with what was written; raises UploadUnknown where it was cancelled meanwhile."""
        saved = session._replace(size=size, state=state, digest=digest, epoch=self._epoch, generation=session.generation + 1)

        def update(tx: Tx) -> bool:
            changed = tx.run(
                "UPDATE uploads SET size = ?, state = ?, digest = ?, epoch = ?, generation = ?, updated_at = ? WHERE id = ? AND generation = ?",
                *(size, state, digest, self._epoch, saved.generation, now(), session.id, session.generation),
            )
            # A run before may have been committed; the generation is raised only by who holds the bytes.
            return changed > 0 or tx.one(_FIND, session.id) == tuple(saved)

        if not await self._db.write(update, durable=False, repeatable=True):
            raise UploadUnknown("the upload was cancelled meanwhile, or has expired")
        return saved

    def remember(self, id: str, size: int, hasher) -> None:
        """Keep a running hash for the session's next request; the oldest of many is forgotten and costs a re-reading."""
        self._hashers[id] = size, hasher
        if len(self._hashers) > _REMEMBERED:
            self._hashers.popitem(last=False)

    async def record(self, session: Session, size: int, digest: str) -> None:
        """The one transaction that makes durable bytes a blob of the repository. Raises UploadUnknown, QuotaExceeded."""
        runs = itertools.count()

        def change(tx: Tx) -> None:
            again = next(runs) > 0
            if not tx.run("DELETE FROM uploads WHERE id = ? AND generation = ?", session.id, session.generation):
                # The run before was committed, though its answer was lost; a push since may have given the blob another key.
                if again and blobs.renew(tx, repositories.find(tx, session.repository), digest, now()):
                    return
                raise UploadUnknown("the upload was cancelled meanwhile, or has expired")
            blobs.store(tx, digest, session.storage_key, size)
            place = self._quotas.enter(tx, session.repository)
            place.charge(tx, size if blobs.link(tx, place.repository_id, digest) else None)

        await self._db.write(change, repeatable=True)

    def trusted_digest(self, session: Session) -> str | None:
        return session.digest if session.epoch == self._epoch else None


def _owned(row: Row | None, repository: str, owner: str | None) -> Session:
    if row is None or row[1] != repository or row[-1] != owner:
        raise UploadUnknown("there is no such upload in this repository: it was finished, cancelled or has expired")
    return Session(*row)


class Writer:
    """Feeds one request's body to one session, which it holds from the first byte. One of save, leave, finish and discard ends it."""

    def __init__(self, uploads: Uploads, session: Session, upload: Upload):
        self._uploads = uploads
        self.session = session
        self._upload = upload
        self._held = False
        self._hasher = None
        self.size = session.size
        self._pending: asyncio.Future | None = None
        self._saved = time.monotonic()

    async def _hold(self) -> None:
        if not self._held:
            await self._uploads.hold(self._upload, self.session)
            self._held = True
            self._hasher = self._uploads.running_hasher(self.session)

    async def write(self, data: bytes) -> None:
        """Append. One piece is hashed and written while the next is received. Raises StorageError, UploadRange, UploadUnknown."""
        await self._hold()
        await self._drain()
        self._pending = asyncio.ensure_future(self._upload.write(data, self._hasher))
        self.size += len(data)
        await self._save_sometimes()

    async def pour(self, fill: Callable[[memoryview], int]) -> int:
        """Append what fill(buffer) gives, called in a thread until it returns 0; the number of bytes. Raises as write does."""
        await self._hold()
        await self._drain()
        count = await self._guarded(self._upload.pour(fill, self._hasher))
        self.size += count
        await self._save_sometimes()
        return count

    async def _save_sometimes(self) -> None:
        """Note the progress of a long upload, so that it does not expire and little is lost with this process."""
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            await self._drain()
            self.session = await self._uploads.save(self.session, self.size, self.session.state, None)
            self._saved = time.monotonic()

    async def _drain(self) -> None:
        if self._pending is None:
            return
        pending, self._pending = self._pending, None
        await self._guarded(pending)

    async def _guarded(self, work: Awaitable[T]) -> T:
        """Await the storage; its errors about the session become the client's."""
        try:
            return await work
        except UploadLost as error:
            raise UploadUnknown("the bytes received earlier are gone") from error

    async def save(self) -> Session:
        """Keep what was written for a later request."""
        try:
            await self._drain()
            if self.size != self.session.size:
                digest = self._digest() if self._hasher else None
                self.session = await self._uploads.save(self.session, self.size, await self._upload.suspend(), digest)
            if self._hasher:
                self._uploads.remember(self.session.id, self.size, self._hasher)
            return self.session
        finally:
            await self._upload.release()

    async def leave(self) -> Session:
        """Let go; what this request wrote does not count."""
        await self._settle()
        await self._upload.release()
        return self.session

    async def _settle(self) -> None:
        """Wait for a write under way, whatever becomes of it: its thread uses what release takes away."""
        if self._pending is not None:
            await asyncio.wait([self._pending])
            self._pending.exception()

    async def finish(self, digest: str) -> int:
        """Make the bytes a blob and return its size.

        Raises DigestInvalid, QuotaExceeded and StorageError (the upload is dropped), UploadRange, UploadUnknown.
        """
        await self._hold()
        try:
            await self._drain()
            if await self._content_digest(digest) != digest:
                raise DigestInvalid("the content received has another digest; the upload was dropped", "push the content again", digest=digest)
            await self._guarded(self._upload.commit())
            await self._uploads.record(self.session, self.size, digest)
        except (DigestInvalid, QuotaExceeded, StorageError):
            await self.discard()
            raise
        except BaseException:
            await self._upload.release()
            raise
        await self._upload.release()
        return self.size

    async def discard(self) -> None:
        """Drop bytes and session, in this order: bytes whose sync failed must not be there for another try. Lets go where nothing is held."""
        await self._settle()
        if not self._held:
            return
        try:
            await self._upload.abort()
            await self._uploads.cancel(self.session)
        finally:
            await self._upload.release()

    def _digest(self) -> str:
        return f"{self.session.algorithm}:{self._hasher.hexdigest()}"

    async def _content_digest(self, wanted: str) -> str:
        """The digest of all bytes, by the algorithm of `wanted`; reads them again where no process knows it."""
        algorithm = algorithm_of(wanted)
        if algorithm == self.session.algorithm:
            if self._hasher:
                return self._digest()
            known = self._uploads.trusted_digest(self.session)
            if known and self.size == self.session.size:
                return known
        fresh = hashlib.new(algorithm)
        await self._guarded(self._upload.hash(fresh))
        return f"{algorithm}:{fresh.hexdigest()}"
