"""The thread of a process that writes to SQLite: it takes all waiting writes into one transaction, so that they share one sync."""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from . import DatabaseBusy, DatabaseFailed, DatabaseFull, NoRoom
from .pool import settle
from .sqlite_connection import SQLiteTx, connect, translate
from .sqlite_lock import WriteLock
from .sqlite_room import Room

_BATCH = 64


class Job(NamedTuple):
    fn: Callable
    durable: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future
    brings: int


class Writer(threading.Thread):
    """Takes all waiting jobs into one transaction, each in a savepoint, so that concurrent requests share one sync."""

    def __init__(self, path: Path, jobs: queue.SimpleQueue, room: Room):
        super().__init__(name="db-writer", daemon=True)
        self._jobs = jobs
        self._connection = connect(path)
        self._room = room
        self._connection.execute("PRAGMA wal_autocheckpoint=100" if room.is_small() else "PRAGMA wal_autocheckpoint=1000")
        self._tx = SQLiteTx(self._connection)
        self.lock = WriteLock(path)
        self._synchronous = True

    def run(self) -> None:
        while (job := self._jobs.get()) is not None:
            batch = [job]
            last = False
            while len(batch) < _BATCH and not self._jobs.empty():
                if (job := self._jobs.get()) is None:
                    last = True
                    break
                batch.append(job)
            self._answer(batch, self._commit(batch))
            if last:
                break
        self._connection.close()
        self.lock.close()

    def _commit(self, batch: list[Job]) -> list[tuple[Any, BaseException | None]]:
        try:
            self.lock.take()
        except (OSError, DatabaseBusy) as error:
            return [(None, error if isinstance(error, DatabaseBusy) else DatabaseFailed(str(error)))] * len(batch)
        try:
            self._renew_log()
            self._set_synchronous(any(job.durable for job in batch))
            return self._transaction(batch, self._room.refused(self._connection, [job.brings for job in batch]))
        except (sqlite3.Error, OSError) as error:
            failure = translate(error) if isinstance(error, sqlite3.Error) else DatabaseFailed(str(error))
            if isinstance(failure, DatabaseFailed):
                self.lock.note(failed=True)
            return [(None, failure) for _ in batch]
        finally:
            self._leave_transaction()
            self.lock.leave()

    def _transaction(self, batch: list[Job], refused: list[bool]) -> list[tuple[Any, BaseException | None]]:
        """Where the disk turns out to be full, what frees room is tried once more, with the room that was set aside."""
        try:
            return self._commit_all(batch, refused)
        except sqlite3.Error as error:
            if not isinstance(translate(error), DatabaseFull):
                raise
        self._leave_transaction()
        self._room.release(self._connection)
        return self._commit_all(batch, [job.brings > 0 for job in batch])

    def _commit_all(self, batch: list[Job], refused: list[bool]) -> list[tuple[Any, BaseException | None]]:
        if all(refused):
            return [(None, NoRoom("less is free than the reserve"))] * len(batch)
        self._connection.execute("BEGIN IMMEDIATE")
        outcomes = [self._savepoint(job.fn) if not no else (None, NoRoom("less is free than the reserve")) for job, no in zip(batch, refused)]
        self._connection.execute("COMMIT")
        return outcomes

    def _renew_log(self) -> None:
        """After a failed sync the log may have lost what the kernel believes to be written: begin a new one before anything follows it."""
        if not self.lock.log_failed():
            return
        busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise sqlite3.OperationalError("the log can't be renewed while it is read")
        self.lock.note(failed=False)

    def _savepoint(self, fn: Callable) -> tuple[Any, BaseException | None]:
        """Run one job; its own failure undoes only its own changes, a failure of the database ends the whole batch."""
        self._connection.execute("SAVEPOINT job")
        try:
            outcome = fn(self._tx), None
        except sqlite3.IntegrityError as error:
            outcome = self._undo(translate(error))
        except sqlite3.Error:
            raise
        except StopIteration as error:
            # A future can't carry this one.
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

    def _leave_transaction(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                pass  # SQLite has rolled back by itself after this kind of error

    @staticmethod
    def _answer(batch: list[Job], outcomes: list[tuple[Any, BaseException | None]]) -> None:
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
