"""Connections to SQLite: how they are opened, what a transaction can do on one, and what its errors mean.

WAL with synchronous=FULL: NORMAL loses acknowledged commits at a power cut.
"""

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...private_files import open_own
from .. import DatabaseBusy, DatabaseFailed, DatabaseFull, Row, T
from .room import is_full, spare_file

BUSY_MS = 4_000
_BUSY_PAUSE = 0.01


class SQLiteTx:
    """A Tx over one connection."""

    doubtful = False
    alone = True

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


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that any one thread may use; raises DatabaseFailed where the file is no database.

    If the disk has no room for the log, the reserved room is given up.
    """
    try:
        return _connect(path)
    except (DatabaseFull, DatabaseFailed):
        if not is_full(path.parent) or not spare_file(path).release():
            raise
    return _connect(path)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        connection = sqlite3.connect(path, timeout=BUSY_MS / 1000, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise translate(error) from error
    try:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA journal_size_limit=67108864")
        connection.execute("PRAGMA temp_store=MEMORY")
        # Some builds of SQLite overwrite deleted content. Deleting a manifest of 4 MiB would then need 4 MiB of log,
        # even on a full disk.
        connection.execute("PRAGMA secure_delete=FAST")
    except sqlite3.Error as error:
        connection.close()
        raise translate(error) from error
    return connection


def keep_private(path: Path) -> None:
    """Let no other account of the machine read the file or its log, which hold hashes of passwords and the keys of
    tokens.

    A new file is its owner's alone, and SQLite gives the log the same mode. An existing file keeps the rights of its
    group.
    """
    # An existing file must not be opened here: closing it would drop the locks that SQLite holds on it in this process.
    with contextlib.suppress(OSError):
        os.close(open_own(path, os.O_RDWR | os.O_EXCL))
    for each in (path, f"{path}-wal", f"{path}-shm"):
        with contextlib.suppress(OSError):
            mode = os.lstat(each).st_mode
            if mode & 0o007 and stat.S_ISREG(mode):
                os.chmod(each, mode & 0o770)


def _use_wal(connection: sqlite3.Connection) -> None:
    """While another process creates or removes the log file, SQLite answers "busy" here at once and ignores its busy
    timeout.
    """
    deadline = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(_BUSY_PAUSE)


_DAMAGED = "It is damaged: restore it from a backup; never delete it, it knows what every stored file is"
_PLACE = "Check that the file and its directory are there, and belong to the user who runs this"
_NEXT = {
    **dict.fromkeys((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB), _DAMAGED),
    **dict.fromkeys((sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY), _PLACE),
    sqlite3.SQLITE_IOERR: "The disk or its file system fails: see the system's log",
}


def translate(error: sqlite3.Error) -> Exception:
    """The database layer's own error for one of sqlite3's. Result codes: sqlite.org/rescode.html."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseBusy(str(error))
    if code == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE:
        return DatabaseFull(str(error))
    return DatabaseFailed(str(error), _NEXT.get(code, ""))


def transact(path: Path, fn: Callable[[SQLiteTx], T]) -> T:
    """One write transaction at the start, before there is an event loop.

    It writes little and may use the reserved room.
    """
    try:
        return _transact(path, fn)
    except DatabaseFull:
        if not spare_file(path).release():
            raise
    return _transact(path, fn)


def _transact(path: Path, fn: Callable[[SQLiteTx], T]) -> T:
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
