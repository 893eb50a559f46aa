"""MySQL and MariaDB: a bounded pool of threads with one connection each.

READ COMMITTED: each statement sees what was committed before it, and a row that a transaction changed or locked
(`Tx.lock`) stays as it is until that transaction ends. A connection is closed after any error. No GET_LOCK, no ping;
every wait has a limit. Errors by number: dev.mysql.com/doc/mysql-errors, mariadb.com/kb/en/mariadb-error-codes.
"""

import contextlib
import functools
import logging
import random
import re
import ssl
import time
from collections.abc import Callable
from time import perf_counter
from typing import Any

import pymysql
from pymysql.constants import CLIENT, CR, ER

from ...config.database_url import MySQLUrl
from ...errors import StartError
from ...wording import why
from .. import Database, DatabaseBusy, DatabaseFailed, DatabaseFull, OutcomeUnknown, Row, T
from ..for_jobs import ForJobs
from ..observer import CONFLICT, KINDS, LOST, TOO_MANY, Observer, PoolUse, timed
from ..pool import Pool
from ..turns import Turns
from .read import LoopReader, UseThread

_log = logging.getLogger("dockboard.database")

CONNECT_SECONDS, READ_SECONDS, WRITE_SECONDS = 5, 30, 30
# Seconds for each answer during the login. A server that takes connections and says nothing is given up soon.
LOGIN_SECONDS = 5
# Seconds for which work is tried again after a conflict or a lost connection. A wait for a lock ends before that.
_PATIENCE, _LOCK_SECONDS = 8.0, 4
_PAUSE, _LONGEST_PAUSE = 0.005, 0.5
_MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
_TRANSACTION = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"

# The server undid the transaction, or can be asked to: 1205, 1213, certification of Galera and group replication.
COLLISIONS = {ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK, 3101}
# The connection is lost or ending: 1053 shutdown, 1927 killed (MariaDB), 1047 a Galera node that left its cluster.
_GONE = {CR.CR_SERVER_GONE_ERROR, CR.CR_SERVER_LOST, CR.CR_SERVER_LOST_EXTENDED, ER.SERVER_SHUTDOWN, 1927, 1047}
_NO_CONNECTION = {CR.CR_CONNECTION_ERROR, CR.CR_CONN_HOST_ERROR}
_TOO_MANY = {ER.CON_COUNT_ERROR, ER.TOO_MANY_USER_CONNECTIONS, ER.USER_LIMIT_REACHED}
_FULL = {ER.DISK_FULL, ER.RECORD_FILE_FULL, 3}
_RETRIED = COLLISIONS | _GONE | _NO_CONNECTION | _TOO_MANY

_NEEDS_TLS = (
    "the account logs in by caching_sha2_password or sha256_password, whose password goes over TLS or a local socket"
    " only: add ?tls=verify&ca=FILE or ?socket=PATH to database.url, or let the account use mysql_native_password. A"
    " wrong password looks the same from here"
)
_TOKEN = re.compile(r"'(?:[^']|'')*'|[?%]")


@functools.lru_cache(maxsize=1024)
def placeholders(sql: str) -> str:
    """Portable SQL for PyMySQL: ? becomes %s, and a literal % is doubled. Quoted text stays."""

    def one(found: re.Match) -> str:
        return "%s" if found[0] == "?" else found[0].replace("%", "%%")

    return _TOKEN.sub(one, sql)


