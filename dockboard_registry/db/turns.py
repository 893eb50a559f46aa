"""Whose work is next, of all who wait: whoever has used the least so far (start-time fair queueing).

Each owner has a clock that goes on by the time that the owner's work took, and within it one for each of its connections. The one that is furthest
behind is next. Who comes anew starts where the others are, so nobody saves up. Who asks for little is served before the next long work of somebody else.
"""

import heapq
from collections import deque
from collections.abc import Hashable
from typing import Any

# So many clocks are remembered of those who wait for nothing, and none while nobody waits.
_IDLE = 1000


class Turns:
    """path: whose the work is, one key for each level. After `take` comes `charge`, before the next `take`."""

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
        """again: it was taken before, and goes before what its connection asked for since."""
        key, *rest = path
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = deque() if self._levels == 1 else Turns(self._levels - 1)
            self._enter(key, max(self._now, self._clocks.pop(key, 0.0)))
        if isinstance(found, Turns):
            found.put(tuple(rest), work, again)
        elif again:
            found.appendleft(work)
        else:
            found.append(work)
        self._count += 1

    def peek(self) -> Any:
        """The work that is next, which stays. Raises IndexError where there is none."""
        found = self._waiting[self._order[0][2]]
        return found.peek() if isinstance(found, Turns) else found[0]

    def take(self) -> Any:
        """The work that is next. Raises IndexError where there is none."""
        clock, _, key = heapq.heappop(self._order)
        self._served, self._now = (key, clock), clock
        self._count -= 1
        found = self._waiting[key]
        return found.take() if isinstance(found, Turns) else found.popleft()

    def charge(self, seconds: float) -> None:
        """The work that was taken last took so long."""
        (key, clock), self._served = self._served, None
        found = self._waiting[key]
        if isinstance(found, Turns):
            found.charge(seconds)
        if found:
            return self._enter(key, clock + seconds)
        del self._waiting[key]
        self._clocks[key] = clock + seconds
        if not self._waiting or len(self._clocks) > _IDLE:
            self._clocks.clear()
        return None

    def _enter(self, key: Hashable, clock: float) -> None:
        """In the order of the clocks, and of those that show the same, in the order in which they came."""
        self._entered += 1
        heapq.heappush(self._order, (clock, self._entered, key))
