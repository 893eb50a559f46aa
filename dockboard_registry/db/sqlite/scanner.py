"""Threads that read lists from SQLite, each over a connection of its own."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .. import T
from .connection import SQLiteTx, connect, translate


class Scanner:
    """At most so many threads. A thread starts, and opens its connection, when there is work and no idle thread."""

    def __init__(self, path: Path, threads: int, name: str):
        self._path = path
        self._pool = ThreadPoolExecutor(threads, name)
        self._own = threading.local()
        self._connections: list[sqlite3.Connection] = []

    def submit(self, fn: Callable[[SQLiteTx], T]) -> asyncio.Future:
        """Run fn on one snapshot. The future gets the result or the error."""
        return asyncio.get_running_loop().run_in_executor(self._pool, self._snapshot, fn)

    def _snapshot(self, fn: Callable[[SQLiteTx], T]) -> T:
        connection = getattr(self._own, "connection", None) or self._connect()
        try:
            connection.execute("BEGIN")
            try:
                return fn(SQLiteTx(connection))
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise translate(error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = self._own.connection = connect(self._path)
        self._connections.append(connection)
        return connection

    def close(self) -> None:
        """Wait for the work that was asked for, then close."""
        self._pool.shutdown()
        for connection in self._connections:
            connection.close()
