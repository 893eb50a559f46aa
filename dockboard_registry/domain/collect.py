"""Collecting garbage, beside running pushes and pulls, in any number of processes at once.

    link unused for longer than the lease  ->  leaves its repository
    blob in no repository                  ->  its row goes, its key becomes garbage
    key garbage for longer than the grace  ->  its bytes go
Every step is decided again inside its own transaction, where no push can be half-way; so lease and grace may be 0. A reader that
holds an open file keeps it. Stored keys that no row names are strays of a crash, since rows come before bytes.
"""

from itertools import islice
from typing import NamedTuple

from ..db import Database, Tx, now
from ..storage import Storage, StorageFailed
from . import blobs, settings, small_blobs
from .open_uploads import Expiry, drop_expired

_BATCH = 200
_JOB = "collect"
_UNUSED_LINKS = (
    "SELECT repository_id, digest FROM repository_blobs WHERE leased_at <= ?"
    " AND NOT EXISTS (SELECT 1 FROM manifest_blobs WHERE manifest_blobs.repository_id = repository_blobs.repository_id"
    " AND manifest_blobs.blob_digest = repository_blobs.digest)"
)
_LOCK_LINK = "SELECT leased_at FROM repository_blobs WHERE repository_id = ? AND digest = ?"
_DELETE_UNUSED_LINK = (
    "DELETE FROM repository_blobs WHERE repository_id = ? AND digest = ? AND leased_at <= ?"
    " AND NOT EXISTS (SELECT 1 FROM manifest_blobs WHERE manifest_blobs.repository_id = repository_blobs.repository_id"
    " AND manifest_blobs.blob_digest = repository_blobs.digest)"
)
_UNLINKED_BLOBS = (
    "SELECT digest, storage_key FROM blobs WHERE NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_blobs.digest = blobs.digest)"
)
_LOCK_BLOB = "SELECT storage_key FROM blobs WHERE digest = ?"
_DELETE_UNLINKED_BLOB = (
    "DELETE FROM blobs WHERE digest = ? AND storage_key = ?"
    " AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_blobs.digest = blobs.digest)"
)
_NAMED = (
    "SELECT 1 FROM uploads WHERE storage_key = ?",
    "SELECT 1 FROM blobs WHERE storage_key = ?",
    "SELECT 1 FROM garbage WHERE storage_key = ?",
)


class GcReport(NamedTuple):
    """What one round removed: links of blobs to repositories, blobs, keys, expired uploads, stray keys; and the bytes freed."""

    links: int = 0
    blobs: int = 0
    keys: int = 0
    uploads: int = 0
    strays: int = 0
    bytes: int = 0


