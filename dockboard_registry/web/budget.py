"""One budget of bytes for what a worker holds in memory for its clients: bodies while they come, and answers that the kernel has not taken yet.

Without one each of many slow connections could hold the largest manifest. Where there is no room, those are cut off who have held theirs for
longest; everybody is safe for the first second. Who finds no room then waits a moment, and is asked to come again.
"""

import asyncio
import time
from collections.abc import Callable

from ..errors import Unavailable

LIMIT = 64 << 20
# So much of a body or an answer is not counted: a connection itself takes more.
FREE = 8 << 10
_SAFE_SECONDS = 1.0
_WAIT_SECONDS, _LOOK_SECONDS = 3.0, 0.05


class Budget:
    """One worker's. count: is told the name of a metric and what to add to it."""

    def __init__(self, count: Callable[[str, float], None], limit: int = LIMIT):
        self._count = count
        self.left = limit
        # Answers lie in memory while they wait for room.
        self._room_to_wait = limit // 4
        self._slow: dict[Share, None] = {}

    def share(self, cut: Callable[[], None]) -> "Share":
        """A share of one request, as yet of nothing. cut: ends the request's connection."""
        return Share(self, cut)

    def note(self, share: "Share") -> None:
        """The client decides from now on for how long this share is held."""
        share.since = time.monotonic()
        self._slow[share] = None

    def forget(self, share: "Share") -> None:
        self._slow.pop(share, None)

    def make_room(self, size: int, asker: "Share") -> bool:
        """Whether there is room for so many bytes more, once those are cut off who have held theirs for too long."""
        if size <= self.left:
            return True
        last = time.monotonic() - _SAFE_SECONDS
        while size > self.left and (share := self._oldest(asker)) is not None and share.since <= last:
            self._count("memory_cut_total", 1)
            share.release()
            share.cut()
        return size <= self.left

    def _oldest(self, asker: "Share") -> "Share | None":
        """Who has held theirs for longest; they stand in the order in which they began."""
        return next((share for share in self._slow if share is not asker), None)

    async def wait(self, share: "Share", size: int, held: int) -> None:
        """Until there is room for a share of this size. held: bytes that lie in memory meanwhile. Raises Unavailable."""
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
        """Hold so many bytes in all from now on, until the client has done its part; False where there is no room."""
        if size > self.size and not self._budget.make_room(size - self.size, self):
            return False
        if not self.size:
            self._budget.note(self)
        self._budget.left -= size - self.size
        self.size = size
        return True

    async def grow(self, size: int, piece: int) -> None:
        """The same for a body of which a piece has come; waits a moment for room. Raises Unavailable."""
        if not self.take(size):
            await self._budget.wait(self, size, piece)

    def settle(self) -> None:
        """The client has done its part: nobody cuts it off for what is held from here on."""
        self._budget.forget(self)

    def release(self) -> None:
        self._budget.left += self.size
        self.size = 0
        self._budget.forget(self)
