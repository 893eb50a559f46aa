"""The numbered files on MySQL, where a change of the schema can't be undone: progress is noted statement by statement.

Table schema_progress has one row: which statement of which file is under way, and who has the turn. The turn is a lease
with a fence: taking it is one UPDATE that raises the fence, and each step of a migration is an UPDATE that names the
fence. So any number of nodes start at once and one applies; if it dies, another goes on after a few seconds. A
statement that was under way then is run again, and what it had done already ("exists already", "is gone already") is
not an error of that statement.
"""

import logging
import re
import secrets
import threading
import time
from typing import NamedTuple

import pymysql
from pymysql.constants import ER

from ...config.database_url import MySQLUrl
from ...errors import StartError
from .. import DatabaseFailed, now, unusable
from ..migrate import files, newest_version, refuse_newer, statements
from .database import COLLISIONS, MySQLTx, connect, discard, number, translate

_log = logging.getLogger("dockboard.database")

_LEASE_MS, _BEAT_SECONDS, _POLL_SECONDS = 5000, 1.0, 0.1
# Seconds. A change of a large table takes its time. The beat, not this limit, finds out that the server is lost.
_STATEMENT_SECONDS = 7 * 86400
_ATTEMPTS = 20
_TABLE = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS schema_versions (version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL,"
    f" applied_at BIGINT NOT NULL){_TABLE}"
)
_PROGRESS = (
    "CREATE TABLE IF NOT EXISTS schema_progress (id BIGINT NOT NULL PRIMARY KEY, version BIGINT NOT NULL, done BIGINT"
    " NOT NULL, under_way BIGINT NOT NULL, holder VARCHAR(64) NOT NULL, fence BIGINT NOT NULL, expires_at BIGINT NOT"
    f" NULL){_TABLE}"
)
# The server's clock, because the nodes' clocks may differ.
_CLOCK = "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)"
_TAKE = (
    f"UPDATE schema_progress SET holder = ?, fence = fence + 1, expires_at = {_CLOCK} + {_LEASE_MS} WHERE id = 1 AND"
    f" fence = ? AND expires_at <= {_CLOCK}"
)
_KEEP = f"UPDATE schema_progress SET expires_at = {_CLOCK} + {_LEASE_MS} WHERE id = 1 AND fence = ?"
_GIVE = "UPDATE schema_progress SET expires_at = 0 WHERE id = 1 AND fence = ?"
_BEGIN = "UPDATE schema_progress SET version = ?, under_way = ? WHERE id = 1 AND fence = ?"
_DONE = "UPDATE schema_progress SET version = ?, done = ? WHERE id = 1 AND fence = ?"
_DONE_BEFORE = {ER.TABLE_EXISTS_ERROR, ER.DUP_FIELDNAME, ER.DUP_KEYNAME, ER.CANT_DROP_FIELD_OR_KEY, ER.BAD_TABLE_ERROR}
_DATA = re.compile(r"(INSERT|UPDATE|DELETE)\b", re.I)


class _Lost(Exception):
    """Another node has the turn by now."""


class _Progress(NamedTuple):
    """Statements count from 1. `done` are finished, `under_way` was begun."""

    version: int
    done: int
    under_way: int


def migrate(url: MySQLUrl, wanted: list[tuple[int, str, str]] | None = None) -> list[str]:
    """Bring the database to this program's schema; returns the names of the files that were finished here.

    Raises StartError.

    wanted: (version, name, SQL) in order, where it is not all of this program's files.
    """
    wanted = wanted or files()
    applied: list[str] = []
    for attempt in range(_ATTEMPTS):
        try:
            _migrate(url, wanted, applied)
            return applied
        except _Lost:
            continue
        except (pymysql.Error, DatabaseFailed) as error:
            if isinstance(error, pymysql.Error) and number(error) in COLLISIONS:
                # Two nodes of a Galera cluster changed the same row at once. Each step is safe to repeat.
                time.sleep(_POLL_SECONDS)
                continue
            reason = translate(error) if isinstance(error, pymysql.Error) else error
            raise StartError(
                f"the database {url} can't be used: {reason}. Nothing is half done for good: "
                "what was applied of a migration is noted, and the next start goes on from there."
            ) from error
    raise StartError(f"the turn to migrate {url} was lost {_ATTEMPTS} times: is the server's clock jumping?")


def _migrate(url: MySQLUrl, wanted: list, applied: list[str]) -> None:
    connection = _connect(url)
    try:
        tx = MySQLTx(connection)
        newest = _newest(tx)
        refuse_newer(str(url), newest, wanted[-1][0])
        if newest < wanted[-1][0]:
            _make_tables(tx)
            _take_lease_and_apply(url, wanted, connection, tx, applied)
    finally:
        discard(connection)


