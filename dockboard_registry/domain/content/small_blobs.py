"""Small blobs lie in the database, beside the rows that name them, and those that were read lately also in memory.

A file costs two syncs and its directory entry, whatever is in it, where a row becomes durable with the transaction that
a push needs anyway. A pull begins with the image's configuration, a few kilobytes that every client asks for. Bytes
under a key never change, so what is kept in memory is never stale; whether anybody may still read it is asked of the
database first.
"""

import asyncio
import hashlib
from collections import OrderedDict

from ...db import Database, Tx
from ...names import algorithm_of, digest_of
from ...storage import Source, Storage, StorageFailed

# Bytes: what is longer is read and written faster in a file. A blob of at most so many may lie there or here.
LIMIT = 32 << 10
_IN_MEMORY = 4 << 20
_READ = 1 << 20
_BODY = "SELECT body FROM small_blobs WHERE storage_key = ?"


def put(tx: Tx, key: str, data: bytes) -> None:
    """Name the bytes of a key; they replace those of an upload that goes on."""
    if not tx.insert("INSERT INTO small_blobs (storage_key, body) VALUES (?, ?)", key, data):
        tx.run("UPDATE small_blobs SET body = ? WHERE storage_key = ?", data, key)


def drop(tx: Tx, key: str) -> int:
    """Forget the bytes of a key, if they lie here; how many there were."""
    (size,) = tx.one("SELECT LENGTH(body) FROM small_blobs WHERE storage_key = ?", key) or (0,)
    tx.run("DELETE FROM small_blobs WHERE storage_key = ?", key)
    return size


async def find(db: Database, key: str) -> bytes | None:
    """The bytes of a key, None where they do not lie here."""
    row = await db.read(lambda tx: tx.one(_BODY, key))
    return None if row is None else bytes(row[0])


async def open_source(db: Database, storage: Storage, key: str, size: int) -> Source:
    """The bytes of a blob of this size, wherever they lie. Raises StorageError."""
    data = await find(db, key) if size <= LIMIT else None
    return await storage.open(key) if data is None else HeldSource(data)


async def digest_of_source(source: Source, algorithm: str) -> str:
    """The digest of all its bytes. They are read and hashed outside of the event loop. Raises StorageFailed."""
    hasher, loop, offset = hashlib.new(algorithm), asyncio.get_running_loop(), 0
    while data := await source.read(offset, _READ):
        await loop.run_in_executor(None, hasher.update, data)
        offset += len(data)
    return f"{algorithm}:{hasher.hexdigest()}"


class HeldSource:
    """A `Source` in memory."""

    def __init__(self, data: bytes):
        self._data = data
        self.size = len(data)

    def fileno(self) -> None:
        return None

    async def read(self, start: int, length: int) -> bytes:
        return self.read_now(start, length)

    async def read_each(self, places: list[tuple[int, int]]) -> list[bytes]:
        return [self.read_now(start, length) for start, length in places]

    def read_now(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]

    def close(self) -> None:
        """There is nothing to give back."""


class SmallBlobs:
    """One worker's: the blobs of at most LIMIT that were read lately, 4 MiB in all."""

    def __init__(self):
        self._held: OrderedDict[str, HeldSource] = OrderedDict()
        self._size = 0

    def get(self, key: str) -> HeldSource | None:
        held = self._held.get(key)
        if held is not None:
            self._held.move_to_end(key)
        return held

    def keep(self, key: str, digest: str, source: Source) -> Source:
        """A source of the same bytes, in memory where they are few and at hand; then the given one is closed.

        Raises StorageError where they are others.
        """
        if source.size > LIMIT:
            return source
        data = source.read_now(0, source.size)
        if data is None:
            return source
        if digest_of(algorithm_of(digest), data) != digest:
            raise StorageFailed("the stored bytes have another digest")
        source.close()
        self._size += source.size if key not in self._held else 0
        held = self._held[key] = HeldSource(data)
        while self._size > _IN_MEMORY:
            self._size -= self._held.popitem(last=False)[1].size
        return held
