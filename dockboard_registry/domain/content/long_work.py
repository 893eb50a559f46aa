"""Long work of a worker: one piece at a time.

Clients take turns (db/turns.py). So small work waits for at most one large piece of another client.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ...clients import current_client
from ...db.turns import Turns
from ...errors import Unavailable

# Bytes that may wait in memory, of the 64 MiB that a worker holds for its clients. One client may have two thirds of
# what others leave.
_MOST_BYTES = 24 << 20


class LongWork:
    """The queue of long work, and the bytes that wait in it."""

    def __init__(self) -> None:
        self._turns = Turns()
        self._held: Counter[str] = Counter()
        self._room = _MOST_BYTES

    @asynccontextmanager
    async def take(self, size: int) -> AsyncIterator[None]:
        """For work on so many bytes that lie in memory. Raises Unavailable."""
        owner = current_client.get().owner
        self._hold(owner, size)
        try:
            async with self._turns.take():
                yield
        finally:
            self._note(owner, -size)

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
