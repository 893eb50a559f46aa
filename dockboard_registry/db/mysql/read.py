"""Single reads from MySQL in the event loop: no thread, a quarter of the time of a way through one.

The function sent to `read` runs twice: first to learn its one statement, then with the rows. A few connections are
watched by the loop; each has one statement under way, the others wait their turn. Of reads that wait with the same
statement one is sent for all: the answer is newer than every one of them, and a herd that pulls one tag costs the
server little. Whatever is unusual (no connection yet, one that was lost, a function with a second statement) is left to
the threads, which try again and wait longer: UseThread is raised, and nothing has happened.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, NamedTuple

import pymysql

from .. import DatabaseFailed, Row, T
from ..pool import settle
from .wire import Answer, Layout, Unreadable, command

_AT_ONCE = 256 << 10
_LEAVE_SECONDS = 1.0
_WOULD_BLOCK = BlockingIOError, ssl.SSLWantReadError
_STATEMENTS = 512
# Bytes of an answer that is remembered. One is remembered for each text of a statement.
_LEARNT = 32 << 10


class UseThread(Exception):
    """The read can't be done here now. The threads do it."""


class _Asked(Exception):
    """Carries the function's statement. It is no error."""


class _Question:
    """The Tx of the first run."""

    def one(self, sql: str, *parameters: Any) -> Row | None:
        raise _Asked(sql, parameters)

    all = one


class _Rows:
    """The Tx of the second run."""

    def __init__(self, sql: str, rows: list[Row]):
        self._sql, self._rows = sql, rows

    def all(self, sql: str, *parameters: Any) -> list[Row]:
        if sql is not self._sql:
            raise UseThread
        self._sql = ""
        return self._rows.copy()  # other callers may get the same rows

    def one(self, sql: str, *parameters: Any) -> Row | None:
        rows = self.all(sql)
        return rows[0] if rows else None


class LoopReader:
    """Reads over at most `size` connections; `open` makes one in a thread, `mogrify(connection, sql, parameters)` is a
    statement's bytes.
    """

    def __init__(
        self, size: int, seconds: float, mogrify: Callable[[Any, str, tuple], bytes], open: Callable[[], asyncio.Future]
    ):
        self._size, self._seconds, self._mogrify, self._open = size, seconds, mogrify, open
        self._links: set[_Link] = set()
        self._idle: list[_Link] = []
        self._queue: dict[bytes, _Query] = {}
        self._opening = 0
        self._statements: dict[tuple[str, tuple], bytes] = {}

    async def read(self, fn: Callable[[Any], T]) -> T:
        """Raises UseThread, pymysql.Error as the server reports one, DatabaseFailed after
        `seconds` without an answer.
        """
        try:
            return fn(_Question())
        except _Asked as asked:
            sql, parameters = asked.args
        return fn(_Rows(sql, await self._rows(sql, parameters)))

    def _rows(self, sql: str, parameters: tuple) -> asyncio.Future:
        """Ask at once or in turn. Raises UseThread if there is no connection and one has to be made first."""
        if not self._idle and len(self._links) + self._opening < self._size:
            self._opening += 1
            self._open().add_done_callback(self._opened)
        if not self._links:
            raise UseThread
        statement = self._statements.get((sql, parameters)) or self._written(sql, parameters)
        query = self._queue.get(statement) or _Query(sql, statement, [])
        future = asyncio.get_running_loop().create_future()
        query.readers.append(future)
        if self._idle:
            self._idle.pop().ask(query)
        else:
            self._queue[statement] = query
        return future

    def _written(self, sql: str, parameters: tuple) -> bytes:
        """The bytes of the statement, remembered because many clients ask for the same."""
        statement = self._mogrify(next(iter(self._links)).connection, sql, parameters)
        if len(self._statements) >= _STATEMENTS:
            self._statements.clear()
        self._statements[sql, parameters] = statement
        return statement

    def _opened(self, done: asyncio.Future) -> None:
        self._opening -= 1
        if done.cancelled() or done.exception() is not None:
            return
        link = _Link(done.result(), self._seconds, self._free, self._lost)
        self._links.add(link)
        self._free(link)

    def _free(self, link: "_Link") -> None:
        """The next statement for which somebody still waits."""
        while self._queue:
            query = self._queue.pop(next(iter(self._queue)))
            if any(not reader.done() for reader in query.readers):
                return link.ask(query)
        return self._idle.append(link)

    def _lost(self, link: "_Link", error: Exception) -> None:
        """If no connection is left, those who wait hear why. After a server's silence they have waited long enough."""
        self._links.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        if not self._links:
            queue, self._queue = self._queue, {}
            for query in queue.values():
                query.settle(None, error if isinstance(error, DatabaseFailed) else UseThread())

    def use(self) -> tuple[int, int, int, int]:
        """Connections that there may be, are, and are busy, and the reads that wait for one."""
        waiting = sum(len(query.readers) for query in self._queue.values())
        return self._size, len(self._links), len(self._links) - len(self._idle), waiting

    def close(self) -> None:
        """Say goodbye to the server. Nothing may be under way."""
        for link in self._links:
            link.leave()


