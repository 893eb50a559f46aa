"""Rests within long work, so that others get the processor, the interpreter and the write lock.

Python runs one thread at a time. While one works without a rest, the event loop waits 5 ms each time it needs Python.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
# After so much work comes a rest, in proportion to the time of the work.
_WORK_SECONDS, _REST, _LONGEST_REST_SECONDS = 0.0005, 3, 0.02


class Pace:
    """Of one piece of work. Not for the event loop, which would rest too."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()

    def rest(self) -> None:
        """Call it often. Rests if it is time for that."""
        worked = time.perf_counter() - self._begun
        if worked >= _WORK_SECONDS:
            time.sleep(min(_REST * worked, _LONGEST_REST_SECONDS))
            self._begun = time.perf_counter()

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """The items, with rests between them."""
        for item in items:
            self.rest()
            yield item

    def before(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same work, with a rest before it if it is time for one."""

        def rested(*arguments: Any) -> Any:
            self.rest()
            return work(*arguments)

        return rested


class NoPace(Pace):
    """For short work, which needs no rests."""

    def over(self, items: Iterable[T]) -> Iterable[T]:
        return items

    def before(self, work: Callable[..., Any]) -> Callable[..., Any]:
        return work


NO_PACE = NoPace()


async def rested(work: Awaitable[T]) -> T:
    """Wait for one of many steps of long work, and then rest for as long."""
    begun = time.perf_counter()
    outcome = await work
    await asyncio.sleep(min(time.perf_counter() - begun, _LONGEST_REST_SECONDS))
    return outcome
