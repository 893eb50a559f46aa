"""A queue that serves the owner who has used the least time so far (start-time fair queueing).

Each owner has a clock that advances by the time that the owner's work took, and each of its connections has one within
it. The clock that is furthest behind is next. A new owner starts at the others' time, so nobody saves up time. Short
work is served before the next long work of another owner.
"""

import heapq
from collections import deque
from collections.abc import Hashable
from typing import Any

# So many clocks of owners without waiting work are remembered, and none while nobody waits.
_IDLE = 1000
# For so many clients the duration of their last work is remembered. This is assumed for others.
_MOST_KNOWN, _ASSUMED_SECONDS = 1000, 0.0002


class FairQueue:
    """path: the owner of the work, one key for each level. Call `charge` after each `take`."""

    def __init__(self, levels: int = 2):
        self._levels = levels
        self._now = 0.0
        self._count = self._entered = 0
        self._waiting: dict[Hashable, Any] = {}
        self._order: list[tuple[float, int, Hashable]] = []
        self._clocks: dict[Hashable, float] = {}
        self._served: tuple[Hashable, float] | None = None

    def __len__(self) -> int:
        return self._count

    def put(self, path: tuple[Hashable, ...], work: Any, again: bool = False) -> None:
        """again: the work was taken before; it goes before later work of its connection."""
        key, *rest = path
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = deque() if self._levels == 1 else FairQueue(self._levels - 1)
            self._enter(key, max(self._now, self._clocks.pop(key, 0.0)))
        if isinstance(found, FairQueue):
            found.put(tuple(rest), work, again)
        elif again:
            found.appendleft(work)
        else:
            found.append(work)
        self._count += 1

    def peek(self) -> Any:
        """The next work, without taking it. Raises IndexError if there is none."""
        found = self._waiting[self._order[0][2]]
        return found.peek() if isinstance(found, FairQueue) else found[0]

    def take(self) -> Any:
        """Take the next work. Raises IndexError if there is none."""
        clock, _, key = heapq.heappop(self._order)
        self._served, self._now = (key, clock), clock
        self._count -= 1
        found = self._waiting[key]
        return found.take() if isinstance(found, FairQueue) else found.popleft()

    def charge(self, seconds: float) -> None:
        """Charge the owner of the work that was taken last for its time."""
        (key, clock), self._served = self._served, None
        found = self._waiting[key]
        if isinstance(found, FairQueue):
            found.charge(seconds)
        if found:
            return self._enter(key, clock + seconds)
        del self._waiting[key]
        self._clocks[key] = clock + seconds
        if not self._waiting or len(self._clocks) > _IDLE:
            self._clocks.clear()
        return None

    def _enter(self, key: Hashable, clock: float) -> None:
        """Ordered by clock, and for equal clocks by arrival."""
        self._entered += 1
        heapq.heappush(self._order, (clock, self._entered, key))


class Durations:
    """How long the last work of each client took: what the next one is charged before it is done."""

    def __init__(self) -> None:
        self._seconds: dict[Hashable, float] = {}

    def of(self, client: Hashable) -> float:
        """In seconds."""
        return self._seconds.get(client, _ASSUMED_SECONDS)

    def note(self, client: Hashable, seconds: float) -> None:
        if len(self._seconds) >= _MOST_KNOWN:
            self._seconds.clear()
        self._seconds[client] = seconds
