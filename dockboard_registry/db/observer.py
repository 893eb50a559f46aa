"""What a database reports to an observer: how long work took, what was tried again, how pools are used."""

import asyncio
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

KINDS = ("read", "scan", "write")
# Why a transaction was run again: locks of others, a connection that was lost or not made, the server's limit of
# connections.
CONFLICT, LOST, TOO_MANY = CAUSES = ("conflict", "lost_connection", "too_many_connections")


class PoolUse(NamedTuple):
    """A pool at this moment.

    limit: connections it may open; busy: those with work; waiting: work that no connection has begun.
    """

    kind: str
    limit: int
    open: int
    busy: int
    waiting: int


class Observer:
    """Counts nothing; for commands, and the base of metrics/database.py."""

    def timer(self, kind: str) -> Callable[[float], None]:
        """A function to call in the event loop with the seconds from the request for work to its outcome, with waiting
        and retries.
        """
        return lambda seconds: None

    def retried(self, cause: str) -> None:
        """Something was run again for one of CAUSES. Called from any thread."""

    def outcome_unknown(self) -> None:
        """A write ended with OutcomeUnknown. Called from any thread."""


def timed(future: asyncio.Future, timer: Callable[[float], None], begun: float) -> asyncio.Future:
    """The future, whose end is reported to the timer. begun: perf_counter() when the work was asked for."""
    if future.done():
        timer(perf_counter() - begun)
    else:
        future.add_done_callback(lambda _: timer(perf_counter() - begun))
    return future
