"""SQLite: point reads on the loop's own connection, lists on a thread, writes on one writer thread a process.

WAL with synchronous=FULL for what is acknowledged (NORMAL loses acknowledged commits at a power cut) and NORMAL for upload
sessions. A lock file lets one process write at a time, and it covers the automatic checkpoint inside COMMIT too, so that no two connections ever write and checkpoint at once (the defect that SQLite 3.51.3 mended).
"""

import asyncio
import contextlib
import fcntl
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from . import DatabaseBusy, DatabaseFailed, DatabaseFull, Row, T
from .observer import KINDS, Observer, PoolUse, timed
from .pool import settle

_BATCH = 64
_TRUST, _DISTRUST = b"0", b"1"
_BUSY_MS = 4_000
_BUSY_PAUSE = 0.01
# Between two looks at a lock that another process has. With longer pauses whoever has just let go takes it again first, again and again.
_PAUSE, _LONGEST_PAUSE = 0.0002, 0.0005


class SQLiteTx:
    """A Tx over one connection."""

    doubtful = False

    def __init__(self, connection: sqlite3.Connection):
        self._execute = connection.execute

    def one(self, sql: str, *parameters: Any) -> Row | None:
        return self._execute(sql, parameters).fetchone()

    lock = one  # a write transaction of SQLite is alone

    def all(self, sql: str, *parameters: Any) -> list[Row]:
        return self._execute(sql, parameters).fetchall()

    def run(self, sql: str, *parameters: Any) -> int:
        return self._execute(sql, parameters).rowcount

    def insert(self, sql: str, *parameters: Any) -> bool:
        try:
            self._execute(sql, parameters)
        except sqlite3.IntegrityError as error:
            if error.sqlite_errorcode in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY):
                return False
            raise
        return True


class _Job(NamedTuple):
    fn: Callable
    durable: bool
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that any one thread may use; raises DatabaseFailed where the file is no database."""
    try:
        connection = sqlite3.connect(path, timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise translate(error) from error
    try:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA journal_size_limit=67108864")
        connection.execute("PRAGMA temp_store=MEMORY")
    except sqlite3.Error as error:
        connection.close()
        raise translate(error) from error
    return connection


def keep_private(path: Path) -> None:
    """Let no other account of the machine read the file, which holds hashes of passwords and the keys of tokens, nor its log: a new one
    is its owner's alone, and SQLite gives the log the same mode; one that is there keeps what its group may."""
    # One that is there must not be opened here: to close it would end the locks that SQLite has on it in this process.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    for each in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(OSError):
            mode = os.stat(each).st_mode
            if mode & 0o007:
                os.chmod(each, mode & 0o770)


def _use_wal(connection: sqlite3.Connection) -> None:
    """While another process makes or removes the file's log SQLite answers "busy" here at once, without the time to wait that it was given."""
    deadline = time.monotonic() + _BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_BUSY_PAUSE)


