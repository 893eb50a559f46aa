"""SQLite: single reads on the loop's own connection, lists on a few threads, writes on one thread of each process.

What is acknowledged is committed with synchronous=FULL, upload sessions with NORMAL. A lock file (lock.py) lets one
process write at a time. It covers the automatic checkpoint inside COMMIT too, so no two connections ever write and
checkpoint at once (the defect that SQLite 3.51.3 mended).
"""

import asyncio
import contextlib
import math
import queue
import sqlite3
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from ...clients import current_client
from .. import ROWS, Database, T
from ..for_jobs import ForJobs
from ..observer import KINDS, Observer, PoolUse, timed
from ..pool import WAIT_SECONDS, Pool
from .connection import SQLiteTx, connect, translate
from .room import Room
from .scanner import Scanner
from .writer import Job, Writer

# Threads for short lists. Long ones, and jobs, have one each.
_SCANS = 2


class SQLiteDatabase:
    """`Database` over one file.

    Each process makes one, after fork. reserve: as storage.reserve; None: nothing is refused.
    """

    def __init__(self, path: Path, observer: Observer = Observer(), reserve: int | None = None):
        self._path = path
        self._room = Room(path, reserve)
        self._read_timer, self._scan_timer, self._write_timer = map(observer.timer, KINDS)
        self._reader_connection = connect(path)
        # What this connection writes (see write) needs no sync. Only the writer's connection may checkpoint.
        self._reader_connection.execute("PRAGMA synchronous=NORMAL")
        self._reader_connection.execute("PRAGMA wal_autocheckpoint=0")
        self._reader_connection.execute("PRAGMA busy_timeout=0")
        self._reader = SQLiteTx(self._reader_connection)
        self._scans, self._long_scans = self._pool("scan", _SCANS), self._pool("long-scan", 1)
        self._job_scans = self._pool("job", 1, patience=math.inf)
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

    def scan(self, fn: Callable[[SQLiteTx], T], long: bool = False):
        return self._scan(self._long_scans if long else self._scans, fn)

    def _pool(self, kind: str, threads: int, patience: float = WAIT_SECONDS) -> Pool:
        """Threads that read lists."""
        return Pool(kind, threads, lambda: Scanner(self._path), patience)

    def _scan(self, pool: Pool, fn: Callable[[SQLiteTx], T]):
        begun = perf_counter()
        return timed(pool.submit(lambda scanner: scanner.scan(fn)), self._scan_timer, begun)

    def for_jobs(self) -> Database:
        return ForJobs(self, lambda fn: self._scan(self._job_scans, fn))

    def write(
        self,
        fn: Callable[[SQLiteTx], T],
        durable: bool = True,
        repeatable: bool = False,
        brings: int = ROWS,
        long: bool = False,
    ):
        """A change that needs no sync is made in place if nobody else writes: two writes into the page cache, and no
        thread.
        """
        begun, future = perf_counter(), asyncio.get_running_loop().create_future()
        in_place = not durable and not long and self._jobs.empty() and self._room.is_plenty(brings)
        if not in_place or not self._write_now(fn, future):
            self._jobs.put(Job(fn, durable, asyncio.get_running_loop(), future, brings, long, current_client.get()))
        return timed(future, self._write_timer, begun)

    def _write_now(self, fn: Callable[[SQLiteTx], T], future: asyncio.Future) -> bool:
        """Run fn in a transaction on this thread.

        False, with nothing changed, if somebody else writes or the database failed.
        """
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
        for pool in (self._scans, self._long_scans, self._job_scans):
            pool.close()
        self._reader_connection.close()
