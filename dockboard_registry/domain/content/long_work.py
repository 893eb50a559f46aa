"""Long work of a worker: one piece at a time.

Clients take turns (db/sqlite/fair_queue.py). So small work waits for at most one large piece of another client.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from ...clients import Client, current_client
from ...db.sqlite.fair_queue import FairQueue
from ...errors import Unavailable

# Bytes that may wait in memory, of the 64 MiB that a worker holds for its clients. One client may have two thirds of
# what others leave.
_MOST_BYTES = 24 << 20


class LongWork:
    """The queue of long work, and the bytes that wait in it."""

    def __init__(self) -> None:
        self._waiting = FairQueue()
        self._held: Counter[str] = Counter()
        self._room = _MOST_BYTES
        self._busy = False

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """For work on so many bytes that lie in memory. Raises Unavailable."""
        who = current_client.get()
        self._hold(who.owner, size)
        try:
            await self._wait(who)
            begun = perf_counter()
            try:
                yield
            finally:
                self._end(begun)
        finally:
            self._note(who.owner, -size)

    def _hold(self, owner: str, size: int) -> None:
        own = self._held[owner]
        if size > self._room or own and own + size > (self._room + own) * 2 // 3:
            raise Unavailable("too many large manifests wait to be stored", headers={"Retry-After": "2"})
        self._note(owner, size)

    def _note(self, owner: str, size: int) -> None:
        self._room -= size
        self._held[owner] += size
        if not self._held[owner]:
            del self._held[owner]

    async def _wait(self, who: Client) -> None:
        mine = asyncio.get_running_loop().create_future()
        self._waiting.put(who, mine)
        self._begin_next()
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                self._end(perf_counter())
            raise

    def _begin_next(self) -> None:
        while self._waiting and not self._busy:
            waiting = self._waiting.take()
            if waiting.done():
                self._waiting.charge(0.0)
            else:
                self._busy = True
                waiting.set_result(None)

    def _end(self, begun: float) -> None:
        self._busy = False
        self._waiting.charge(perf_counter() - begun)
        self._begin_next()
