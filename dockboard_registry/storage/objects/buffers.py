"""The memory that uploads hold while they fill a part: bounded for a whole worker.

An upload without a buffer waits until others have sent theirs. The socket of its client is not read meanwhile.
"""

import asyncio
import mmap
import threading
from collections import Counter, deque
from typing import NamedTuple

from .. import StorageFailed

_SECONDS = 30.0


class Budget:
    """most: bytes, of which one client may hold a half, so that slow clients do not stop all others. Given back from
    any thread.
    """

    def __init__(self, most: int):
        self._lock, self._left, self._share = threading.Lock(), most, most // 2
        self._held: Counter[str] = Counter()
        self._waiting: deque[_Waiter] = deque()

    def try_take(self, count: int, owner: str) -> bool:
        """Whether so many bytes are free for this client, and nobody waits."""
        with self._lock:
            return not self._waiting and self._take(count, owner)

    def _take(self, count: int, owner: str) -> bool:
        if self._left < count or self._held[owner] + count > self._share:
            return False
        self._left -= count
        self._held[owner] += count
        return True

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits."""
        return bool(self._waiting)

    async def take(self, count: int, owner: str) -> None:
        """Raises StorageFailed if it takes too long."""
        if self.try_take(count, owner):
            return
        waiter = _Waiter(count, owner, asyncio.get_running_loop().create_future())
        with self._lock:
            self._waiting.append(waiter)
            self._grant()  # another thread may have given something since the first look
        try:
            await asyncio.wait_for(asyncio.shield(waiter.granted), _SECONDS)
        except BaseException as error:
            self._withdraw(waiter)
            if isinstance(error, TimeoutError):
                raise StorageFailed("too many uploads wait for memory") from error
            raise

    def _withdraw(self, waiter: "_Waiter") -> None:
        with self._lock:
            waited = waiter in self._waiting
            if waited:
                self._waiting.remove(waiter)
        if not waited:
            self.give(waiter.count, waiter.owner)

    def give(self, count: int, owner: str) -> None:
        with self._lock:
            self._left += count
            self._held[owner] -= count
            if not self._held[owner]:
                del self._held[owner]
            self._grant()

    def _grant(self) -> None:
        """To the first who may have it. Who has his share already keeps his place, and others go by."""
        for waiter in [waiter for waiter in self._waiting if self._held[waiter.owner] + waiter.count <= self._share]:
            if not self._take(waiter.count, waiter.owner):
                return
            self._waiting.remove(waiter)
            waiter.granted.get_loop().call_soon_threadsafe(_set, waiter.granted)


class _Waiter(NamedTuple):
    count: int
    owner: str
    granted: asyncio.Future


def _set(granted: asyncio.Future) -> None:
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
