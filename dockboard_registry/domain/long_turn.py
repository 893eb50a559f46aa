"""Long work of a worker: one piece at a time, with a pause behind each for everybody else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

from ..errors import Unavailable

# The pause is so many times as long as the work took.
_SHARE, _LONGEST_SECONDS = 4, 2.0
# Bytes that may wait in memory for their turn: a quarter of what a worker holds for its clients.
_MOST_BYTES = 16 << 20


class LongTurn:
    def __init__(self) -> None:
        self._free = asyncio.Semaphore(1)
        self._room = _MOST_BYTES

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """For work on so many bytes that lie in memory. Whoever did the work does not wait for the pause. Raises Unavailable."""
        if size > self._room:
            raise Unavailable("too many large manifests wait to be stored", headers={"Retry-After": "2"})
        self._room -= size
        try:
            await self._free.acquire()
            begun = perf_counter()
            try:
                yield
            finally:
                pause = min(_SHARE * (perf_counter() - begun), _LONGEST_SECONDS)
                asyncio.get_running_loop().call_later(pause, self._free.release)
        finally:
            self._room += size
