"""Stored keys that no row names (strays). A crash left them, because the row comes before the bytes. To find them
without one query for each stored key, the keys of the store and those of the database are read page by page, in the
same order.
"""

from ...db import Database, Tx, now
from ...storage import Storage
from ..content import small_blobs
from .deletion import Deletion

_PAGE = 1000
_NAMES = (
    "SELECT storage_key FROM uploads WHERE storage_key > ? AND storage_key <= ? ORDER BY storage_key LIMIT ?",
    "SELECT storage_key FROM blobs WHERE storage_key > ? AND storage_key <= ? ORDER BY storage_key LIMIT ?",
    "SELECT storage_key FROM garbage WHERE storage_key > ? AND storage_key <= ? ORDER BY storage_key LIMIT ?",
)
_NAMED = (
    "SELECT 1 FROM uploads WHERE storage_key = ?",
    "SELECT 1 FROM blobs WHERE storage_key = ?",
    "SELECT 1 FROM garbage WHERE storage_key = ?",
)
_SMALL = "SELECT storage_key FROM small_blobs WHERE storage_key > ? ORDER BY storage_key LIMIT ?"


class Strays:
    """grace in milliseconds.

    It holds for strays too, because they may be newer than a database that was restored from a backup.
    """

    def __init__(self, db: Database, storage: Storage, grace: int):
        self._db = db
        self._storage = storage
        self._grace = grace

    async def sweep(self, deletion: Deletion) -> tuple[int, int]:
        """Remove strays from store and database, and return their number and bytes."""
        cutoff, page, removed, freed = now() - self._grace, [], 0, 0
        async for found in self._storage.keys():
            if found.written_at <= cutoff:
                page.append(found.key)
            if len(page) == _PAGE:
                gone, size = await deletion.delete(await unnamed(self._db, page))
                removed, freed, page = removed + len(gone), freed + size, []
        gone, size = await deletion.delete(await unnamed(self._db, page))
        rows, small = await self._sweep_small()
        return removed + len(gone) + rows, freed + size + small

    async def _sweep_small(self) -> tuple[int, int]:
        """The same for bytes in the database, which are written and deleted with their names."""
        removed, freed, keys = 0, 0, [""]
        while keys := [key for (key,) in await self._db.scan(lambda tx: tx.all(_SMALL, keys[-1], _PAGE))]:
            strays = await unnamed(self._db, keys)
            if strays:
                freed += await self._db.write(lambda tx: sum(small_blobs.drop(tx, key) for key in strays), brings=0)
            removed += len(strays)
        return removed, freed


async def unnamed(db: Database, keys: list[str]) -> list[str]:
    """Those of the sorted keys that no row names."""
    left = set(keys)
    for names in _NAMES:
        after = ""
        while left and after < keys[-1]:
            # A file that is not a key may come before the first key.
            found = await db.scan(lambda tx: tx.all(names, max(after, keys[0][:-1]), keys[-1], _PAGE))
            left.difference_update(key for (key,) in found)
            after = found[-1][0] if len(found) == _PAGE else keys[-1]
    # A key may have moved from one table to another between two queries, so one snapshot decides.
    return await db.scan(lambda tx: [key for key in keys if key in left and not _named(tx, key)]) if left else []


def _named(tx: Tx, key: str) -> bool:
    return any(tx.one(sql, key) is not None for sql in _NAMED)