class MySQLTx:
    """A Tx over one connection."""

    alone = False

    def __init__(self, connection: pymysql.Connection, doubtful: bool = False):
        self._cursor = connection.cursor()
        self.doubtful = doubtful

    def _execute(self, sql: str, parameters: tuple) -> int:
        return self._cursor.execute(placeholders(sql), parameters)

    def one(self, sql: str, *parameters: Any) -> Row | None:
        self._execute(sql, parameters)
        return self._cursor.fetchone()

    def lock(self, sql: str, *parameters: Any) -> Row | None:
        self._execute(sql + " FOR UPDATE", parameters)
        return self._cursor.fetchone()

    def all(self, sql: str, *parameters: Any) -> list[Row]:
        self._execute(sql, parameters)
        return list(self._cursor.fetchall())

    def run(self, sql: str, *parameters: Any) -> int:
        return self._execute(sql, parameters)

    def insert(self, sql: str, *parameters: Any) -> bool:
        try:
            self._execute(sql, parameters)
        except pymysql.IntegrityError as error:
            if error.args[0] == ER.DUP_ENTRY:
                return False
            raise
        return True


def _statement(connection: pymysql.Connection, sql: str, parameters: tuple) -> bytes:
    literals = tuple(connection.escape(each, connection.encoders) for each in parameters)
    return (placeholders(sql) % literals).encode("utf-8", "surrogateescape")


def number(error: pymysql.Error) -> int:
    """The number of the error, or 0."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


_LOGIN = "Check user and password in database.url, and that the server lets this user in from here (docs/databases.md)"
_REACH = "Check host and port in database.url, and that the server runs"
_NEXT = {
    **dict.fromkeys((ER.ACCESS_DENIED_ERROR, 1698), _LOGIN),
    ER.DBACCESS_DENIED_ERROR: "Give the user of database.url all rights on this database (docs/databases.md)",
    ER.BAD_DB_ERROR: "Make the database first: CREATE DATABASE, as docs/databases.md says",
    **dict.fromkeys((CR.CR_CONN_HOST_ERROR, CR.CR_CONNECTION_ERROR, CR.CR_UNKNOWN_HOST), _REACH),
}


def translate(error: pymysql.Error) -> Exception:
    """The database layer's own error for one of PyMySQL's."""
    code = number(error)
    reason = f"{why(Exception(error.args[1]))} (error {code})" if len(error.args) > 1 else str(error)
    if code in COLLISIONS | _TOO_MANY:
        return DatabaseBusy(reason)
    if code in _FULL:
        return DatabaseFull(reason)
    return DatabaseFailed(reason, _NEXT.get(code, ""))


class _Connection(pymysql.Connection):
    def give_answers(self, seconds: float) -> None:
        """Wait so long for each answer from now on. PyMySQL sets the socket's limit from this before each answer."""
        self._read_timeout = seconds


def connect(url: MySQLUrl, read_seconds: float = READ_SECONDS) -> pymysql.Connection:
    """A connection in autocommit mode. Raises pymysql.Error; DatabaseFailed if the login can't work over it."""
    connection = _logged_in(url)
    try:
        _configure(connection.cursor())
        connection.give_answers(read_seconds)
    except BaseException:
        discard(connection)
        raise
    return connection


def _logged_in(url: MySQLUrl) -> "_Connection":
    try:
        return _Connection(
            host=url.host,
            port=url.port,
            unix_socket=url.socket or None,
            user=url.user,
            password=url.secret().encode(),
            database=url.name,
            charset="utf8mb4",
            collation="utf8mb4_bin",
            sql_mode=_MODE,
            init_command=_TRANSACTION,
            client_flag=CLIENT.FOUND_ROWS,
            autocommit=True,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=LOGIN_SECONDS,
            write_timeout=WRITE_SECONDS,
            ssl=_tls(url),
            ssl_disabled=not url.tls,
        )
    except (RuntimeError, StartError) as error:
        raise DatabaseFailed(_NEEDS_TLS if isinstance(error, RuntimeError) else str(error)) from error
    except pymysql.OperationalError as error:
        if number(error) == CR.CR_SERVER_LOST:
            reason = f"{url.host}:{url.port} took the connection and did not finish the login"
            raise pymysql.OperationalError(CR.CR_SERVER_LOST, reason) from error
        raise


