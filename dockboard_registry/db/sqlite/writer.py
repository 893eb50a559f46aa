"""The thread of a process that writes to SQLite: it takes waiting writes into one transaction, so that they share one
sync.

Clients take turns (fair_queue.py). A transaction takes no more work after a few milliseconds. If the last work of a
client took long, its next work gets a transaction of its own. So short work waits for at most one long work, however
many clients have long work.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from ...clients import Client
from ...wording import why
from .. import DatabaseBusy, DatabaseFailed, DatabaseFull, NoRoom
from ..fair_queue import Durations, FairQueue
from ..pool import settle
from .connection import SQLiteTx, connect, translate
from .lock import WriteLock
from .room import Room

_BATCH, _BATCH_SECONDS = 64, 0.005
# When the log has so many pages, a commit also copies them into the database and syncs it, with the lock held. Long
# work writes many pages. It does this more often, so that the others wait for a shorter time.
_CHECKPOINT, _CHECKPOINT_OF_LONG_WORK = "PRAGMA wal_autocheckpoint=1000", "PRAGMA wal_autocheckpoint=250"
_CHECKPOINT_OF_SMALL_DISK = "PRAGMA wal_autocheckpoint=100"


class Job(NamedTuple):
    fn: Callable
    durable: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future
    brings: int
    long: bool
    client: Client


Outcome = tuple[Any, BaseException | None]


class Writer(threading.Thread):
    """Each job runs in a savepoint of the transaction that it shares.

    None among the jobs means that no more will come.
    """

    def __init__(self, path: Path, jobs: "queue.SimpleQueue[Job | None]", room: Room):
        super().__init__(name="db-writer", daemon=True)
        self._jobs = jobs
        self._queue = FairQueue()
        self._durations = Durations()
        self._ending = False
        self._connection = connect(path)
        self._room = room
        small = room.is_small()
        self._checkpoints = {
            False: _CHECKPOINT_OF_SMALL_DISK if small else _CHECKPOINT,
            True: _CHECKPOINT_OF_SMALL_DISK if small else _CHECKPOINT_OF_LONG_WORK,
        }
        self._checkpoint = ""
        self._tx = SQLiteTx(self._connection)
        self.lock = WriteLock(path)
        self._synchronous = True

    def run(self) -> None:
        while self._receive():
            batch, outcomes = self._work_under_lock()
            self._answer(batch[: len(outcomes)], outcomes)
            for job in reversed(batch[len(outcomes) :]):
                self._queue.put(job.client, job, again=True)
        self._connection.close()
        self.lock.close()

    def _work_under_lock(self) -> tuple[list[Job], list[Outcome]]:
        """Work under the lock, and its outcome.

        The next client is chosen once the lock is held, because one with short work may have come meanwhile.
        """
        try:
            self.lock.take()
        except (OSError, DatabaseBusy) as error:
            waiting = [self._take() for _ in range(len(self._queue))]
            return waiting, [(None, error if isinstance(error, DatabaseBusy) else DatabaseFailed(why(error)))] * len(
                waiting
            )
        try:
            self._receive()
            batch = self._next()
            return batch, self._commit(batch)
        finally:
            self._leave_transaction()
            self.lock.leave()

    def _receive(self) -> bool:
        """Queue the jobs that have arrived, and wait for one if there is none.

        False if the queue is empty and no more will come.
        """
        while not self._ending and not (self._queue and self._jobs.empty()):
            job = self._jobs.get()
            if job is None:
                self._ending = True
            else:
                self._queue.put(job.client, job)
        return len(self._queue) > 0

    def _next(self) -> list[Job]:
        """The next jobs, as many as should fit into the time of one transaction.

        A client is charged for its last work when its next one is taken.
        """
        batch: list[Job] = []
        left = _BATCH_SECONDS
        while self._queue and len(batch) < _BATCH:
            left -= (seconds := self._durations.of(self._queue.peek().client))
            if batch and left < 0:
                break
            batch.append(self._take(seconds))
        return batch

    def _take(self, seconds: float = 0.0) -> Job:
        job = self._queue.take()
        self._queue.charge(seconds)
        return job

    def _commit(self, batch: list[Job]) -> list[Outcome]:
        """The outcomes of the first jobs of the batch, of all of them where there was time."""
        try:
            self._renew_log()
            self._set_synchronous(any(job.durable for job in batch))
            self._set_checkpoint(self._checkpoints[any(job.long for job in batch)])
            return self._transaction(batch, self._room.refused(self._connection, [job.brings for job in batch]))
        except (sqlite3.Error, OSError) as error:
            failure = translate(error) if isinstance(error, sqlite3.Error) else DatabaseFailed(why(error))
            if isinstance(failure, DatabaseFailed):
                self.lock.note(failed=True)
            return [(None, failure) for _ in batch]

    def _transaction(self, batch: list[Job], refused: list[bool]) -> list[Outcome]:
        """If the disk turns out to be full, try the changes that free room once more, with the reserved room."""
        try:
            return self._commit_all(batch, refused)
        except sqlite3.Error as error:
            if not isinstance(translate(error), DatabaseFull):
                raise
        self._leave_transaction()
        self._room.release(self._connection)
        return self._commit_all(batch, [job.brings > 0 for job in batch])

    def _commit_all(self, batch: list[Job], refused: list[bool]) -> list[Outcome]:
        if all(refused):
            return [(None, NoRoom("less is free than the reserve"))] * len(batch)
        self._connection.execute("BEGIN IMMEDIATE")
        outcomes, end = [], perf_counter() + _BATCH_SECONDS
        for job, no in zip(batch, refused):
            outcomes.append((None, NoRoom("less is free than the reserve")) if no else self._run(job))
            if perf_counter() > end:
                break
        self._connection.execute("COMMIT")
        return outcomes

    def _run(self, job: Job) -> Outcome:
        """Run one job, and remember how long it took."""
        begun = perf_counter()
        try:
            return self._savepoint(job.fn)
        finally:
            self._durations.note(job.client, perf_counter() - begun)

    def _renew_log(self) -> None:
        """After a failed sync the log may have lost what the kernel believes to be written: begin a new one before
        anything follows it.
        """
        if not self.lock.log_failed():
            return
        busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("the log can't be renewed while it is read")
        self.lock.note(failed=False)

    def _savepoint(self, fn: Callable) -> Outcome:
        """Run one job; its own failure undoes only its own changes, a failure of the database ends the whole batch."""
        self._connection.execute("SAVEPOINT job")
        try:
            outcome = fn(self._tx), None
        except sqlite3.IntegrityError as error:
            outcome = self._undo(translate(error))
        except sqlite3.Error:
            raise
        except StopIteration as error:
            # A future can't hold this exception.
            outcome = self._undo(RuntimeError(repr(error)))
        except Exception as error:
            outcome = self._undo(error)
        self._connection.execute("RELEASE job")
        return outcome

    def _undo(self, error: Exception) -> tuple[None, Exception]:
        self._connection.execute("ROLLBACK TO job")
        return None, error

    def _set_synchronous(self, durable: bool) -> None:
        if durable != self._synchronous:
            self._connection.execute("PRAGMA synchronous=FULL" if durable else "PRAGMA synchronous=NORMAL")
            self._synchronous = durable

    def _set_checkpoint(self, statement: str) -> None:
        if statement != self._checkpoint:
            self._connection.execute(statement)
            self._checkpoint = statement

    def _leave_transaction(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # SQLite has rolled back by itself after this kind of error

    @staticmethod
    def _answer(batch: list[Job], outcomes: list[Outcome]) -> None:
        """Wake each loop once for all of its futures; a loop that is closed no longer waits for them."""
        by_loop: dict[asyncio.AbstractEventLoop, list] = {}
        for job, outcome in zip(batch, outcomes):
            by_loop.setdefault(job.loop, []).append((job.future, outcome))
        for loop, answers in by_loop.items():
            try:
                loop.call_soon_threadsafe(_resolve, answers)
            except RuntimeError:
                pass


def _resolve(answers: list) -> None:
    for future, (result, error) in answers:
        settle(future, result, error)
