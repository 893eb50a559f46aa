"""Single reads from MySQL in the event loop: no thread, a quarter of the time of a way through one.

The function sent to `read` runs twice: first to learn its one statement, then with the rows. A few connections are watched by the
loop; each has one statement under way, the others wait their turn. Whatever is unusual (no connection yet, one that was lost, a
function with a second statement) is left to the threads, which try again with patience: Elsewhere is raised, and nothing has happened.
"""

import asyncio
import collections
import ssl
from collections.abc import Callable
from typing import Any

import pymysql

from . import DatabaseFailed, Row, T
from .mysql_wire import Answer, Layout, Unreadable, command

_AT_ONCE = 256 << 10
_LEAVE_SECONDS = 1.0
_WOULD_BLOCK = BlockingIOError, ssl.SSLWantReadError


class Elsewhere(Exception):
    """Not here and now: read by the threads."""


class _Asked(Exception):
    """The function's statement; not an error."""


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
            raise Elsewhere
        self._sql = ""
        return self._rows

    def one(self, sql: str, *parameters: Any) -> Row | None:
        rows = self.all(sql)
        return rows[0] if rows else None


class LoopReader:
    """Reads over at most `size` connections, which `connect` makes in a thread of `submit`."""

    def __init__(self, size: int, seconds: float, mogrify: Callable[[Any, str, tuple], bytes], open: Callable[[], asyncio.Future]):
        self._size, self._seconds, self._mogrify, self._open = size, seconds, mogrify, open
        self._links: set[_Link] = set()
        self._idle: list[_Link] = []
        self._waiting: collections.deque[asyncio.Future] = collections.deque()
        self._opening = 0

    async def read(self, fn: Callable[[Any], T]) -> T:
        """Raises Elsewhere, pymysql.Error as the server reports one, DatabaseFailed after `seconds` without an answer."""
        try:
            return fn(_Question())
        except _Asked as asked:
            sql, parameters = asked.args
        link = await self._link()
        try:
            rows = await link.query(sql, self._mogrify(link.connection, sql, parameters))
        finally:
            self._give_back(link)
        return fn(_Rows(sql, rows))

    async def _link(self) -> "_Link":
        """A connection for one statement. Raises Elsewhere where there is none and this process has to connect first."""
        if self._idle:
            return self._idle.pop()
        if len(self._links) + self._opening < self._size:
            self._opening += 1
            self._open().add_done_callback(self._opened)
        if not self._links:
            raise Elsewhere
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            link = await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:
                self._give_back(turn.result())
            raise
        if link not in self._links:  # lost since it was promised
            raise Elsewhere
        return link

    def _opened(self, done: asyncio.Future) -> None:
        self._opening -= 1
        if done.cancelled() or done.exception() is not None:
            return
        link = _Link(done.result(), self._seconds, self._lost)
        self._links.add(link)
        self._give_back(link)

    def _give_back(self, link: "_Link") -> None:
        """To who waits longest, or to the idle ones. One whose statement was abandoned comes back when its answer has come."""
        if link.busy:
            link.when_free = self._give_back
            return
        if link not in self._links:
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                return turn.set_result(link)
        self._idle.append(link)

    def _lost(self, link: "_Link", error: Exception) -> None:
        """Who waits for a turn where no connection is left hears why: after a server's silence they have waited long enough."""
        self._links.discard(link)
        if link in self._idle:
            self._idle.remove(link)
        while self._waiting and not self._links:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(error if isinstance(error, DatabaseFailed) else Elsewhere())

    def use(self) -> tuple[int, int, int, int]:
        """Connections: how many there may be, are, and are busy; how many reads wait for one."""
        return self._size, len(self._links), len(self._links) - len(self._idle), len(self._waiting)

    def close(self) -> None:
        """Take leave of the server; nothing may be under way."""
        for link in self._links:
            link.leave()


class _Link:
    """One connection whose socket the loop watches, also while nothing is asked: that it was cut is seen at once."""

    def __init__(self, connection: pymysql.Connection, seconds: float, lost: Callable[["_Link", Exception], None]):
        self.connection = connection
        self.when_free: Callable[["_Link"], None] | None = None
        self._seconds, self._lost = seconds, lost
        self._socket = connection._sock
        self._socket.setblocking(False)
        self._loop = asyncio.get_running_loop()
        self._answer: Answer | None = None
        self._layouts: dict[str, Layout] = {}
        self._sql = ""
        self._future: asyncio.Future | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._socket, self._readable)

    @property
    def busy(self) -> bool:
        return self._answer is not None

    def query(self, sql: str, statement: bytes) -> asyncio.Future:
        """The rows of the statement, which is `sql` with its parameters."""
        self._future = self._loop.create_future()
        self._sql, self._answer = sql, Answer(self._layouts.get(sql))
        self._deadline = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_at(self._deadline, self._look)
        try:
            packet = command(statement)
            if self._socket.send(packet) != len(packet):
                raise Elsewhere
        except (OSError, Unreadable, Elsewhere):
            self.close(Elsewhere())
        return self._future

    def _readable(self) -> None:
        try:
            while data := self._socket.recv(_AT_ONCE):
                if self._answer is None:
                    return self.close(Elsewhere())
                if self._answer.feed(data):
                    self._layouts[self._sql] = self._answer.layout
                    return self._resolve(self._answer.rows, None)
            self.close(Elsewhere())
        except _WOULD_BLOCK:
            pass
        except pymysql.Error as error:
            self.close(error)
        except (OSError, Unreadable):
            self.close(Elsewhere())

    def _look(self) -> None:
        """One timer for many statements: it looks at the deadline of the last one."""
        self._timer = None
        if self.busy and self._loop.time() >= self._deadline:
            self.close(DatabaseFailed(f"the database did not answer within {self._seconds:g} seconds"))
        elif self.busy:
            self._timer = self._loop.call_at(self._deadline, self._look)

    def leave(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
        self._socket.settimeout(_LEAVE_SECONDS)
        self.connection.close()

    def close(self, error: Exception) -> None:
        """End the connection; a statement under way fails with the error."""
        self._loop.remove_reader(self._socket)
        self.connection._force_close()
        self._lost(self, error)
        if self._answer is not None:
            self._resolve(None, error)

    def _resolve(self, rows: list[Row] | None, error: Exception | None) -> None:
        future, self._answer = self._future, None
        if not future.done():
            future.set_result(rows) if error is None else future.set_exception(error)
        if self.when_free is not None:
            free, self.when_free = self.when_free, None
            free(self)