def _configure(cursor) -> None:
    cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {_LOCK_SECONDS}")
    cursor.execute("SHOW VARIABLES LIKE 'wsrep_on'")
    if cursor.fetchone() == ("wsrep_on", "ON"):
        # Galera: a node answers only after it has applied what the others had committed.
        cursor.execute("SET SESSION wsrep_sync_wait = 7")


def _tls(url: MySQLUrl) -> ssl.SSLContext | None:
    if not url.tls:
        return None
    try:
        return ssl.create_default_context(cafile=url.ca or None)
    except (OSError, ssl.SSLError) as error:
        raise DatabaseFailed(f"can't use the certificates in {url.ca} (database.url, ca): {why(error)}") from error


def discard(connection: pymysql.Connection) -> None:
    """Close after an error. The transaction's locks are released first if the server still answers."""
    with contextlib.suppress(pymysql.Error, OSError):
        if connection.open:
            connection.rollback()
            connection.close()


class MySQLSession:
    """One thread's connection, made when it is needed and again after every error.

    writes: it does nothing else than `write`, without autocommit, so that a transaction begins with its first
    statement: a round trip less.
    """

    def __init__(self, url: MySQLUrl, observer: Observer = Observer(), writes: bool = False):
        self._url = url
        self._writes = writes
        self._observer = observer
        self._connection: pymysql.Connection | None = None
        self._doubtful = False

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def _connected(self) -> pymysql.Connection:
        if self._connection is None:
            self._connection = connect(self._url)
            if self._writes:
                self._connection.autocommit(False)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            discard(self._connection)
            self._connection = None

    def read(self, fn: Callable[[MySQLTx], T], asked: float) -> T:
        """asked: the time.monotonic() of the request.

        Of many reads that wait for a lost server none tries longer than the first.
        """
        return self._again(lambda: fn(MySQLTx(self._connected())), asked)

    def scan(self, fn: Callable[[MySQLTx], T]) -> T:
        return self._again(lambda: self._in_transaction(_SNAPSHOT, fn, repeatable=True))

    def write(self, fn: Callable[[MySQLTx], T], repeatable: bool) -> T:
        self._doubtful = False
        return self._again(lambda: self._in_transaction((), fn, repeatable))

    def _in_transaction(self, begin: tuple[str, ...], fn: Callable[[MySQLTx], T], repeatable: bool) -> T:
        connection = self._connected()
        cursor = connection.cursor()
        for statement in begin:
            cursor.execute(statement)
        try:
            outcome = fn(MySQLTx(connection, self._doubtful))
        except pymysql.Error:
            raise
        except BaseException:
            self._roll_back(connection)
            raise
        try:
            connection.commit()
        except pymysql.Error as error:
            self._doubtful = self._doubtful or number(error) in _GONE
            if number(error) in _GONE and not repeatable:
                self.close()
                self._observer.outcome_unknown()
                raise OutcomeUnknown(f"the connection was lost during COMMIT: {error}") from error
            raise
        return outcome

    def _roll_back(self, connection: pymysql.Connection) -> None:
        """After the function's own error, which is the one to report."""
        try:
            connection.rollback()
        except pymysql.Error:
            self.close()

    def _again(self, attempt: Callable[[], T], begun: float | None = None) -> T:
        """Try until it works, fails for good, or has taken too long since `asked` (now, if that is not given)."""
        begun, pause = begun or time.monotonic(), _PAUSE
        while True:
            try:
                return attempt()
            except pymysql.Error as error:
                self.close()
                if not _may_help(error) or time.monotonic() + pause - begun > _PATIENCE:
                    raise translate(error) from error
                _log.debug("trying again after %s", error)
                self._observer.retried(_cause(error))
            time.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, _LONGEST_PAUSE)


def _may_help(error: pymysql.Error) -> bool:
    """Whether trying again may work. It does not if the server's certificate is wrong."""
    return number(error) in _RETRIED and not isinstance(getattr(error, "original_exception", None), ssl.SSLError)


