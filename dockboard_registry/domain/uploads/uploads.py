"""Upload sessions. Each is a row that any worker can continue; upload_writer.py feeds it with the bytes of a request.

The row is saved by compare-and-set on its generation, so of two writers one wins. Few bytes lie in the database
(small_blobs.py) and change together with the row. Once there are more, all bytes are in the store, and a writer holds
them (holding.py) before it changes any. A running hash lives only in the process that wrote all bytes so far. Its
digest is saved with the row, so another worker that finishes the upload need not read the bytes again. Where the store
locks, the digest counts only under the same start of the server: after a power cut the bytes may be older than the row.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NoReturn

from ...db import ROWS, Database, Row, T, Tx, now
from ...errors import QuotaExceeded, StoreMoving, TooManyRequests, UploadUnknown
from ...names import namespace_of
from ...storage import Saved, Storage, new_key
from ..audit import Actor
from ..content import blobs, links, repositories, small_blobs
from ..quotas import quota_sums
from ..quotas.quota_sums import Change
from ..quotas.quotas import QUOTA_COLUMNS, QUOTA_JOIN, Limits, Quotas
from . import open_uploads, own_store
from .open_uploads import Expiry
from .own_store import IS_OURS
from .sessions import COLUMNS, FIND, HELD, HERE, STORED, Session, owned, refuse

_FIND_WITH_QUOTA = (
    "SELECT id, repository, storage_key, state, size, algorithm, digest, epoch, generation, owner, charged, parts,"
    f" {QUOTA_COLUMNS} FROM uploads {QUOTA_JOIN} WHERE uploads.id = ?"
)
_OPEN = "(SELECT COUNT(*) FROM uploads), (SELECT COUNT(*) FROM uploads WHERE share_of = ?)"
_OPEN_WITH_QUOTA = f"SELECT {_OPEN}, {QUOTA_COLUMNS} FROM (SELECT 1 AS one) request {QUOTA_JOIN}"
_INSERT = (
    "INSERT INTO uploads (id, repository, storage_key, state, size, algorithm, digest, epoch, generation, owner,"
    " charged, parts, share_of, started_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SAVE = (
    "UPDATE uploads SET size = ?, state = ?, digest = ?, epoch = ?, generation = ?, charged = ?, parts = ?,"
    " updated_at = ? WHERE id = ? AND generation = ?"
)
_SAVE_STORED = f"{_SAVE} AND {IS_OURS}"
_END = "DELETE FROM uploads WHERE id = ? AND generation = ?"
_END_STORED = f"{_END} AND {IS_OURS}"
_CHARGE = "UPDATE uploads SET charged = ? WHERE id = ? AND generation = ? AND charged = ?"
_REMEMBERED = 1024
# Seconds between two searches for expired sessions.
_PAUSE = 1.0


class Uploads:
    """limit: open sessions of the whole registry at most.

    small: the largest blob that may lie in the database, in bytes. store_id: of the store, as its marker had it when
    the server started; None for whoever pushes nothing.
    """

    def __init__(
        self,
        db: Database,
        storage: Storage,
        server_start: str,
        limit: int,
        quotas: Quotas = Quotas(),
        small: int = small_blobs.LIMIT,
        expiry: Expiry = Expiry(),
        store_id: str | None = None,
    ):
        self._store_id = store_id
        self.small = small
        self._quotas = quotas
        self._db = db
        self.storage = storage
        self._server_start = server_start
        self._limit = limit
        self._expiry = expiry
        self._refused: OrderedDict[str | None, None] = OrderedDict()
        self._looked = -_PAUSE
        self._hashers: OrderedDict[str, tuple[int, "hashlib._Hash"]] = OrderedDict()

    async def start(
        self,
        repository: str,
        algorithm: str = "sha256",
        owner: str | None = None,
        wanted: int = 1,
        share_of: str | None = None,
    ) -> Session:
        """Open a session into which at least `wanted` bytes will be sent.

        share_of: the client whose share of the open sessions it takes. Raises TooManyRequests, QuotaExceeded.
        """
        session = Session(secrets.token_hex(16), repository, new_key(), "", 0, algorithm, None, None, 0, owner)
        try:
            limits, session = await self._insert(session, share_of, wanted)
        except QuotaExceeded:
            self._note_refused(share_of)
            raise
        except TooManyRequests:
            self._note_refused(share_of)
            if not await self._drop_expired():
                raise
            limits, session = await self._insert(session, share_of, wanted)
        if limits:
            await self._require_room(limits, session, wanted)
        return session

    async def _insert(self, session: Session, share_of: str | None, wanted: int) -> tuple[Limits, Session]:
        """Raises TooManyRequests; QuotaExceeded if that is certain without counting."""
        namespace = namespace_of(session.repository)

        def ask(tx: Tx) -> Limits:
            total, own, *row = tx.one(_OPEN_WITH_QUOTA, share_of, namespace, namespace)
            open_uploads.require_place(self._limit, total, own)
            limits = self._quotas.limits(namespace, *row)
            limits.refuse_for_sure(wanted)
            return limits

        def insert(tx: Tx) -> tuple[Limits, Session]:
            limits, at = ask(tx), now()
            made = session._replace(charged=None if limits.bytes is None else 0)
            tx.insert(
                _INSERT, *made, share_of, at, at
            )  # False if an earlier run was committed; nobody else has this id
            return limits, made

        if share_of in self._refused:
            await self._db.read(ask)  # refuse a client that keeps asking without the write lock
        made = await self._db.write(insert, durable=False, repeatable=True)
        self._refused.pop(share_of, None)
        return made

    def _note_refused(self, share_of: str | None) -> None:
        self._refused[share_of] = None
        if len(self._refused) > _REMEMBERED:
            self._refused.popitem(last=False)

    async def _drop_expired(self) -> int:
        """Returns how many sessions were dropped. None are if this process looked a moment ago."""
        if time.monotonic() - self._looked < _PAUSE:
            return 0
        gone, more = await open_uploads.drop_expired(self._db, self._expiry)
        if not more:
            self._looked = time.monotonic()
        return gone

    async def _require_room(self, limits: Limits, session: Session, wanted: int) -> None:
        """Raises QuotaExceeded. Then the session is gone, because no other request could finish it."""
        try:
            await self._quotas.require_room(
                self._db, limits, session.repository, session.size + wanted, session.charged or 0
            )
        except QuotaExceeded:
            await self.cancel(session)
            raise

    async def find(self, repository: str, id: str, owner: str | None = None) -> Session:
        """Raises UploadUnknown, also if it is for another repository or another client's."""
        return owned(await self._db.read(lambda tx: tx.one(FIND, id)), repository, owner)

    async def enter(self, repository: str, id: str, owner: str | None, wanted: int) -> Session:
        """`find`, for a request that brings so many bytes.

        Raises QuotaExceeded if they would not fit. Then the session is gone.
        """
        namespace = namespace_of(repository)
        row = await self._db.read(lambda tx: tx.one(_FIND_WITH_QUOTA, namespace, namespace, id))
        session = owned(row and row[:COLUMNS], repository, owner)
        limits = self._quotas.limits(namespace, *row[COLUMNS:])
        if limits and (session.size or wanted):
            await self._require_room(limits, session, wanted)
        return session

    async def rest(self, session: Session) -> bytes:
        """The last bytes of a session whose other bytes are in a store without locks."""
        return await small_blobs.find(self._db, session.storage_key) or b""

    async def bytes_here(self, session: Session) -> bytes:
        """All bytes of a session that is not stored. Raises UploadRange if it was changed, UploadUnknown."""
        data = await small_blobs.find(self._db, session.storage_key) if session.is_here else b""
        if data is None or len(data) != session.size:
            found = await self._db.read(lambda tx: tx.one(FIND, session.id))
            if found == tuple(session):
                raise UploadUnknown("the bytes received earlier are gone")
            refuse(found)
        return data

    def refuse_when_full(self) -> None:
        """Before bytes go into the database: a disk that is full for the store is full for them too.

        Raises StorageError.
        """
        self.storage.refuse_when_full()

    def running_hasher(self, session: Session):
        """The hash of all bytes so far if this process has it, otherwise None."""
        size, hasher = self._hashers.pop(session.id, (0, None))
        if size != session.size:
            hasher = None
        if session.size == 0:
            hasher = hashlib.new(session.algorithm)
        return hasher

    async def cancel(self, session: Session) -> None:
        """Delete the session and its bytes. Raises UploadUnknown."""
        await self._forget(session, "DELETE FROM uploads WHERE id = ?", session.id)

    async def drop(self, session: Session) -> None:
        """The same if the session still is as it was read. Another request may have added to few bytes.

        Raises UploadRange, UploadUnknown.
        """
        await self._forget(session, _END, session.id, session.generation)

    async def _forget(self, session: Session, delete: str, *parameters) -> None:
        def change(tx: Tx) -> None:
            (charged,) = tx.lock("SELECT charged FROM uploads WHERE id = ?", session.id) or (None,)
            if not tx.run(delete, *parameters):
                refuse(tx.one(FIND, session.id))  # the bytes may be a blob's by now
            small_blobs.drop(tx, session.storage_key)
            if charged:
                quota_sums.change(tx, namespace_of(session.repository), Change(-charged))

        await self._db.write(change, durable=False, brings=0)
        await self.storage.delete([session.storage_key])

    async def charge(self, session: Session, size: int) -> Session:
        """Let the namespace's quota count so many bytes of the session.

        Raises QuotaExceeded, UploadRange, UploadUnknown.
        """
        charged = session._replace(charged=size)

        def change(tx: Tx) -> None:
            if tx.run(_CHARGE, size, session.id, session.generation, session.charged):
                return self._charge(tx, session, charged)
            found = tx.one(FIND, session.id)
            return None if tx.doubtful and found == tuple(charged) else refuse(found)

        await self._decided(change, False, 0)
        return charged

    async def _decided(self, change: Callable[[Tx], T], durable: bool, brings: int) -> T:
        try:
            return await self._quotas.decided(
                self._db, lambda: self._db.write(change, durable=durable, repeatable=True, brings=brings)
            )
        except StoreMoving:
            # Read first: clients may send many pushes that are refused.
            if await self._db.read(own_store.due) is not None:
                await self._db.write(own_store.thaw_when_due, brings=0)
            raise

    def _charge(self, tx: Tx, before: Session, after: Session) -> None:
        if after.charged != before.charged:
            more = after.charged - before.charged
            self._quotas.find(tx, after.repository).decide(tx, Change(more), after.charged if more > 0 else 0)

    async def save(
        self, session: Session, size: int, saved: Saved, digest: str | None, goes_on: bool = False
    ) -> Session:
        """The session with what was written to the store. goes_on: the writer still holds it.

        Raises UploadUnknown if it was cancelled meanwhile, UploadRange if another writer took it over.
        """
        wanted = session._replace(size=size, state=STORED, digest=digest)
        if self.storage.locks:
            return await self.replace(wanted, session)
        wanted = wanted._replace(state=HELD if goes_on else STORED, parts=saved.state or None)
        return await self.replace(
            wanted, session, lambda tx: small_blobs.set_rest(tx, session.storage_key, saved.rest), len(saved.rest)
        )

    async def save_here(self, session: Session, data: bytes, digest: str) -> Session:
        """The session with all its bytes in the database.

        Raises UploadRange if another request was faster, UploadUnknown, QuotaExceeded.
        """
        saved = session._replace(size=len(data), state=HERE, digest=digest)
        return await self.replace(
            saved, session, lambda tx: small_blobs.put(tx, session.storage_key, data), len(data) + ROWS
        )

    async def replace(
        self, wanted: Session, session: Session, more: Callable[[Tx], object] | None = None, brings: int = 0
    ) -> Session:
        """Replace the session by this one. `more` runs in the same transaction and brings so many bytes.

        If the storage key is another one, `more` has to change it.
        """
        saved = wanted._replace(
            server_start=self._server_start,
            generation=session.generation + 1,
            charged=None if session.charged is None else wanted.size,
        )

        def update(tx: Tx) -> None:
            values = saved.size, saved.state, saved.digest, saved.server_start, saved.generation, saved.charged
            sql, own = (_SAVE_STORED, (self._store_id,)) if saved.is_stored else (_SAVE, ())
            if tx.run(sql, *values, saved.parts, now(), session.id, session.generation, *own):
                if more:
                    more(tx)
                return self._charge(tx, session, saved)
            found = tx.one(FIND, session.id)
            return None if tx.doubtful and found == tuple(saved) else self._refuse(tx, found, saved.is_stored)

        await self._decided(update, False, brings)
        return saved

    def _refuse(self, tx: Tx, found: Row | None, stored: bool) -> NoReturn:
        """stored: the bytes are in the store."""
        if stored:
            own_store.require(tx, self._store_id)
        refuse(found)

    def remember(self, id: str, size: int, hasher) -> None:
        """Keep a running hash for the session's next request.

        If there are many, the oldest is dropped, and the bytes are read again.
        """
        self._hashers[id] = size, hasher
        if len(self._hashers) > _REMEMBERED:
            self._hashers.popitem(last=False)

    async def record(
        self,
        session: Session,
        size: int,
        digest: str,
        data: bytes | None = None,
        maker: Actor | None = None,
        kept: str | None = None,
    ) -> bool:
        """Make the bytes a blob of the repository in one transaction: `data`, or those that are durable under the key.

        maker: who is noted for a new repository. kept: the blob's present key, which has the same bytes; False if it is
        not the blob's any more. Raises UploadRange, UploadUnknown, QuotaExceeded.
        """

        def change(tx: Tx) -> bool:
            if kept is not None and not blobs.keep(tx, digest, kept):
                return False
            stored = session.is_stored and kept is None
            sql, own = (_END_STORED, (self._store_id,)) if stored else (_END, ())
            if not tx.run(sql, session.id, session.generation, *own):
                # An earlier run was committed, but its answer was lost. A push since then may have given the blob
                # another key.
                if tx.doubtful and links.renew(tx, repositories.find(tx, session.repository), digest, now()):
                    return True
                self._refuse(tx, tx.one(FIND, session.id), stored)
            self._link(tx, session, size, digest, data, maker, kept)
            return True

        return await self._decided(change, True, len(data or b"") + ROWS)

    def _link(
        self,
        tx: Tx,
        session: Session,
        size: int,
        digest: str,
        data: bytes | None,
        maker: Actor | None,
        kept: str | None,
    ) -> None:
        """Make these the blob's bytes, or forget them if stored ones are kept, and link the blob to the repository."""
        replaced, owner = 0, None if session.charged is None else namespace_of(session.repository)
        if kept is not None:
            small_blobs.drop(tx, session.storage_key)
        else:
            if data is not None:
                small_blobs.put(tx, session.storage_key, data)
            elif session.is_stored and not self.storage.locks:
                small_blobs.drop(tx, session.storage_key)  # the rest, which is in the store by now
            replaced = blobs.store(tx, digest, session.storage_key, size, owner)
        place = self._quotas.enter(tx, session.repository, maker)
        linked = links.make(tx, place.repository_id, digest)
        known = (
            linked
            and (replaced or kept)
            and place.limits
            and links.is_elsewhere(tx, place.limits.namespace, place.repository_id, digest)
        )
        # Another transaction may count the same blob at the same time.
        change = Change(-(session.charged or 0), replaced if owner else 0, freed=1 if replaced or kept else 0)
        place.charge(tx, size if linked and not known else None, change)

    async def whole_copy(self, digest: str, size: int) -> str | None:
        """The key of the blob's bytes if they are stored and whole, otherwise None."""
        return await blobs.whole_copy(self._db, self.storage, digest, size)

    def known_digest(self, session: Session) -> str | None:
        """The digest of all bytes, if it was saved since this start of the server or where saved bytes are durable."""
        return session.digest if not self.storage.locks or session.server_start == self._server_start else None
