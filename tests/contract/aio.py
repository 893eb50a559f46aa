"""Tests written as coroutines, each in an event loop of its own."""

import asyncio
import functools
import time
from collections.abc import Callable, Coroutine
from typing import Any

LIMIT_SECONDS = 60


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The coroutine function as a test that pytest can call."""

    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **fixtures), LIMIT_SECONDS))

    return run


async def longest_pause(work: Coroutine[Any, Any, Any]) -> float:
    """Seconds that the event loop was held up at most while `work` ran."""
    task = asyncio.ensure_future(work)
    longest, before = 0.0, time.perf_counter()
    while not task.done():
        await asyncio.sleep(0.001)
        longest, before = max(longest, time.perf_counter() - before), time.perf_counter()
    await task
    return longest


async def gathered(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """All results, errors among them."""
    return await asyncio.gather(*work, return_exceptions=True)