def _cause(error: pymysql.Error) -> str:
    """Which of observer.CAUSES."""
    code = number(error)
    return CONFLICT if code in COLLISIONS else TOO_MANY if code in _TOO_MANY else LOST


class MySQLDatabase:
    """`Database` over one server; one instance a process, made after fork. connections: at most so many at once.

    Half of them write, a quarter and one read, an eighth scan, so pulls find a connection while writers wait for locks.
    Long scans and those of jobs take one each of those that write. The server's settings say how durable a commit is.
    """

    def __init__(self, url: MySQLUrl, connections: int = 8, observer: Observer = Observer()):
        quarter, eighth = max(1, connections // 4), max(1, connections // 8)
        self._observer = observer
        self._read_timer, self._scan_timer, self._write_timer = map(observer.timer, KINDS)
        self._reads = Pool("read", 1, lambda: MySQLSession(url, observer))
        self._scans = Pool("scan", eighth, lambda: MySQLSession(url, observer))
        writers = max(1, connections - quarter - eighth - 1)
        self._writes = Pool("write", writers, lambda: MySQLSession(url, observer, writes=True))
        # A thread of its own, so that other work does not wait behind a login that nobody answers.
        self._logins = Pool("login", 1, lambda: MySQLSession(url, observer))
        self._long_scan_turns, self._job_scan_turns = Turns(), Turns()
        self._reader = LoopReader(
            quarter, READ_SECONDS, _statement, lambda: self._logins.submit(lambda _: connect(url))
        )

    async def read(self, fn: Callable[[MySQLTx], T]) -> T:
        begun = perf_counter()
        try:
            return await self._read(fn)
        finally:
            self._read_timer(perf_counter() - begun)

    async def _read(self, fn: Callable[[MySQLTx], T]) -> T:
        try:
            return await self._reader.read(fn)
        except UseThread:
            pass
        except pymysql.Error as error:
            if not _may_help(error):
                raise translate(error) from error
            self._observer.retried(_cause(error))
        asked = time.monotonic()
        return await self._reads.submit(lambda session: session.read(fn, asked))

    def scan(self, fn: Callable[[MySQLTx], T], long: bool = False):
        return self._scan_alone(self._long_scan_turns, fn) if long else self._scan(self._scans, fn)

    def _scan(self, pool: Pool, fn: Callable[[MySQLTx], T]):
        begun = perf_counter()
        return timed(pool.submit(lambda session: session.scan(fn)), self._scan_timer, begun)

    async def _scan_alone(self, turns: Turns, fn: Callable[[MySQLTx], T]) -> T:
        async with turns.take():
            return await self._scan(self._writes, fn)

    def for_jobs(self) -> Database:
        return ForJobs(self, lambda fn: self._scan_alone(self._job_scan_turns, fn))

    def write(
        self,
        fn: Callable[[MySQLTx], T],
        durable: bool = True,
        repeatable: bool = False,
        brings: int = 0,
        long: bool = False,
    ):
        begun = perf_counter()
        return timed(self._writes.submit(lambda session: session.write(fn, repeatable)), self._write_timer, begun)

    async def compact(self) -> None:
        """InnoDB reuses the room of deleted rows by itself."""

    def pools(self) -> list[PoolUse]:
        kind, *threads = self._reads.use()
        reads = PoolUse(kind, *(sum(both) for both in zip(threads, self._reader.use())))
        return [reads, self._scans.use(), self._writes.use()]

    def close(self) -> None:
        """Wait for the work that was asked for, then close."""
        self._reader.close()
        for pool in (self._logins, self._writes, self._scans, self._reads):
            pool.close()


def transact(url: MySQLUrl, fn: Callable[[MySQLTx], T]) -> T:
    """One write transaction at the start, before there is an event loop. fn is repeatable."""
    session = MySQLSession(url, writes=True)
    try:
        return session.write(fn, repeatable=True)
    finally:
        session.close()