class Collector:
    """grace, lease, upload_expiry, interval and empty_expiry (of uploads without bytes) in seconds."""

    def __init__(
        self, db: Database, storage: Storage, grace: float, lease: float, upload_expiry: float, interval: float, empty_expiry: float = Expiry().empty
    ):
        self._db = db
        self._storage = storage
        self._grace, self._lease = int(grace * 1000), int(lease * 1000)
        self._expiry, self._interval = Expiry(upload_expiry, empty_expiry), int(interval * 1000)

    async def claim(self, holder: str) -> bool:
        """True for the one process, of all that ask, whose turn it is to run a round now; the next is due an interval later."""
        if not self._interval:
            return False
        at = now()
        row = await self._db.read(lambda tx: tx.one("SELECT due_at FROM jobs WHERE name = ?", _JOB))
        if row and row[0] > at:
            return False

        def change(tx: Tx) -> bool:
            if row is None:
                return tx.insert("INSERT INTO jobs (name, due_at, claimed_by) VALUES (?, ?, ?)", _JOB, at + self._interval, holder)
            return tx.run("UPDATE jobs SET due_at = ?, claimed_by = ? WHERE name = ? AND due_at = ?", at + self._interval, holder, _JOB, row[0]) > 0

        return await self._db.write(change, durable=False, brings=0)

    async def round(self) -> GcReport:
        """One full round; raises what database and storage raise, and can be run again at any time."""
        uploads = await self._expire_uploads()
        links = await self._unlink()
        dropped = await self._drop_blobs()
        keys, swept = await self._sweep()
        strays, stray_bytes = await self._sweep_strays()
        return GcReport(links, dropped, keys, uploads, strays, swept + stray_bytes)

    async def _expire_uploads(self) -> int:
        dropped, more = 0, True
        while more:
            gone, more = await drop_expired(self._db, self._expiry)
            dropped += gone
        return dropped

    async def _unlink(self) -> int:
        cutoff = now() - self._lease
        rows = await self._db.scan(lambda tx: tx.all(_UNUSED_LINKS, cutoff))
        return await self._each(rows, lambda tx, repository_id, digest: _unlink(tx, repository_id, digest, cutoff))

    async def _drop_blobs(self) -> int:
        rows = await self._db.scan(lambda tx: tx.all(_UNLINKED_BLOBS))
        return await self._each(rows, _drop)

    async def _sweep(self) -> tuple[int, int]:
        """Delete the stored bytes first, then the row: a crash between leaves a row whose deletion is repeated, never a stray."""
        cutoff, freed = now() - self._grace, 0
        rows = await self._db.scan(lambda tx: tx.all("SELECT storage_key FROM garbage WHERE condemned_at <= ?", cutoff))
        for batch in _batches(rows):
            keys = [key for (key,) in batch]
            freed += await self._delete(keys) + await self._db.write(lambda tx: sum(small_blobs.drop(tx, key) for key in keys), brings=0)  # noqa: B023
        return await self._each(rows, lambda tx, key: tx.run("DELETE FROM garbage WHERE storage_key = ?", key)), freed

    async def _sweep_strays(self) -> tuple[int, int]:
        """The grace holds for strays too: they may be newer than a database that was restored from a backup."""
        cutoff, gone, freed, batch = now() - self._grace, 0, 0, []
        async for key, written_at in self._storage.keys():
            if written_at <= cutoff:
                batch.append(key)
            if len(batch) == _BATCH:
                strays = await self._strays(batch)
                gone, freed, batch = gone + len(strays), freed + await self._delete(strays), []
        strays = await self._strays(batch)
        return gone + len(strays), freed + await self._delete(strays)

    async def _delete(self, keys: list[str]) -> int:
        """Delete stored bytes; none where the store belongs to another database by now, as it does after a copy. Raises StorageFailed."""
        if not keys:
            return 0
        if why := await settings.why_not_owner(self._db, await self._storage.marker()):
            raise StorageFailed(f"nothing more is deleted, this database does not own the store: {why}")
        return await self._storage.delete(keys)

    async def _strays(self, keys: list[str]) -> list[str]:
        return await self._db.scan(lambda tx: [key for key in keys if not _named(tx, key)])

    async def _each(self, rows: list, step) -> int:
        """Sum of step(tx, *row) over the rows, in short transactions that let pushes between them; in order, as pushes lock them."""
        done = 0
        for batch in _batches(sorted(rows)):
            done += await self._db.write(lambda tx: sum(step(tx, *row) for row in batch), brings=0)
        return done


def _unlink(tx: Tx, repository_id: int, digest: str, cutoff: int) -> int:
    """The lock comes first, so that the deed sees what the push that held the row has committed."""
    tx.lock(_LOCK_LINK, repository_id, digest)
    return tx.run(_DELETE_UNUSED_LINK, repository_id, digest, cutoff)


def _drop(tx: Tx, digest: str, key: str) -> int:
    tx.lock(_LOCK_BLOB, digest)
    return _take(tx, key, _DELETE_UNLINKED_BLOB, digest, key)


def _take(tx: Tx, key: str, delete: str, *parameters) -> int:
    """Delete a row if it still is as it was seen, and condemn the key that it named."""
    gone = tx.run(delete, *parameters)
    if gone:
        blobs.condemn(tx, key)
    return gone


def _named(tx: Tx, key: str) -> bool:
    return any(tx.one(sql, key) is not None for sql in _NAMED)


def _batches(rows: list):
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH)):
        yield batch
