"""Small blobs lie in the database, beside the rows that name them. Those that were read lately also lie in memory.

A file costs two syncs and a directory entry, however short it is. A row becomes durable with the transaction that a
push needs anyway. A pull begins with the image's configuration, a few kilobytes that every client asks for. Bytes under
a key never change, so bytes in memory are never stale. The database is asked first whether anybody may still read them.
"""

import asyncio
import hashlib
from collections import OrderedDict

from ...db import Database, Tx
from ...names import algorithm_of, digest_of
from ...storage import Source, Storage, StorageFailed

# Bytes. Longer blobs are read and written faster in files. A blob of at most this size may lie in either place.
LIMIT = 32 << 10
_IN_MEMORY = 4 << 20
_READ = 1 << 20
_BODY = "SELECT body FROM small_blobs WHERE storage_key = ?"


def put(tx: Tx, key: str, data: bytes) -> None:
    """Store the bytes of a key. They replace those of an upload that goes on."""
    if not tx.insert("INSERT INTO small_blobs (storage_key, body) VALUES (?, ?)", key, data):
        tx.run("UPDATE small_blobs SET body = ? WHERE storage_key = ?", data, key)


def set_rest(tx: Tx, key: str, rest: bytes) -> None:
    """Store the last bytes of an upload that goes on, which the store does not have yet (storage.Saved)."""
    if rest:
        put(tx, key, rest)
    else:
        drop(tx, key)


def move(tx: Tx, key: str, new: str) -> None:
    """Give the bytes of a key to another one."""
    tx.run("UPDATE small_blobs SET storage_key = ? WHERE storage_key = ?", new, key)


def drop(tx: Tx, key: str) -> int:
    """Delete the bytes of a key if they lie here, and return their number."""
    (size,) = tx.one("SELECT LENGTH(body) FROM small_blobs WHERE storage_key = ?", key) or (0,)
    tx.run("DELETE FROM small_blobs WHERE storage_key = ?", key)
    return size


async def find(db: Database, key: str) -> bytes | None:
    """The bytes of a key, None if they do not lie here."""
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

    def passing(self) -> None:
        return None

    def close(self) -> None:
        """Nothing to close."""


class SmallBlobs:
    """The small blobs that one worker has read lately, at most 4 MiB in all."""

    def __init__(self):
        self._held: OrderedDict[str, HeldSource] = OrderedDict()
        self._size = 0

    def get(self, key: str) -> HeldSource | None:
        held = self._held.get(key)
        if held is not None:
            self._held.move_to_end(key)
        return held

    def keep(self, key: str, digest: str, source: Source) -> Source:
        """A source of the same bytes, in memory if they are few and at hand. Then the given source is closed.

        Raises StorageError if the bytes have another digest.
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