def translate(error: sqlite3.Error) -> Exception:
    """The database layer's own error for one of sqlite3's; SQLite result codes: sqlite.org/rescode.html."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseBusy(str(error))
    if code == sqlite3.SQLITE_FULL:
        return DatabaseFull(str(error))
    return DatabaseFailed(str(error))


def transact(path: Path, fn: Callable[[SQLiteTx], T]) -> T:
    """One write transaction at start-up, before there is an event loop."""
    connection = connect(path)
    try:
        connection.execute("BEGIN IMMEDIATE")
        outcome = fn(SQLiteTx(connection))
        connection.execute("COMMIT")
        return outcome
    except sqlite3.Error as error:
        raise translate(error) from error
    finally:
        connection.close()


class SQLiteDatabase:
    """`Database` over one file; one instance a process, made after fork."""

    def __init__(self, path: Path, observer: Observer = Observer()):
        self._path = path
        self._read_timer, self._scan_timer, self._write_timer = map(observer.timer, KINDS)
        self._reader_connection = connect(path)
        # What this connection writes (see write) needs no sync, and only the writer's connection may checkpoint.
        self._reader_connection.execute("PRAGMA synchronous=NORMAL")
        self._reader_connection.execute("PRAGMA wal_autocheckpoint=0")
        self._reader_connection.execute("PRAGMA busy_timeout=0")
        self._reader = SQLiteTx(self._reader_connection)
        self._scanner: sqlite3.Connection | None = None
        self._scans = ThreadPoolExecutor(1, "db-scan")
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = _Writer(path, self._jobs)
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

    def write(self, fn: Callable[[SQLiteTx], T], durable: bool = True, repeatable: bool = False):
        """What needs no sync is done in place when nobody else writes: two writes into the page cache, and no way through a thread."""
        begun, future = perf_counter(), asyncio.get_running_loop().create_future()
        if durable or not self._jobs.empty() or not self._write_now(fn, future):
            self._enqueue(fn, durable, future)
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

    def _enqueue(self, fn: Callable, durable: bool, future: asyncio.Future) -> None:
        loop = asyncio.get_running_loop()
        self._jobs.put(_Job(fn, durable, loop, future))

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


class _WriteLock:
    """One writer at a time in all processes, by flock on a file beside the database; the file also notes a log not to be trusted."""

    def __init__(self, path: Path):
        self._file = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._threads = threading.Lock()
        self._failed = False

    def try_now(self) -> bool:
        """Take the lock if nobody has it and the log is sound."""
        if not self._threads.acquire(blocking=False):
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._threads.release()
            return False
        if self.log_failed():
            self.leave()
            return False
        return True

    def take(self) -> None:
        """Wait for the lock. Raises DatabaseBusy when another process keeps it, as a stopped one does; OSError."""
        deadline, pause = time.monotonic() + _BUSY_MS / 1000, _PAUSE
        self._threads.acquire()
        try:
            while True:
                try:
                    return fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise DatabaseBusy("another process keeps the lock of the database") from None
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE)
        except BaseException:
            self._threads.release()
            raise

    def leave(self) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def log_failed(self) -> bool:
        """Did a sync of the log fail, in any process, since it was begun?"""
        try:
            return self._failed or os.pread(self._file, 1, 0) == _DISTRUST
        except OSError:
            return True

    def note(self, failed: bool) -> None:
        self._failed = failed
        with contextlib.suppress(OSError):
            os.pwrite(self._file, _DISTRUST if failed else _TRUST, 0)

    def close(self) -> None:
        os.close(self._file)


class _Writer(threading.Thread):
    """Takes all waiting jobs into one transaction, each in a savepoint, so that concurrent requests share one sync."""

    def __init__(self, path: Path, jobs: queue.SimpleQueue):
        super().__init__(name="db-writer", daemon=True)
        self._jobs = jobs
        self._connection = connect(path)
        self._connection.execute("PRAGMA wal_autocheckpoint=1000")
        self._tx = SQLiteTx(self._connection)
        self.lock = _WriteLock(path)
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

    def _commit(self, batch: list[_Job]) -> list[tuple[Any, BaseException | None]]:
        try:
            self.lock.take()
        except (OSError, DatabaseBusy) as error:
            return [(None, error if isinstance(error, DatabaseBusy) else DatabaseFailed(str(error)))] * len(batch)
        try:
            self._renew_log()
            self._set_synchronous(any(job.durable for job in batch))
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._savepoint(job.fn) for job in batch]
            self._connection.execute("COMMIT")
            return outcomes
        except (sqlite3.Error, OSError) as error:
            failure = translate(error) if isinstance(error, sqlite3.Error) else DatabaseFailed(str(error))
            if isinstance(failure, DatabaseFailed):
                self.lock.note(failed=True)
            return [(None, failure) for _ in batch]
        finally:
            self._leave_transaction()
            self.lock.leave()

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
    def _answer(batch: list[_Job], outcomes: list[tuple[Any, BaseException | None]]) -> None:
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
