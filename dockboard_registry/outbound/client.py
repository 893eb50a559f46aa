"""HTTP requests to other servers: object stores now; later upstream registries, webhooks and sign-on.

`send` blocks, so it is called in threads. It does not follow redirects, decodes no content codings and uses no proxy of
the environment.
"""

import functools
import http.client
import io
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..wording import why
from .breaker import Breaker
from .connections import Connection, Connections, Limits, Origin
from .errors import AnswerTooLarge, NotTried, Unreachable
from .guard import Guard, anywhere
from .retries import RETRIED, Allowance, Attempts, wanted_pause

_MOST_BYTES = 64 << 20
_ATTEMPTS = 5
# A connection that fails before an answer, after it was idle, is replaced so often without counting as a failure.
_STALE = 2
# An empty pipe has room for so many bytes, however short it is.
_PIPE_BYTES = 8 << 10


def no_fields() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Request:
    """fields: makes the header fields, for each attempt anew, because signatures have a date. Host is among them or
    made from the URL. repeatable: whether it may be sent again when nobody knows what became of it. answer: seconds
    until the first byte of the answer, where the client's own limit is too short. before and after: bytes around the
    body, as in a form, so that a large body is not copied. retried: the statuses after which it is sent again.
    """

    method: str
    url: str
    fields: Callable[[], Mapping[str, str]] = no_fields
    body: bytes | memoryview = b""
    repeatable: bool = True
    answer: float | None = None
    before: bytes = b""
    after: bytes = b""
    retried: frozenset[int] = RETRIED

    @property
    def size(self) -> int:
        """The bytes that are sent after the header fields."""
        return len(self.before) + len(self.body) + len(self.after)


