"""Collecting garbage, beside running pushes and pulls, in any number of processes at once.

    link unused for longer than the lease  ->  leaves its repository
    blob in no repository                  ->  its row goes, its key becomes garbage
    key garbage for longer than the grace  ->  its bytes go
Every step is decided again inside its own transaction, where no push can be half-way; so lease and grace may be 0. A
reader that holds an open file keeps it. Stored keys that no row names are strays of a crash, since rows come before
bytes.
"""

from itertools import islice
from typing import NamedTuple

from ...db import Database, Tx, now
from ...storage import Storage
from ..content import blobs, references, small_blobs
from ..content.references import UNLINKED_BLOB, UNREFERENCED_LINK
from ..quotas import quota_sums
from ..quotas.quota_sums import Change
from ..uploads.open_uploads import Expiry, drop_expired
from .deletion import Deletion
from .strays import Strays

# Changes in one transaction, and rows that one scan reads.
_BATCH, _PAGE = 200, 2000
_LAST_ID, _LAST_DIGEST = (1 << 63) - 1, "~"
_UNUSED = f"leased_at <= ? AND {UNREFERENCED_LINK}"
# A page of links lies within one repository, or begins after it. The first statement of each pair finds the page's last
# link, the second one the unused links.
_END_WITHIN, _UNUSED_WITHIN = (
    "SELECT digest FROM repository_blobs WHERE repository_id = ? AND digest > ? ORDER BY digest LIMIT 1 OFFSET ?",
    (
        "SELECT repository_id, digest FROM repository_blobs WHERE repository_id = ? AND digest > ? AND digest <= ? AND"
        f" {_UNUSED}"
    ),
)
_END_BEHIND, _UNUSED_BEHIND = (
    (
        "SELECT repository_id, digest FROM repository_blobs WHERE repository_id > ? ORDER BY repository_id, digest"
        " LIMIT 1 OFFSET ?"
    ),
    (
        "SELECT repository_id, digest FROM repository_blobs WHERE repository_id > ? AND repository_id <= ?"
        f" AND (repository_id < ? OR digest <= ?) AND {_UNUSED}"
    ),
)
_END_OF_BLOBS = "SELECT digest FROM blobs WHERE digest > ? ORDER BY digest LIMIT 1 OFFSET ?"
_UNLINKED_BLOBS = f"SELECT digest FROM blobs WHERE digest > ? AND digest <= ? AND {UNLINKED_BLOB}"
_GARBAGE = "SELECT storage_key FROM garbage WHERE condemned_at <= ? AND storage_key > ? ORDER BY storage_key LIMIT ?"


class GcReport(NamedTuple):
    """What one round removed: links of blobs to repositories, blobs, keys, expired uploads, stray keys; and the bytes
    freed.
    """

    links: int = 0
    blobs: int = 0
    keys: int = 0
    uploads: int = 0
    strays: int = 0
    bytes: int = 0