def _connect(url: MySQLUrl) -> pymysql.Connection:
    try:
        return connect(url, _STATEMENT_SECONDS)
    except (pymysql.Error, DatabaseFailed) as error:
        reason = translate(error) if isinstance(error, pymysql.Error) else error
        raise unusable(url, reason) from error


def _newest(tx: MySQLTx) -> int:
    """The newest version that was applied. 0 in an empty database."""
    try:
        return newest_version(tx)
    except pymysql.Error as error:
        if number(error) != ER.NO_SUCH_TABLE:
            raise
        return 0


def _make_tables(tx: MySQLTx) -> None:
    tx.run(_VERSIONS)
    tx.run(_PROGRESS)
    tx.insert(
        "INSERT INTO schema_progress (id, version, done, under_way, holder, fence, expires_at) VALUES (1, 0, 0, 0, '',"
        " 0, 0)"
    )


def _take_lease_and_apply(
    url: MySQLUrl, wanted: list, connection: pymysql.Connection, tx: MySQLTx, applied: list[str]
) -> None:
    fence = _take_lease(url, tx, wanted[-1][0])
    if fence is None:
        return
    with _Beat(url, fence):
        try:
            for version, name, sql in wanted:
                if version > _newest(tx):
                    _apply(connection, tx, fence, version, name, sql)
                    applied.append(name)
        finally:
            if connection.open:
                connection.rollback()
                tx.run(_GIVE, fence)


def _take_lease(url: MySQLUrl, tx: MySQLTx, last: int) -> int | None:
    """Wait for the turn and return its fence. None if other nodes finished the work meanwhile."""
    holder, said = secrets.token_hex(8), False
    while _newest(tx) < last:
        fence, other = tx.one("SELECT fence, holder FROM schema_progress WHERE id = 1")
        if tx.run(_TAKE, holder, fence):
            return fence + 1
        if not said:
            _log.info("waiting for another node, which migrates the database (%s)", other)
            said = True
        time.sleep(_POLL_SECONDS)
    refuse_newer(str(url), _newest(tx), last)
    return None


def _apply(connection: pymysql.Connection, tx: MySQLTx, fence: int, version: int, name: str, sql: str) -> None:
    progress = _Progress(*tx.one("SELECT version, done, under_way FROM schema_progress WHERE id = 1"))
    if progress.version != version:
        progress = _Progress(version, 0, 0)
        _step(
            tx,
            "UPDATE schema_progress SET version = ?, done = 0, under_way = 0 WHERE id = 1 AND fence = ?",
            version,
            fence,
        )
    for at, statement in enumerate(statements(sql), 1):
        if at > progress.done:
            _run(connection, tx, fence, version, at, statement, begun_before=at == progress.under_way)
    connection.begin()
    _step(tx, "UPDATE schema_progress SET version = 0, done = 0, under_way = 0 WHERE id = 1 AND fence = ?", fence)
    tx.run("INSERT INTO schema_versions (version, name, applied_at) VALUES (?, ?, ?)", version, name, now())
    connection.commit()


def _run(
    connection: pymysql.Connection, tx: MySQLTx, fence: int, version: int, at: int, statement: str, begun_before: bool
) -> None:
    """Run one statement.

    A change of rows is one transaction with its note. A change of the schema is noted before and after.
    """
    if _DATA.match(statement):
        connection.begin()
        _step(tx, _DONE, version, at, fence)
        tx.run(statement)
        connection.commit()
        return
    _step(tx, _BEGIN, version, at, fence)
    try:
        tx.run(_of_mysql(statement))
    except pymysql.Error as error:
        if number(error) not in _DONE_BEFORE:
            raise
        if not begun_before:
            # This node had the only turn, unless it was lost. Then another has run this statement.
            _step(tx, _KEEP, fence)
            raise
    _step(tx, _DONE, version, at, fence)


def _step(tx: MySQLTx, sql: str, *parameters) -> None:
    if not tx.run(sql, *parameters):
        raise _Lost


def _of_mysql(statement: str) -> str:
    return statement.rstrip().rstrip(";") + _TABLE if statement.startswith("CREATE TABLE") else statement


class _Beat:
    """Keeps the turn over a connection of its own while a statement runs for long."""

    def __init__(self, url: MySQLUrl, fence: int):
        self._url, self._fence = url, fence
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="migrate-beat", daemon=True)

    def _run(self) -> None:
        connection = None
        while not self._end.wait(_BEAT_SECONDS):
            try:
                connection = connection or connect(self._url)
                MySQLTx(connection).run(_KEEP, self._fence)
            except (pymysql.Error, DatabaseFailed) as error:
                _log.warning("the turn to migrate could not be kept: %s", error)
                connection = connection and discard(connection)
        if connection:
            discard(connection)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
