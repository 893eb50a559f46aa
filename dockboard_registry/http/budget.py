"""One budget of bytes for what a worker holds in memory for its clients: bodies while they come, and answers that the
kernel has not taken yet.

Without a budget each of many slow connections could hold the largest manifest. If there is no room, the connections
that have held memory longest are cut off, but none in its first second. A request that still finds no room waits a
moment, and is then answered 503.
"""

import asyncio
import time
from collections.abc import Callable

from ..errors import Unavailable

LIMIT = 64 << 20
# Bytes of a body or an answer that are not counted: a connection itself takes more.
FREE = 8 << 10
_SAFE_SECONDS = 1.0
_WAIT_SECONDS, _LOOK_SECONDS = 3.0, 0.05


class Budget:
    """The budget of one worker. count: a function that adds to the metric of that name."""

    def __init__(self, count: Callable[[str, float], None], limit: int = LIMIT):
        self._count = count
        self.left = limit
        # Bytes of answers that wait in memory for room.
        self._room_to_wait = limit // 4
        self._slow: dict[Share, None] = {}

    def share(self, cut: Callable[[], None]) -> "Share":
        """An empty share for one request. cut: a function that ends the request's connection."""
        return Share(self, cut)

    def note(self, share: "Share") -> None:
        """From now on the client determines for how long this share is held."""
        share.since = time.monotonic()
        self._slow[share] = None

    def forget(self, share: "Share") -> None:
        self._slow.pop(share, None)

    def make_room(self, size: int, asker: "Share") -> bool:
        """Whether there is room for so many more bytes, after cutting off connections that have held theirs for too
        long.
        """
        if size <= self.left:
            return True
        last = time.monotonic() - _SAFE_SECONDS
        while size > self.left and (share := self._oldest(asker)) is not None and share.since <= last:
            self._count("memory_cut_total", 1)
            share.release()
            share.cut()
        return size <= self.left

    def _oldest(self, asker: "Share") -> "Share | None":
        """The share that was held longest. Shares are ordered by when they began."""
        return next((share for share in self._slow if share is not asker), None)

    async def wait(self, share: "Share", size: int, held: int) -> None:
        """Wait until there is room for a share of this size.

        held: bytes that are in memory meanwhile. Raises Unavailable.
        """
        deadline = time.monotonic() + _WAIT_SECONDS
        if held <= self._room_to_wait:
            self._room_to_wait -= held
            try:
                while time.monotonic() < deadline:
                    await asyncio.sleep(_LOOK_SECONDS)
                    if share.take(size):
                        return
            finally:
                self._room_to_wait += held
        self._count("memory_refused_total", 1)
        raise Unavailable("too many large requests and answers are under way", headers={"Retry-After": "2"})


class Share:
    """What one request holds of the budget: `size` bytes."""

    __slots__ = ("_budget", "cut", "size", "since")

    def __init__(self, budget: Budget, cut: Callable[[], None]):
        self._budget, self.cut = budget, cut
        self.size, self.since = 0, 0.0

    def take(self, size: int) -> bool:
        """Hold so many bytes in all from now on, until the client has sent or read them; False if there is no room."""
        if size > self.size and not self._budget.make_room(size - self.size, self):
            return False
        if not self.size:
            self.begin()
        self._budget.left -= size - self.size
        self.size = size
        return True

    async def grow(self, size: int, piece: int) -> None:
        """The same for a body after a piece of it has arrived. Waits a moment for room. Raises Unavailable."""
        if not self.take(size):
            await self._budget.wait(self, size, piece)

    def begin(self) -> None:
        """From now on the client determines for how long this is held."""
        self._budget.note(self)

    def settle(self) -> None:
        """The client has sent or read everything, or waits for the server. It is not cut off for what is held from now
        on.
        """
        self._budget.forget(self)

    def release(self) -> None:
        self._budget.left += self.size
        self.size = 0
        self._budget.forget(self)
