"""Which database: one class each with the same methods. database.url chooses."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from ..config.database_url import MySQLUrl
from ..private_files import open_own
from . import Database, T, Tx, migrate
from .observer import Observer
from .sqlite.connection import keep_private, transact
from .sqlite.database import SQLiteDatabase
from .sqlite.room import Room


class Table(NamedTuple):
    """A table's columns and those of its primary key, in order. large: rows may have megabytes."""

    name: str
    columns: list[str]
    key: list[str]
    large: bool


class Engine(Protocol):
    shared: bool  # servers on several machines may use the database at once

    def prepare(self, make_directory: Callable[[Path], None]) -> None:
        """Make the place of a new database. Raises OSError."""

    def unwritable(self) -> str:
        """Why no change can be made at its place, or empty."""

    def exists(self) -> bool:
        """False if there is nothing at its place. A MySQL database is made by its operator."""

    def tables(self) -> set[str]:
        """The names of its tables. Raises DatabaseBusy, DatabaseFailed."""

    def migrate(self) -> list[str]:
        """Bring it to this program's schema, and return the names of the migrations that were applied now.

        Raises StartError.
        """

    def layout(self) -> list[Table]:
        """All tables but those of the migrations. Raises DatabaseBusy, DatabaseFailed."""

    def require_current(self) -> None:
        """Raise StartError unless it has exactly this program's schema.

        Commands beside a running server change none.
        """

    def use(self, alone: bool) -> contextlib.AbstractContextManager[bool]:
        """Use the database shared, as servers and commands do, or alone.

        False if somebody else uses it in a way that excludes this. Raises OSError.
        """

    def transact(self, fn: Callable[[Tx], T]) -> T:
        """One write transaction before there is an event loop. fn is repeatable. Raises what Database.write raises."""

    def warnings(self) -> list[str]:
        """Sentences about settings of the server that endanger what is stored."""

    def set_aside(self, reserve: int) -> None:
        """Reserve room on the database's disk for the time when the disk is full, if the disk is local.

        Raises OSError.
        """

    def open(self, connections: int, observer: Observer = Observer(), reserve: int | None = None) -> Database:
        """The database for this process. Call it after fork.

        reserve: bytes of its disk that growing changes leave free. None: nothing is refused.
        """


# (table,) column, type, place in the primary key from 1, or 0. In the order of the columns.
_SQLITE_COLUMNS = "SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid"
# Other connections of this user to this database.
_OTHERS = (
    "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()"
    " AND user = SUBSTRING_INDEX(USER(), '@', 1)"
)
_GONE_SECONDS = 2.0
# Two statements: joined, the server would read the tables of all its databases.
_MYSQL_COLUMNS = (
    "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = DATABASE() ORDER BY"
    " table_name, ordinal_position"
)
_MYSQL_KEYS = (
    "SELECT table_name, column_name, ordinal_position FROM information_schema.key_column_usage"
    " WHERE table_schema = DATABASE() AND constraint_name = 'PRIMARY'"
)


def _registry(tables: set[str]) -> set[str]:
    """The tables that the numbered files make."""
    return {name for name in tables if not name.startswith(("schema_", "sqlite_"))}


def _layout(rows: list[tuple]) -> list[Table]:
    found: dict[str, list[tuple]] = {}
    for table, *column in rows:
        found.setdefault(table, []).append(tuple(column))
    return [_table(name, columns) for name, columns in found.items()]


def _table(name: str, columns: list[tuple]) -> Table:
    key = sorted((place, column) for column, _, place in columns if place)
    return Table(
        name,
        [column for column, *_ in columns],
        [column for _, column in key],
        any(kind.upper() == "LONGBLOB" for _, kind, _ in columns),
    )


def sqlite_names(path: Path) -> list[str]:
    """The names of all files of an SQLite database in its directory."""
    return [f"{path.name}{end}" for end in ("", "-wal", "-shm", "-journal", ".lock", ".use", ".spare")]


def engine(place: Path | MySQLUrl) -> Engine:
    return MySQLEngine(place) if isinstance(place, MySQLUrl) else SQLiteEngine(place)


