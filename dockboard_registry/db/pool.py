"""Threads that each have one session with a database, and work that waits for them.

Clients take turns (fair_queue.py): who asks for much waits for their own work, and others do not.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ..clients import Client, current_client
from . import DatabaseBusy
from .fair_queue import Durations, FairQueue
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
    client: Client


class _Seat:
    """One thread's session. Only that thread writes here."""

    def __init__(self, session: Session):
        self.session = session
        self.busy = False


class Pool:
    """At most `size` threads, started when they are needed.

    Each gets a session of its own from `open`. kind: what it is for. patience: seconds after which waiting work is
    refused.
    """

    def __init__(self, kind: str, size: int, open: Callable[[], Session], patience: float = WAIT_SECONDS):
        self._kind, self._size, self._open, self._patience = kind, size, open, patience
        # Only within `_changed`.
        self._waiting, self._durations = FairQueue(), Durations()
        self._changed = threading.Condition()
        self._idle, self._ending = 0, False
        self._threads: list[threading.Thread] = []
        self._seats: list[_Seat] = []

    def submit(self, fn: Callable[[Any], Any]) -> asyncio.Future:
        """Run fn(session) in a thread.

        The running loop's future gets the result or the error, or DatabaseBusy if no thread came free.
        """
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        client = current_client.get()
        with self._changed:
            self._waiting.put(client, _Work(fn, time.monotonic(), loop, future, client))
            if len(self._waiting) > self._idle and len(self._threads) < self._size:
                thread = threading.Thread(target=self._serve, name=f"db-{self._kind}-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._changed.notify()
        return future

    def _serve(self) -> None:
        seat = _Seat(self._open())
        self._seats.append(seat)
        while (work := self._next()) is not None:
            seat.busy = True
            if not work.future.cancelled():
                self._answer(work, *self._outcome(work, seat.session))
            seat.busy = False
        seat.session.close()

    def _next(self) -> _Work | None:
        """The work of the client whose turn it is. Waits for some; None once no more will come."""
        with self._changed:
            self._idle += 1
            while not self._waiting and not self._ending:
                self._changed.wait()
            self._idle -= 1
            if not self._waiting:
                return None
            work = self._waiting.take()
            self._waiting.charge(self._durations.of(work.client.owner))
            return work

    def _outcome(self, work: _Work, session: Session) -> tuple[Any, BaseException | None]:
        begun = time.monotonic()
        if begun - work.asked > self._patience:
            return None, DatabaseBusy("all connections to the database were busy")
        try:
            return work.fn(session), None
        except Exception as error:
            return None, error
        finally:
            with self._changed:
                self._durations.note(work.client.owner, time.monotonic() - begun)

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
        return PoolUse(self._kind, self._size, opened, busy, len(self._waiting))

    def close(self) -> None:
        """Wait for the work that was asked for, then end all sessions."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
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
