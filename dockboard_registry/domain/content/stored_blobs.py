"""The blobs whose bytes are in the store, beside what the store has: both in the order of the keys, page by page.

So a store is compared with the database, or with another store, in memory that does not grow with the number of keys.
"""

from collections.abc import AsyncIterator
from typing import NamedTuple

from ...db import Database
from ...storage import Storage, Stored
from .small_blobs import LIMIT

_PAGE = 1000
# Blobs of at most LIMIT bytes may lie in the database.
IN_STORE = "(size > ? OR NOT EXISTS (SELECT 1 FROM small_blobs WHERE small_blobs.storage_key = blobs.storage_key))"
_NEXT = f"SELECT storage_key, digest, size FROM blobs WHERE storage_key > ? AND {IN_STORE} ORDER BY storage_key LIMIT ?"
_TOTAL = f"SELECT COUNT(*), COALESCE(SUM(size), 0) FROM blobs WHERE {IN_STORE}"


class StoredBlob(NamedTuple):
    """A blob by its key in the store. size: in bytes, as the row says it."""

    key: str
    digest: str
    size: int


async def total(db: Database) -> tuple[int, int]:
    """How many blobs have their bytes in the store, and how many bytes that should be."""
    count, size = await db.scan(lambda tx: tx.one(_TOTAL, LIMIT), long=True)
    return count, int(size)


async def blobs_of(db: Database, sql: str = _NEXT) -> AsyncIterator[StoredBlob]:
    """All of them, or those that the statement selects, in the order of their keys.

    sql: it has three parameters: the key after which a page begins, the one of IN_STORE, and the number of rows.
    """
    after = ""
    while rows := await db.scan(lambda tx: tx.all(sql, after, LIMIT, _PAGE), long=True):
        for row in rows:
            yield StoredBlob(*row)
        after = rows[-1][0]


async def side_by_side(db: Database, storage: Storage) -> AsyncIterator[tuple[StoredBlob | None, Stored | None]]:
    """For each key the blob that the database names, and what the store has; None where one of them lacks the key.

    Both change meanwhile, so whoever finds a difference looks again.
    """
    blobs, keys = blobs_of(db), storage.keys()
    blob, stored = await anext(blobs, None), await anext(keys, None)
    while blob is not None or stored is not None:
        if stored is None or (blob is not None and blob.key < stored.key):
            yield blob, None
            blob = await anext(blobs, None)
        elif blob is None or stored.key < blob.key:
            yield None, stored
            stored = await anext(keys, None)
        else:
            yield blob, stored
            blob, stored = await anext(blobs, None), await anext(keys, None)
