"""A storage driver as an object store's is: its bytes are read through calls, and no source has a descriptor.

It lives in this process's memory, and reads as little at a time as a slow network may give.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from dockboard_registry.storage import Hasher, KeyMissing, Marker, Saved, StorageFailed, Stored, UploadBusy, UploadLost

_MOST = 100_003
_BUFFER = 1 << 20


class MemorySource:
    def __init__(self, storage: MemoryStorage, data: bytes):
        self._storage, self._data = storage, data
        self.size = len(data)
        storage.opened.append(self)

    def fileno(self) -> None:
        return None

    async def read(self, start: int, length: int) -> bytes:
        await asyncio.sleep(0)
        if self not in self._storage.opened:
            raise AssertionError("the source is read after it was closed")
        if start >= self._storage.breaks_at:
            raise StorageFailed("the connection to the store broke")
        return self._data[start : start + min(length, _MOST)]

    async def read_each(self, places: list[tuple[int, int]]) -> list[bytes]:
        await asyncio.sleep(0)
        return [self._data[start : start + length] for start, length in places]

    def read_now(self, start: int, length: int) -> None:
        return None

    def passing(self) -> None:
        return None

    def close(self) -> None:
        if self in self._storage.opened:
            self._storage.opened.remove(self)


class MemoryStorage:
    """opened: sources that nobody has closed. breaks_at: what lies behind so many bytes can't be read."""

    locks = True

    def __init__(self) -> None:
        self.content: dict[str, tuple[bytearray, int]] = {}
        self.held: set[str] = set()
        self.opened: list[MemorySource] = []
        self.breaks_at = 1 << 62

    async def open(self, key: str) -> MemorySource:
        if key not in self.content:
            raise KeyMissing(key)
        return MemorySource(self, bytes(self.content[key][0]))

    async def delete(self, keys: list[str]) -> int:
        return sum(len(self.content.pop(key, (b"", 0))[0]) for key in keys)

    async def keys(self, after: str = "") -> AsyncIterator[Stored]:
        for key in sorted(key for key in self.content if key > after):
            if key in self.content:
                yield Stored(key, self.content[key][1], len(self.content[key][0]))

    def resume(self, key: str, saved: Saved, size: int) -> MemoryUpload:
        return MemoryUpload(self, key, size)

    def url(self, key: str) -> None:
        return None

    def refuse_when_full(self) -> None:
        """There is always room."""

    async def marker(self) -> Marker | None:
        return None

    async def check(self) -> None:
        """It is always there."""

    def close(self) -> None:
        """There is nothing to give back."""


class MemoryUpload:
    def __init__(self, storage: MemoryStorage, key: str, size: int):
        self._storage, self._key, self._size = storage, key, size
        self._holds = False

    async def hold(self) -> None:
        if self._key in self._storage.held:
            raise UploadBusy("another request is writing to this upload")
        self._storage.held.add(self._key)
        self._holds = True
        self._data, _ = self._storage.content.setdefault(self._key, (bytearray(), int(time.time() * 1000)))

    async def release(self) -> None:
        if self._holds:
            self._storage.held.discard(self._key)
            self._holds = False

    async def write(self, data: bytes, hasher: Hasher | None = None) -> None:
        self._trim()
        self._data += data
        self._size += len(data)
        if hasher is not None:
            await asyncio.to_thread(hasher.update, data)

    async def pour(self, fill: Callable[[memoryview], int], hasher: Hasher | None = None, dear: bool = False) -> int:
        buffer, total = bytearray(_BUFFER), 0
        while count := await asyncio.to_thread(fill, memoryview(buffer)):
            await self.write(bytes(buffer[:count]), hasher)
            total += count
        return total

    def _trim(self) -> None:
        if len(self._data) < self._size:
            raise UploadLost("the store has fewer bytes than were received")
        del self._data[self._size :]

    async def suspend(self) -> Saved:
        return Saved()

    async def hash(self, hasher: Hasher) -> None:
        self._trim()
        await asyncio.to_thread(hasher.update, self._data)

    async def commit(self) -> None:
        """What is in memory is as durable as it gets."""
        self._trim()

    async def abort(self) -> None:
        self._storage.content.pop(self._key, None)
