"""Small blobs kept in memory: a pull begins with the image's configuration, a few kilobytes that every client asks for.

Bytes under a key never change, so what is kept is never stale; whether anybody may still read it is asked of the database first.
"""

from collections import OrderedDict

from ..names import algorithm_of, digest_of
from ..storage import Source

_LARGEST, _ALL = 32 << 10, 4 << 20


class HeldSource:
    """A `Source` in memory."""

    def __init__(self, data: bytes):
        self._data = data
        self.size = len(data)

    def fileno(self) -> None:
        return None

    async def read(self, start: int, length: int) -> bytes:
        return self.read_now(start, length)

    def read_now(self, start: int, length: int) -> bytes:
        return self._data[start : start + length]

    def close(self) -> None:
        """There is nothing to give back."""


class SmallBlobs:
    """One worker's: the blobs of at most 32 KiB that were read lately, 4 MiB in all."""

    def __init__(self):
        self._held: OrderedDict[str, HeldSource] = OrderedDict()
        self._size = 0

    def get(self, key: str) -> HeldSource | None:
        held = self._held.get(key)
        if held is not None:
            self._held.move_to_end(key)
        return held

    def keep(self, key: str, digest: str, source: Source) -> Source:
        """A source of the same bytes, in memory where they are few, at hand and undamaged; then the given one is closed. Raises StorageError."""
        if source.size > _LARGEST:
            return source
        data = source.read_now(0, source.size)
        if data is None or digest_of(algorithm_of(digest), data) != digest:
            return source
        source.close()
        self._size += source.size if key not in self._held else 0
        held = self._held[key] = HeldSource(data)
        while self._size > _ALL:
            self._size -= self._held.popitem(last=False)[1].size
        return held
