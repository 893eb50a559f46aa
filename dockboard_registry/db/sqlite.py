"""SQLite: point reads on the loop's own connection, lists on a thread, writes on one writer thread a process.

What is acknowledged is committed with synchronous=FULL, upload sessions with NORMAL. A lock file (sqlite_lock.py) lets one process write at a time,
and it covers the automatic checkpoint inside COMMIT too, so that no two connections ever write and checkpoint at once (the defect that SQLite 3.51.3 mended).
"""

import asyncio
import contextlib
import queue
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter

from . import ROWS, T
from .observer import KINDS, Observer, PoolUse, timed
from .sqlite_connection import SQLiteTx, connect, translate
from .sqlite_room import Room
from .sqlite_writer import Job, Writer


class SQLiteDatabase:
    """`Database` over one file; one instance a process, made after fork. reserve: as storage.reserve; None: nothing is refused for it."""

    def __init__(self, path: Path, observer: Observer = Observer(), reserve: int | None = None):
        self._path = path
        self._room = Room(path, reserve)
        self._read_timer, self._scan_timer, self._write_timer = map(observer.timer, KINDS)
        self._reader_connection = connect(path)
        # What this connection writes (see write) needs no sync, and only the writer's connection may checkpoint.
        self._reader_connection.execute("PRAGMA synchronous=NORMAL")
        self._reader_connection.execute("PRAGMA wal_autocheckpoint=0")
        self._reader_connection.execute("PRAGMA busy_timeout=0")
        self._reader = SQLiteTx(self._reader_connection)
        self._scanner: sqlite3.Connection | None = None
        self._scans = ThreadPoolExecutor(1, "db-scan")
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._writer = Writer(path, self._jobs, self._room)
        self._writer.start()

    async def read(self, fn: Callable[[SQLiteTx], T]) -> T:
        begun = perf_counter()
        try:
            return fn(self._reader)
        except sqlite3.Error as error:
            raise translate(error) from error
        finally:
            self._read_timer(perf_counter() - begun)

    def scan(self, fn: Callable[[SQLiteTx], T]):
        begun = perf_counter()
        return timed(asyncio.get_running_loop().run_in_executor(self._scans, self._snapshot, fn), self._scan_timer, begun)

    def _snapshot(self, fn: Callable[[SQLiteTx], T]) -> T:
        if self._scanner is None:
            self._scanner = connect(self._path)
        try:
            self._scanner.execute("BEGIN")
            try:
                return fn(SQLiteTx(self._scanner))
            finally:
                self._scanner.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise translate(error) from error

    def write(self, fn: Callable[[SQLiteTx], T], durable: bool = True, repeatable: bool = False, brings: int = ROWS):
        """What needs no sync is done in place when nobody else writes: two writes into the page cache, and no way through a thread."""
        begun, future = perf_counter(), asyncio.get_running_loop().create_future()
        if durable or not self._jobs.empty() or not self._room.is_plenty(brings) or not self._write_now(fn, future):
            self._jobs.put(Job(fn, durable, asyncio.get_running_loop(), future, brings))
        return timed(future, self._write_timer, begun)

    def _write_now(self, fn: Callable[[SQLiteTx], T], future: asyncio.Future) -> bool:
        """Run fn in a transaction on this thread; False, with nothing changed, where somebody else writes or the database failed."""
        if not self._writer.lock.try_now():
            return False
        try:
            self._reader_connection.execute("BEGIN IMMEDIATE")
            outcome = fn(self._reader)
            self._reader_connection.execute("COMMIT")
            future.set_result(outcome)
            return True
        except sqlite3.Error:
            return False
        except Exception as error:
            future.set_exception(error)
            return True
        finally:
            if self._reader_connection.in_transaction:
                self._reader_connection.execute("ROLLBACK")
            self._writer.lock.leave()

    async def compact(self) -> None:
        await asyncio.to_thread(self._compact)

    def _compact(self) -> None:
        self._writer.lock.take()
        try:
            with contextlib.closing(connect(self._path)) as connection:
                self._room.compact(connection)
        except sqlite3.Error as error:
            raise translate(error) from error
        finally:
            self._writer.lock.leave()

    def pools(self) -> list[PoolUse]:
        return []

    def close(self) -> None:
        """Wait for the writes that were asked for, then close."""
        self._jobs.put(None)
        self._writer.join()
        self._scans.shutdown()
        if self._scanner is not None:
            self._scanner.close()
        self._reader_connection.close()