class _Query(NamedTuple):
    """A statement (`sql` with its parameters), and those who wait for its rows."""

    sql: str
    statement: bytes
    readers: list[asyncio.Future]

    def settle(self, rows: list[Row] | None, error: Exception | None = None) -> None:
        for reader in self.readers:
            settle(reader, rows, error)


class _Link:
    """One connection whose socket the loop watches, also while nothing is asked: that it was cut is seen at once.

    free(link): the answer is there, and whoever is next may ask. lost(link, why): the connection ended.
    """

    def __init__(
        self,
        connection: pymysql.Connection,
        seconds: float,
        free: Callable[["_Link"], None],
        lost: Callable[["_Link", Exception], None],
    ):
        self.connection = connection
        self._seconds, self._free, self._lost = seconds, free, lost
        self._socket = connection._sock
        self._socket.setblocking(False)
        self._descriptor = self._socket.fileno()
        self._loop = asyncio.get_running_loop()
        self._query: _Query | None = None
        self._answer: Answer | None = None
        self._layouts: dict[str, Layout] = {}
        self._last: dict[str, tuple[bytes, list[Row]]] = {}
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._descriptor, self._readable)

    def ask(self, query: _Query) -> None:
        self._query, self._answer = query, Answer(self._layouts.get(query.sql))
        self._deadline = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look)
        try:
            packet = command(query.statement)
            whole = self._socket.send(packet) == len(packet)
        except (OSError, Unreadable):
            whole = False
        if not whole:
            self.close(UseThread())

    def _readable(self) -> None:
        try:
            while data := self._socket.recv(_AT_ONCE):
                if self._answer is None:
                    return self.close(UseThread())
                if self._is_known(data):
                    return self._done(self._last[self._query.sql][1])
                if self._answer.feed(data):
                    self._learn(data)
                    return self._done(self._answer.rows)
            self.close(UseThread())
        except _WOULD_BLOCK:
            pass
        except pymysql.Error as error:
            self.close(error)
        except (OSError, Unreadable):
            self.close(UseThread())

    def _is_known(self, data: bytes) -> bool:
        """Whether this is the same answer that the statement had last.

        Then the rows are the same too. Reading them is a tenth of a pull.
        """
        last = self._last.get(self._query.sql)
        return last is not None and data == last[0] and not self._answer.length

    def _learn(self, data: bytes) -> None:
        sql, answer = self._query.sql, self._answer
        self._layouts[sql] = answer.layout
        if answer.length == len(data) <= _LEARNT:
            self._last[sql] = data, answer.rows

    def _done(self, rows: list[Row]) -> None:
        query = self._query
        self._query = self._answer = None
        query.settle(rows)
        self._free(self)

    def _look(self) -> None:
        """One timer for many statements. It looks at the deadline of the last one."""
        self._timer = None
        if self._query is not None and self._loop.time() >= self._deadline:
            self.close(DatabaseFailed(f"the database did not answer within {self._seconds:g} seconds"))
        elif self._query is not None:
            self._timer = self._loop.call_at(self._deadline, self._look)

    def leave(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        self._socket.settimeout(_LEAVE_SECONDS)
        self.connection.close()

    def close(self, error: Exception) -> None:
        """End the connection. A statement under way fails with the error."""
        self._loop.remove_reader(self._descriptor)
        self.connection._force_close()
        query, self._query, self._answer = self._query, None, None
        self._lost(self, error)
        if query is not None:
            query.settle(None, error)
