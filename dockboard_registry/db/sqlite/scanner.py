"""What a thread that reads lists from SQLite works with."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from .. import T
from .connection import SQLiteTx, connect, translate


class Scanner:
    """One thread's connection, made when it is needed."""

    def __init__(self, path: Path):
        self._path = path
        self._connection: sqlite3.Connection | None = None

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def scan(self, fn: Callable[[SQLiteTx], T]) -> T:
        """Run fn on one snapshot. Raises what fn raises, and the errors of the database layer."""
        try:
            if self._connection is None:
                self._connection = connect(self._path)
            self._connection.execute("BEGIN")
            try:
                return fn(SQLiteTx(self._connection))
            finally:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise translate(error) from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
