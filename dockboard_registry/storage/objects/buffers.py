"""The memory that uploads hold while they fill a part: bounded for a whole worker.

An upload without a buffer waits until others have sent theirs. The socket of its client is not read meanwhile.
"""

import asyncio
import mmap
import threading
from collections import deque

from .. import StorageFailed

_SECONDS = 30.0


class Budget:
    """most: bytes. Given back from any thread."""

    def __init__(self, most: int):
        self._lock, self._left = threading.Lock(), most
        self._waiting: deque[tuple[int, asyncio.Future]] = deque()

    def try_take(self, count: int) -> bool:
        """Whether so many bytes are free, and nobody waits."""
        with self._lock:
            if self._waiting or self._left < count:
                return False
            self._left -= count
            return True

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    async def take(self, count: int) -> None:
        """Raises StorageFailed if it takes too long."""
        if self.try_take(count):
            return
        granted = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append((count, granted))
        self.give(0)  # another thread may have given something since the first look
        try:
            await asyncio.wait_for(asyncio.shield(granted), _SECONDS)
        except BaseException as error:
            self._withdraw(count, granted)
            if isinstance(error, TimeoutError):
                raise StorageFailed("too many uploads wait for memory") from error
            raise

    def _withdraw(self, count: int, granted: asyncio.Future) -> None:
        with self._lock:
            waited = (count, granted) in self._waiting
            if waited:
                self._waiting.remove((count, granted))
        if not waited:
            self.give(count)

    def give(self, count: int) -> None:
        with self._lock:
            self._left += count
            while self._waiting and self._waiting[0][0] <= self._left:
                wanted, granted = self._waiting.popleft()
                self._left -= wanted
                granted.get_loop().call_soon_threadsafe(_grant, granted)


def _grant(granted: asyncio.Future) -> None:
    if not granted.done():
        granted.set_result(None)


class Buffer:
    """size: bytes. filled: how many of them are used. It is mapped, so only these take memory."""

    def __init__(self, size: int):
        self.size, self.filled = size, 0
        self._view = memoryview(mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    def room(self, most: int) -> memoryview:
        return self._view[self.filled : min(self.size, self.filled + most)]

    def content(self) -> memoryview:
        return self._view[: self.filled]