class SQLiteEngine:
    shared = False

    def __init__(self, path: Path):
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def prepare(self, make_directory: Callable[[Path], None]) -> None:
        make_directory(self._path.parent)

    def unwritable(self) -> str:
        folder = self._path.parent
        return (
            ""
            if os.access(folder, os.W_OK)
            else f"{folder} can't be written: it is read-only, or belongs to another user"
        )

    def exists(self) -> bool:
        return self._path.exists() and self._path.stat().st_size > 0

    def tables(self) -> set[str]:
        return self.transact(
            lambda tx: {name for (name,) in tx.all("SELECT name FROM sqlite_master WHERE type = 'table'")}
        )

    def layout(self) -> list[Table]:
        names = _registry(self.tables())
        return _layout(
            self.transact(lambda tx: [(table, *row) for table in names for row in tx.all(_SQLITE_COLUMNS, table)])
        )

    def require_current(self) -> None:
        migrate.require_current(str(self), self.tables, self.transact)

    def migrate(self) -> list[str]:
        keep_private(self._path)
        return migrate.migrate(self._path)

    @contextlib.contextmanager
    def use(self, alone: bool) -> Iterator[bool]:
        """A lock on a separate file, which ends with the last process that holds it."""
        descriptor = open_own(f"{self._path}.use", os.O_RDONLY)
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            is_free = True
        except BlockingIOError:
            is_free = False
        try:
            yield is_free
        finally:
            os.close(descriptor)

    def transact(self, fn: Callable[[Tx], T]) -> T:
        return transact(self._path, fn)

    def warnings(self) -> list[str]:
        return []

    def set_aside(self, reserve: int) -> None:
        Room(self._path, reserve).set_aside()

    def open(self, connections: int, observer: Observer = Observer(), reserve: int | None = None) -> Database:
        return SQLiteDatabase(self._path, observer, reserve)


class MySQLEngine:
    """Its modules are imported when they are needed, so a server on SQLite does not load them."""

    shared = True

    def __init__(self, url: MySQLUrl):
        self._url = url

    def __str__(self) -> str:
        return str(self._url)

    def prepare(self, make_directory: Callable[[Path], None]) -> None:
        pass

    def unwritable(self) -> str:
        return ""

    def exists(self) -> bool:
        return True

    def tables(self) -> set[str]:
        return self.transact(
            lambda tx: {
                name
                for (name,) in tx.all(
                    "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
                )
            }
        )

    def layout(self) -> list[Table]:
        names = _registry(self.tables())
        columns, keys = self.transact(lambda tx: (tx.all(_MYSQL_COLUMNS), tx.all(_MYSQL_KEYS)))
        places = {(table, column): place for table, column, place in keys}
        return _layout(
            [(table, column, type, places.get((table, column), 0)) for table, column, type in columns if table in names]
        )

    def require_current(self) -> None:
        migrate.require_current(str(self), self.tables, self.transact)

    def migrate(self) -> list[str]:
        from .mysql import migrate as mysql_migrate

        return mysql_migrate.migrate(self._url)

    @contextlib.contextmanager
    def use(self, alone: bool) -> Iterator[bool]:
        """A running server always has connections. Those of a process that has just ended disappear after a moment."""
        deadline = time.monotonic() + _GONE_SECONDS
        others = alone and self.transact(lambda tx: tx.all(_OTHERS))
        while others and time.monotonic() < deadline:
            time.sleep(0.05)
            others = self.transact(lambda tx: tx.all(_OTHERS))
        yield not others

    def transact(self, fn: Callable[[Tx], T]) -> T:
        from .mysql import database as mysql

        return mysql.transact(self._url, fn)

    def warnings(self) -> list[str]:
        from .mysql import server as mysql_server

        return mysql_server.warnings(self._url)

    def set_aside(self, reserve: int) -> None:
        pass

    def open(self, connections: int, observer: Observer = Observer(), reserve: int | None = None) -> Database:
        from .mysql import database as mysql

        return mysql.MySQLDatabase(self._url, connections, observer)