@dataclass
class Answer:
    """body: all bytes; empty if they are streamed, and then `read` gives them and `close` has to be called."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    _stream: "Stream | None" = field(default=None, repr=False)

    @property
    def length(self) -> int | None:
        """The number of bytes that are streamed, if the server has told it."""
        return self._stream.left if self._stream else len(self.body)

    def read(self, count: int) -> bytes:
        """So many bytes, fewer only at the end. Raises Unreachable if the body ends early or stalls."""
        return self._stream.read(count)

    @property
    def passes(self) -> bool:
        """Whether `pass_on` works: the body is streamed, its length is known, and it comes without TLS."""
        return self._stream is not None and self._stream.passes

    def pass_on(self, pipe: int, most: int) -> int:
        """Move bytes of the body into a pipe, which is empty, without reading them (splice(2)).

        Takes as many as have come, `most` at most, and waits for the first ones. Returns their number. Raises
        Unreachable if the body ends early or stalls.
        """
        return self._stream.pass_on(pipe, most)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


class Observer:
    """Is told about requests, from any thread. This one counts nothing."""

    def answered(self, method: str, status: int, seconds: float, sent: int) -> None:
        """One attempt had an answer."""

    def failed(self, method: str) -> None:
        """One attempt had no answer."""

    def received(self, method: str, count: int) -> None:
        """So many bytes of a streamed body came."""

    def retried(self) -> None:
        """A request is sent again."""

    def broken(self, is_open: bool) -> None:
        """From now on requests to a server fail at once, or no longer."""


class Client:
    """ca_file: PEM file with the certificates to trust; empty = the system's. budget: seconds in which a request may
    begin again. Used by many threads.
    """

    def __init__(
        self,
        guard: Guard = anywhere,
        ca_file: str = "",
        limits: Limits = Limits(),
        connections: int = 64,
        budget: float = 20.0,
        observer: Observer = Observer(),
    ):
        self._limits, self._budget, self._observer = limits, budget, observer
        self._connections = Connections(limits, guard, ca_file, connections)
        self._allowance = Allowance()
        self._breakers: dict[Origin, Breaker] = {}

    def send(self, request: Request, stream: bool = False) -> Answer:
        """The answer, whatever its status is. stream: the body of an answer with 2xx is not read yet.

        Raises Unreachable, AddressRefused, AnswerTooLarge.
        """
        origin = Origin.of(request.url)
        breaker = self._breakers.get(origin) or self._breakers.setdefault(
            origin, Breaker(str(origin), changed=self._observer.broken)
        )
        attempts = Attempts(self._allowance, _ATTEMPTS, self._budget)
        while True:
            breaker.enter()
            try:
                answer = self._attempt(request, origin, stream)
            except NotTried:
                raise
            except Unreachable as error:
                breaker.failed(str(error))
                pause = attempts.pause() if request.repeatable else None
                if pause is None:
                    raise
            else:
                if answer.status not in request.retried:
                    breaker.succeeded()
                    self._allowance.earn()
                    return answer
                breaker.failed(f"it answered {answer.status}")
                pause = attempts.pause(wanted_pause(answer.headers))
                if pause is None:
                    return answer
            self._observer.retried()
            time.sleep(pause)

    def is_broken(self, url: str) -> bool:
        """Whether requests to this server fail at once now."""
        breaker = self._breakers.get(Origin.of(url))
        return breaker is not None and breaker.is_open

    def _attempt(self, request: Request, origin: Origin, stream: bool) -> Answer:
        begun = time.perf_counter()
        try:
            answer = self._answered(request, origin, stream)
        except Unreachable:
            self._observer.failed(request.method)
            raise
        self._observer.answered(request.method, answer.status, time.perf_counter() - begun, request.size)
        return answer

    def _answered(self, request: Request, origin: Origin, stream: bool) -> Answer:
        """Raises Unreachable. A connection that was idle may have been closed meanwhile; then another one is used."""
        for number in range(_STALE + 1):
            connection = self._connections.take(origin, fresh=number == _STALE)
            reusable = False
            try:
                response = self._exchange(connection, request)
                if stream and 200 <= response.status < 300:
                    count = functools.partial(self._observer.received, request.method)
                    made = Stream(self._connections, connection, origin, response, self._limits.read, count)
                    connection = None
                    return Answer(response.status, response.headers, b"", made)
                answer = Answer(response.status, response.headers, self._body(connection, response))
                reusable = not response.will_close
                return answer
            except (OSError, http.client.HTTPException) as error:
                stale = connection.was_used and isinstance(error, ConnectionError | http.client.BadStatusLine)
                if number == _STALE or not stale or not request.repeatable:
                    raise Unreachable(f"{origin}: {_words(error)}") from error
            finally:
                if connection is not None:
                    self._connections.give_back(connection, origin, reusable)
        raise Unreachable(f"{origin}: no connection")

    def _exchange(self, connection: Connection, request: Request) -> http.client.HTTPResponse:
        parts = urlsplit(request.url)
        fields = {"Host": parts.netloc.rpartition("@")[2], **request.fields()}
        if connection.sock is None:
            connection.connect()
        connection.limit(self._limits.send)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in fields.items():
            connection.putheader(name, value)
        if request.size or request.method in ("PUT", "POST"):
            connection.putheader("Content-Length", str(request.size))
        try:
            connection.endheaders()
            for piece in (request.before, request.body, request.after):
                connection.send_body(memoryview(piece))
        except (BrokenPipeError, ConnectionResetError):
            # A server may answer before it has read the body, and close. The answer says more than this error.
            connection.limit(self._limits.connect)
            response = connection.getresponse()
            response.will_close = True
            return response
        connection.limit(request.answer or self._limits.answer)
        return connection.getresponse()

    def _body(self, connection: Connection, response: http.client.HTTPResponse) -> bytes:
        connection.limit(self._limits.read)
        if (response.length or 0) > _MOST_BYTES:
            raise AnswerTooLarge("the answer has too many bytes")
        body = response.read() if response.length is not None else response.read(_MOST_BYTES + 1)
        if len(body) > _MOST_BYTES:
            raise AnswerTooLarge("the answer has too many bytes")
        return body

    def close(self) -> None:
        self._connections.close()


class Stream:
    """The body of an answer, read piece by piece. left: the bytes that are still to come, if known."""

    def __init__(
        self,
        connections: Connections,
        connection: Connection,
        origin: Origin,
        response: http.client.HTTPResponse,
        seconds: float,
        received: Callable[[int], None],
    ):
        self._received = received
        self._connections, self._connection, self._origin, self._response = connections, connection, origin, response
        self.left = response.length
        # At most so many bytes are in the buffer of http.client.
        self._ahead = io.DEFAULT_BUFFER_SIZE
        connection.limit(seconds)

    def read(self, count: int) -> bytes:
        wanted = count if self.left is None else min(count, self.left)
        self._ahead = io.DEFAULT_BUFFER_SIZE
        try:
            data = self._response.read(wanted)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self._origin}: {_words(error)}") from error
        if self.left is not None:
            if len(data) < wanted:
                raise Unreachable(f"{self._origin}: the answer ended early")
            self.left -= len(data)
        self._received(len(data))
        return data

    @property
    def passes(self) -> bool:
        return self.left is not None and self._connection.is_plain

    def pass_on(self, pipe: int, most: int) -> int:
        """As Answer.pass_on."""
        wanted = min(most, self.left)
        try:
            count = self._from_buffer(pipe, wanted) or self._connection.move(pipe, wanted)
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"{self._origin}: {_words(error)}") from error
        if count < min(1, wanted):
            raise Unreachable(f"{self._origin}: the answer ended early")
        self.left -= count
        self._received(count)
        return count

    def _from_buffer(self, pipe: int, most: int) -> int:
        """Move what http.client may have read ahead; 0 if that is nothing."""
        wanted = min(most, self._ahead, _PIPE_BYTES)
        data = self._response.read1(wanted) if wanted else b""
        self._ahead = self._ahead - len(data) if len(data) == wanted else 0
        return os.write(pipe, data) if data else 0

    def close(self) -> None:
        """The connection is kept if the whole body was read. Nothing happens the second time."""
        connection, self._connection = self._connection, None
        if connection is not None:
            whole = self.left == 0 and not self._response.will_close
            self._response.close()
            self._connections.give_back(connection, self._origin, whole)


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer ended early"
    if isinstance(error, http.client.HTTPException):
        return "the connection broke, or the answer is not HTTP"
    return why(error)
