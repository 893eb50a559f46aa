"""Waiting for a store that may hang."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work gives; None if it takes longer. Then it is cancelled.

    A handler may run outside of a task, so asyncio.timeout is of no use here.
    """
    working = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait([working], timeout=seconds)
        return working.result() if done else None
    finally:
        working.cancel()
