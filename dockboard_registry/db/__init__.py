"""The database seam: functions are sent to the transaction, and the same code runs over every database.

`Database` has three ways in; each takes a plain function of one argument, a `Tx`:
    read(fn)   one statement on the newest committed state; cheap, for hot paths
    scan(fn)   any number of statements on one snapshot, off the event loop; for lists and checks
    write(fn)  a read-write transaction; committed when fn returns, undone when it raises
A function may run more than once (busy, deadlock), so it touches nothing but its Tx. Uniqueness is decided by constraints
(`Tx.insert`), changes of state by compare-and-set in one statement (`Tx.run` returns the rows matched).
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
Row = tuple[Any, ...]


class DatabaseBusy(Exception):
    """The database did not answer in time; the same request may succeed later."""


class DatabaseFull(Exception):
    """No room for the change; nothing was changed."""


class DatabaseFailed(Exception):
    """The database or the disk below it failed; the change was not acknowledged."""


class Tx(Protocol):
    """One transaction. SQL is portable text with ? placeholders; parameters are scalars or bytes."""

    def one(self, sql: str, *parameters: Any) -> Row | None: ...

    def all(self, sql: str, *parameters: Any) -> list[Row]: ...

    def run(self, sql: str, *parameters: Any) -> int:
        """Execute and return the number of rows that matched."""

    def insert(self, sql: str, *parameters: Any) -> bool:
        """Execute an INSERT; False where a unique constraint already holds such a row."""


class Database(Protocol):
    async def read(self, fn: Callable[[Tx], T]) -> T: ...

    def scan(self, fn: Callable[[Tx], T]) -> Awaitable[T]: ...

    def write(self, fn: Callable[[Tx], T], durable: bool = True) -> Awaitable[T]:
        """Commit what fn did. durable=False: visible to all at once, but a power cut may undo it until a durable commit follows.

        Raises DatabaseBusy, DatabaseFull or DatabaseFailed, and what fn raises; nothing is changed then.
        """

    def close(self) -> None: ...


def now() -> int:
    """Milliseconds since 1970, the unit of every time in the database."""
    return time.time_ns() // 1_000_000
