"""Work of the event loop that goes one piece at a time, by turns of the clients (fair_queue.py)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from ..clients import Client, current_client
from .fair_queue import FairQueue


class Turns:
    """One piece of work at a time. Small work waits for at most one large piece of another client."""

    def __init__(self) -> None:
        self._waiting = FairQueue()
        self._busy = False

    def __len__(self) -> int:
        """How many pieces there are, with the one that goes on."""
        return len(self._waiting) + self._busy

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        """Wait for the turn of the client for whom the code runs, and have it until the block ends."""
        await self._wait(current_client.get())
        begun = perf_counter()
        try:
            yield
        finally:
            self._end(begun)

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
