"""The database seam: functions are sent to the transaction, and the same code runs over every database.

`Database` has three ways in; each takes a plain function of one argument, a `Tx`:
    read(fn)   one statement on the newest committed state; cheap, for hot paths
    scan(fn)   any number of statements on one snapshot, off the event loop; for lists and checks
    write(fn)  a read-write transaction; committed when fn returns, undone when it raises
A function may run more than once (busy, deadlock), so it touches nothing but its Tx. Uniqueness is decided by
constraints (`Tx.insert`), changes of state by compare-and-set in one statement (`Tx.run` returns the rows matched).
Write transactions may run beside each other (MySQL, READ COMMITTED): what one decides from a row that others change, it
reads after `Tx.lock` of a row that every such change writes too, and it writes that row itself: at the nodes of a
Galera cluster a lock holds at one node only, and of two transactions one is undone where both have changed the same row
(changed: an UPDATE to the value that is there is none).
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from ..errors import StartError
from .observer import CAUSES as CAUSES
from .observer import KINDS as KINDS
from .observer import PoolUse as PoolUse

T = TypeVar("T")
# The limit of a list that is read as a whole.
ALL = (1 << 31) - 1
# The bytes of a few rows. Assumed for a change that does not say how much it brings.
ROWS = 4 << 10
Row = tuple[Any, ...]


class DatabaseBusy(Exception):
    """The database did not answer in time; the same request may succeed later."""


class DatabaseFull(Exception):
    """There is no room for the change, and nothing was changed."""


class NoRoom(DatabaseFull):
    """Less than the reserve would be left. Changes that free room are still made."""


class DatabaseFailed(Exception):
    """The database or its disk failed, and the change was not acknowledged. next: what an operator can do, if known."""

    def __init__(self, reason: str = "", next: str = ""):
        super().__init__(reason)
        self.next = next


class OutcomeUnknown(DatabaseFailed):
    """The connection was lost during COMMIT. The change was made as a whole or not at all, and reading tells which."""


def unusable(database: object, error: Exception) -> StartError:
    """The error of a start or a command that can't use the database."""
    return StartError(
        f"the database {database} can't be used: {error}. Nothing was changed. {getattr(error, 'next', '')}".rstrip(
            " ."
        )
    )


class Tx(Protocol):
    """One transaction. SQL is portable text with ? placeholders; parameters are scalars or bytes.

    doubtful: the function ran before, and that run may have been committed, for the answer to its COMMIT was lost.
    alone: no other transaction writes before this one ends, so what it has read stays as it is, and no row has to be
    locked or changed for that.
    """

    doubtful: bool
    alone: bool

    def one(self, sql: str, *parameters: Any) -> Row | None: ...

    def all(self, sql: str, *parameters: Any) -> list[Row]: ...

    def lock(self, sql: str, *parameters: Any) -> Row | None:
        """`one`, and no other write transaction on this server changes or locks the rows until this one ends.

        For writes only. If there is no row, nothing is locked, and another transaction may insert it meanwhile.
        """

    def run(self, sql: str, *parameters: Any) -> int:
        """Execute and return the number of rows that matched."""

    def insert(self, sql: str, *parameters: Any) -> bool:
        """Execute an INSERT. False if a unique constraint already holds such a row."""


class Database(Protocol):
    async def read(self, fn: Callable[[Tx], T]) -> T: ...

    def scan(self, fn: Callable[[Tx], T], long: bool = False) -> Awaitable[T]:
        """long: the scan looks at many rows. It runs apart, so that short lists do not wait behind it."""

    def write(
        self,
        fn: Callable[[Tx], T],
        durable: bool = True,
        repeatable: bool = False,
        brings: int = ROWS,
        long: bool = False,
    ) -> Awaitable[T]:
        """Commit what fn did. durable=False: visible to all at once, but a power cut may undo it until a durable commit
        follows. It may run in the event loop (SQLite), unless it is long.

        long: it changes more than a few rows.

        brings: bytes by which it makes the database grow, NoRoom where the disk has not so much room beyond the
        reserve; 0 for what frees room, and for what has to go on when the disk is full (logins, collecting).

        repeatable: fn gives the right outcome also where it was committed before, so it runs again after a commit whose
        outcome is unknown; without it that raises OutcomeUnknown. Raises DatabaseBusy, DatabaseFull or DatabaseFailed,
        and what fn raises; but for OutcomeUnknown nothing is changed then.
        """

    async def compact(self) -> None:
        """If the disk is nearly full, return the room of deleted rows to it."""

    def for_jobs(self) -> "Database":
        """The same database for background work, whose scans do not delay the lists of requests."""

    def pools(self) -> list[PoolUse]:
        """How its connections are used now. Empty if their number is not limited."""

    def close(self) -> None: ...


def now() -> int:
    """Milliseconds since 1970, the unit of every time in the database."""
    return time.time_ns() // 1_000_000