class Collector:
    """Seconds: grace, lease, upload_expiry and empty_expiry (of uploads without bytes).

    deletion: that of the last round.
    """

    def __init__(
        self,
        db: Database,
        storage: Storage,
        grace: float,
        lease: float,
        upload_expiry: float,
        empty_expiry: float = Expiry().empty,
    ):
        self._db = db
        self._storage = storage
        self._grace, self._lease = int(grace * 1000), int(lease * 1000)
        self._expiry = Expiry(upload_expiry, empty_expiry)
        self.deletion = Deletion(db, storage)

    async def collect(self) -> GcReport:
        """One round without looking for strays, which only a crash leaves.

        Raises what database and storage raise. It can be run again at any time.
        """
        self.deletion = Deletion(self._db, self._storage)
        uploads = await self._expire_uploads()
        links = await self._unlink()
        dropped = await self._drop_blobs()
        keys, freed = await self._sweep()
        return GcReport(links, dropped, keys, uploads, 0, freed)

    async def sweep_strays(self, deletion: Deletion) -> tuple[int, int]:
        """Remove stored keys that no row names.

        Returns their number and their bytes. Raises what database and storage raise.
        """
        return await Strays(self._db, self._storage, self._grace).sweep(deletion)

    async def _expire_uploads(self) -> int:
        dropped, more = 0, True
        while more:
            gone, more = await drop_expired(self._db, self._expiry)
            dropped += gone
        return dropped

    async def _unlink(self) -> int:
        cutoff, gone, after = now() - self._lease, 0, (-1, _LAST_DIGEST)
        while after is not None:
            rows, after = await self._db.scan(lambda tx: _unused_links(tx, cutoff, *after))
            gone += await self._each(rows, lambda tx, *link: references.unlink_unused(tx, *link, cutoff))
        if gone:
            await self._db.write(quota_sums.freed_everywhere, brings=0)
        return gone

    async def _drop_blobs(self) -> int:
        gone, after = 0, ""
        while after is not None:
            rows, after = await self._db.scan(lambda tx: _unlinked_blobs(tx, after))
            gone += await self._each(rows, _drop)
        return gone

    async def _sweep(self) -> tuple[int, int]:
        """Delete the stored bytes, then the row.

        A crash in between leaves a row whose deletion is repeated, and never a stray.
        """
        cutoff, gone, freed, keys = now() - self._grace, 0, 0, [""]
        while keys := await self._garbage(cutoff, keys[-1]):
            deleted, size = await self.deletion.delete(keys)
            removed, small = await self._db.write(lambda tx: _forget(tx, deleted), brings=0)
            gone, freed = gone + removed, freed + size + small
        return gone, freed

    async def _garbage(self, cutoff: int, after: str) -> list[str]:
        return [key for (key,) in await self._db.scan(lambda tx: tx.all(_GARBAGE, cutoff, after, _BATCH))]

    async def _each(self, rows: list, step) -> int:
        """The sum of step(tx, *row) over the rows, in short transactions that let pushes in between.

        The rows are locked in the same order as by pushes.
        """
        done = 0
        for batch in _batches(sorted(rows)):
            done += await self._db.write(lambda tx: sum(step(tx, *row) for row in batch), brings=0)
        return done


def _unused_links(tx: Tx, cutoff: int, repository_id: int, digest: str) -> tuple[list, tuple[int, str] | None]:
    """The unused links of the page after this link, and the last link of the page. None after the last page."""
    if digest != _LAST_DIGEST:
        (last,) = tx.one(_END_WITHIN, repository_id, digest, _PAGE) or (_LAST_DIGEST,)
        return tx.all(_UNUSED_WITHIN, repository_id, digest, last, cutoff), (repository_id, last)
    end = tx.one(_END_BEHIND, repository_id, _PAGE)
    last_id, last = end or (_LAST_ID, _LAST_DIGEST)
    return tx.all(_UNUSED_BEHIND, repository_id, last_id, last_id, last, cutoff), end


def _unlinked_blobs(tx: Tx, after: str) -> tuple[list, str | None]:
    """The same for blobs that no repository has."""
    end = tx.one(_END_OF_BLOBS, after, _PAGE)
    return tx.all(_UNLINKED_BLOBS, after, end[0] if end else _LAST_DIGEST), end and end[0]


def _forget(tx: Tx, keys: list[str]) -> tuple[int, int]:
    """Delete the rows of garbage whose stored bytes are gone.

    Returns the number of rows, and the bytes that were in the database.
    """
    freed = sum(small_blobs.drop(tx, key) for key in keys)
    charged = [(key, tx.one("SELECT namespace, size FROM garbage WHERE storage_key = ?", key)) for key in keys]
    gone = [row for key, row in charged if tx.run("DELETE FROM garbage WHERE storage_key = ?", key)]
    quota_sums.change_all(tx, ((namespace, Change(garbage=-size)) for namespace, size in gone if namespace))
    return len(gone), freed


def _drop(tx: Tx, digest: str) -> int:
    return 0 if blobs.drop_unlinked(tx, digest) is None else 1


def _batches(rows: list):
    rest = iter(rows)
    while batch := list(islice(rest, _BATCH)):
        yield batch
