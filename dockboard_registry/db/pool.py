"""Threads that each have one session with a database server, and work that waits for them."""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from . import DatabaseBusy
from .observer import PoolUse

# Seconds. Work that waited longer is refused, because its client has probably gone and the server is overloaded.
WAIT_SECONDS = 10.0


class Session(Protocol):
    connected: bool

    def close(self) -> None:
        """End the session. Never raises."""


class _Work(NamedTuple):
    fn: Callable[[Any], Any]
    asked: float
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future


class _Seat:
    """One thread's session. Only that thread writes here."""

    def __init__(self, session: Session):
        self.session = session
        self.busy = False


class Pool:
    """At most `size` threads, started when they are needed.

    Each gets a session of its own from `open`. kind: one of observer.KINDS.
    """

    def __init__(self, kind: str, size: int, open: Callable[[], Session]):
        self._kind, self._size, self._open = kind, size, open
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self._seats: list[_Seat] = []

    def submit(self, fn: Callable[[Any], Any]) -> asyncio.Future:
        """Run fn(session) in a thread.

        The running loop's future gets the result or the error, or DatabaseBusy if no thread came free.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._work.put(_Work(fn, time.monotonic(), loop, future))
        if not self._idle.acquire(blocking=False) and len(self._threads) < self._size:
            thread = threading.Thread(target=self._serve, name=f"db-{self._kind}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def _serve(self) -> None:
        seat = _Seat(self._open())
        self._seats.append(seat)
        while (work := self._work.get()) is not None:
            seat.busy = True
            if not work.future.cancelled():
                self._answer(work, *self._outcome(work, seat.session))
            seat.busy = False
            if self._work.empty():
                self._idle.release()
        seat.session.close()

    def _outcome(self, work: _Work, session: Session) -> tuple[Any, BaseException | None]:
        if time.monotonic() - work.asked > WAIT_SECONDS:
            return None, DatabaseBusy("all connections to the database were busy")
        try:
            return work.fn(session), None
        except Exception as error:
            return None, error

    @staticmethod
    def _answer(work: _Work, result: Any, error: BaseException | None) -> None:
        try:
            work.loop.call_soon_threadsafe(settle, work.future, result, error)
        except RuntimeError:
            pass  # the loop is closed, so nobody waits any more

    def use(self) -> PoolUse:
        """How it is used now, nearly: threads go on meanwhile."""
        seats = list(self._seats)
        opened, busy = sum(seat.session.connected for seat in seats), sum(seat.busy for seat in seats)
        return PoolUse(self._kind, self._size, opened, busy, self._work.qsize())

    def close(self) -> None:
        """Wait for the work that was asked for, then end all sessions."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()


def settle(future: asyncio.Future, result: Any, error: BaseException | None) -> None:
    """Set the future's outcome, unless nobody waits for it any more."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
