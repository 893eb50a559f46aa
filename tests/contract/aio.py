"""Tests written as coroutines, each in an event loop of its own."""

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

LIMIT_SECONDS = 120


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The coroutine function as a test that pytest can call."""

    @functools.wraps(test)
    def run(*arguments: Any, **fixtures: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*arguments, **fixtures), LIMIT_SECONDS))

    return run


async def turns_during(work: Awaitable) -> int:
    """How often the loop turned while the work went on: hardly ever where the work holds it."""
    task, turns = asyncio.ensure_future(work), 0
    while not task.done():
        await asyncio.sleep(0.001)
        turns += 1
    await task
    return turns


async def gathered(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """All results, errors among them."""
    return await asyncio.gather(*work, return_exceptions=True)
