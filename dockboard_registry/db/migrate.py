"""Numbered SQL files, applied once each and in order; a newer schema than this program's is refused.

On SQLite each file is one transaction together with its row in schema_versions, so that a kill leaves it applied or not
at all; mysql_migrate.py does the same where there are no such transactions.
"""

import sqlite3
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from ..errors import StartError
from . import DatabaseBusy, DatabaseFailed, DatabaseFull, T, Tx, now, unusable
from .sqlite.connection import connect, translate

_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL,"
    " applied_at BIGINT NOT NULL)"
)


def files() -> list[tuple[int, str, str]]:
    """(version, name, SQL) of every migration in order, packed beside this package or in the source tree's schema/."""
    packed = resources.files(__package__.partition(".")[0]).joinpath("schema")
    folder = packed if packed.is_dir() else Path(__file__).resolve().parents[2] / "schema"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return [(int(name[:4]), name, folder.joinpath(name).read_text("utf-8")) for name in names]


def statements(sql: str) -> list[str]:
    """The statements of a file; a semicolon at the end of a line ends one."""
    lines = [line for line in sql.splitlines() if not line.lstrip().startswith("--")]
    return [part.strip() for part in "\n".join(lines).split(";\n") if part.strip().rstrip(";")]


def migrate(path: Path, wanted: list[tuple[int, str, str]] | None = None) -> list[str]:
    """Bring the database to this program's schema; returns the names that were applied now. Raises StartError.

    wanted: (version, name, SQL) in order, where it is not all of this program's files.
    """
    wanted = wanted or files()
    try:
        connection = connect(path)
        try:
            connection.execute(_VERSIONS)
            known = wanted[-1][0]
            return [name for version, name, sql in wanted if _apply(connection, path, known, version, name, sql)]
        finally:
            connection.close()
    except (sqlite3.Error, DatabaseBusy, DatabaseFailed, DatabaseFull) as error:
        reason = translate(error) if isinstance(error, sqlite3.Error) else error
        raise unusable(path, reason) from error


def require_current(name: str, tables: Callable[[], set[str]], transact: Callable[[Callable[[Tx], T]], T]) -> None:
    """Raise StartError unless the database has exactly this program's schema: commands beside a running server change
    none.
    """
    try:
        newest = transact(newest_version) if "schema_versions" in tables() else 0
    except (DatabaseBusy, DatabaseFailed, DatabaseFull) as error:
        raise unusable(name, error) from error
    known = files()[-1][0]
    refuse_newer(name, newest, known)
    if newest < known:
        raise StartError(
            f"the database {name} has the schema of an earlier version, or none: stop its server, then run the command"
            " migrate"
        )


def newest_version(tx: Tx) -> int:
    """The newest file that was applied. 0 before the first."""
    return tx.one("SELECT COALESCE(MAX(version), 0) FROM schema_versions")[0]


def _apply(connection: sqlite3.Connection, path: Path, known: int, version: int, name: str, sql: str) -> bool:
    connection.execute("BEGIN IMMEDIATE")
    try:
        newest = connection.execute("SELECT COALESCE(MAX(version), 0) FROM schema_versions").fetchone()[0]
        refuse_newer(str(path), newest, known)
        if version <= newest:
            return False
        for statement in statements(sql):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO schema_versions (version, name, applied_at) VALUES (?, ?, ?)", (version, name, now())
        )
        connection.execute("COMMIT")
        return True
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def refuse_newer(database: str, newest: int, known: int) -> None:
    """Raise StartError if the database of this name has a newer schema than this program knows."""
    if newest > known:
        raise StartError(
            f"the database {database} has schema {newest}, this program knows schemas up to {known}. "
            "Start the newer version of Dockboard Registry that made it, or restore a backup from before the upgrade."
        )
