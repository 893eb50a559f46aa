"""The fast path for plain requests, with no body or a small one of known length: read straight from the socket.

While a connection waits for a request, the event loop watches its socket. The fast path takes what comes if it begins
with the whole head of one request of a strict grammar, with nothing after it but its body. The same exchange, routes
and handlers answer it as on the ordinary way. Everything unusual is given to Tornado, which reads it before what is
still in the socket (Connection.taken). Then the connection leaves the fast path, and comes back only after a large
upload. Not for TLS.
"""

import asyncio
import re

from tornado.iostream import StreamClosedError

from ..errors import ConnectionCut, RegistryError
from . import event_loop, heads, start_now
from .bodies import detached
from .bodies.socketbody import SmallBody
from .connection import IDLE, MOVING, WORK
from .exchange import WITH_BODY, Exchange
from .faces import Route
from .framing import is_sound
from .headers import Headers
from .holding import LARGE_ANSWER
from .limits import check_limits
from .messages import Response

_MOST = 8 << 10
# The part of RFC 9112 and 9110 that every client in the field sends: nothing folded, quoted or outside ASCII.
_LINE = re.compile(rb"(GET|HEAD|POST|PATCH|PUT|DELETE) (/[A-Za-z0-9._~:/?=&%+,-]*) HTTP/1\.1\r\n", re.A)
_FIELDS = re.compile(rb"(?:[A-Za-z][A-Za-z0-9-]*: ?[!-~](?:[ -~]*[!-~])?\r\n)+\r\n", re.A)
# Fields that change how a message is read, or how the connection goes on. Tornado reads these.
_OTHERS = frozenset({"transfer-encoding", "expect", "upgrade", "te", "trailer", "http2-settings", "content-encoding"})
_CONNECTION = ("", "close", "keep-alive")
_LENGTH = re.compile(r"0|[1-9][0-9]{0,4}", re.A)
_REMEMBERED, _REMEMBERED_BYTES = 128, 2 << 10


class Head:
    """The beginning of a request: `size` bytes, then a body of `length` bytes.

    route: its endpoint and handler once they are found. known: see Request. A remembered head stands for many requests.
    """

    __slots__ = ("method", "target", "fields", "size", "length", "route", "known")

    def __init__(self, method: str, target: str, fields: Headers, size: int, length: int):
        self.method, self.target, self.fields = method, target, fields
        self.size, self.length = size, length
        self.route: Route | None = None
        self.known: dict = {}


class FastPath:
    """The fast path of one worker, with what it read before: a client repeats its fields, and many clients ask for the
    same.
    """

    def __init__(self, edge):
        self.edge = edge
        self._blocks: dict[bytes, Headers] = {}
        self._heads: dict[bytes, Head] = {}

    def read(self, seen: bytes) -> Head | None:
        """The head of one plain request with nothing after it but its body, of which more may come. Otherwise None."""
        head = self._heads.get(seen)
        if head is None:
            head = self._read(seen)
            if head is not None and head.size == len(seen) and _may_stay(head.fields) and "?" not in head.target:
                _remember(self._heads, seen, head)
        return head

    def _read(self, seen: bytes) -> Head | None:
        line = _LINE.match(seen)
        stop = seen.find(b"\r\n\r\n") + 4
        if line is None or stop == 3:
            return None
        block = seen[line.end() : stop]
        fields = self._blocks.get(block)
        if fields is None:
            fields = _plain(block)
            if fields is None:
                return None
            if _may_stay(fields):
                _remember(self._blocks, block, fields)
        method, length = line[1].decode(), int(fields.get("Content-Length", "0"))
        if len(seen) - stop > length or (length and method not in WITH_BODY):
            return None
        return Head(method, line[2].decode(), fields, stop, length)


def _may_stay(fields: Headers) -> bool:
    """No password and no cookie is remembered, because it would lie in memory for long if few others come.

    A signed token ends by itself.
    """
    return fields.get("Authorization", "Bearer ")[:7].lower() == "bearer " and "Cookie" not in fields


def _remember(memory: dict, key: bytes, value: object) -> None:
    if len(key) <= _REMEMBERED_BYTES:
        if len(memory) >= _REMEMBERED:
            memory.clear()
        memory[key] = value


def _plain(block: bytes) -> Headers | None:
    """The fields, if they are plain. Soundness and limits are checked as on the ordinary way."""
    if _FIELDS.fullmatch(block) is None:
        return None
    fields = Headers.parse(block)
    try:
        check_limits("", fields)
    except RegistryError:
        return None
    plain = (
        _OTHERS.isdisjoint(fields)
        and fields.get("Connection", "").lower() in _CONNECTION
        and _LENGTH.fullmatch(fields.get("Content-Length", "0"))
    )
    return fields if plain and is_sound("HTTP/1.1", fields) else None


class FastConnection:
    """A connection on the fast path. Nobody else reads its socket until `leave`."""

    def __init__(self, fast_path: FastPath, stream):
        self._fast_path, self._edge, self._stream = fast_path, fast_path.edge, stream
        self._socket = stream.socket
        self._loop = asyncio.get_running_loop()
        self._busy = self._watching = False
        stream.enter(IDLE)
        self._go()

    def _go(self) -> None:
        event_loop.watch(self._loop, self._socket.fileno(), self._ready)
        self._watching = True

    def stop(self) -> None:
        """Stop looking until `next`: somebody else waits for the socket."""
        if self._watching:
            event_loop.unwatch(self._loop, self._socket.fileno())
            self._watching = False

    def leave(self) -> None:
        """Whoever closes the stream, writes to it or gives it to Tornado calls this first."""
        self.stop()
        self._stream.fast_connection = None

    def _ready(self) -> None:
        if self._busy:
            return self.stop()
        try:
            seen = self._socket.recv(_MOST)
        except BlockingIOError:
            return None
        except OSError:
            seen = b""
        if not seen:
            self._edge.forget(self._stream)
            return self._stream.close()
        head = self._fast_path.read(seen)
        if head is None:
            self.leave()
            self._stream.taken = seen
            return self._edge.serve_ordinary(self._stream)
        self._busy = True
        try:
            return FastExchange(self._edge, self._stream, self).begin(head, seen)
        except Exception:
            self._edge.forget(self._stream)
            self._stream.close()
            raise

    def next(self) -> None:
        """The answer is sent: wait for another request."""
        self._busy = False
        self._stream.enter(IDLE)
        if not self._watching:
            self._go()


class FastExchange(Exchange):
    """An exchange whose head came without Tornado, and whose answer goes straight to the socket."""

    def __init__(self, edge, stream, connection: FastConnection):
        super().__init__(edge, stream)
        self.connection = connection

    def begin(self, head: Head, seen: bytes) -> None:
        self.stream.phase = WORK
        self.open(head.method, head.target, "HTTP/1.1", head.fields, head.known)
        try:
            if head.route is None:
                head.route = self.edge.route(self.request)
            self.face, self._endpoint, self._handler = head.route
        except RegistryError as error:
            self.response = self.render(error)
        if head.length:
            start_now.run(self._with_body(head.length, seen[head.size :]), self._answer)
        elif self._handler is None:
            self._answer()
        else:
            start_now.run(self.answer(), self._answer)

    async def _with_body(self, length: int, taken: bytes) -> None:
        """The handler reads the body as it comes.

        The rest is taken before the answer goes out, as on the ordinary way.
        """
        self.stream.enter(MOVING)
        # whoever cuts it leaves the closing to us, because the loop may watch the socket for the body
        self.stream.detached = True
        body = self.request.body = SmallBody(self, length, taken, self.connection.stop)
        if self._handler is not None:
            await self.answer()
        try:
            while not body.ended:
                await body.read()
        except ConnectionCut:
            self.response = Response(499)
        finally:
            self.stream.detached = False

    def _answer(self) -> None:
        if self.stream.closed() or self.response.status == 499:
            self.drop_span()
            self.end(499)
            return self._close()
        response, span = self.response, self.response.span
        # A file is never in our memory.
        is_read = span is not None and span.source.fileno() is None or response.read is not None
        if is_read or self._share is not None or len(response.body) > LARGE_ANSWER:
            return self.admit(self._answer_now)
        return self._answer_now()

    def _answer_now(self) -> None:
        if self.response.span is not None:
            self.connection.leave()
            self.stream.detached = True
            return self.edge.spawn(detached.send_blob(self))
        keep = heads.keeps_alive(self)
        data = heads.head(self, keep)
        if self.request.method != "HEAD":
            data += self.response.body
        return self._write_now(data, keep)

    def _write_now(self, data: bytes, keep: bool) -> None:
        try:
            sent = self.stream.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            sent, keep = len(data), False
        if sent < len(data):
            self.connection.leave()
            self.owe(len(data) - sent)
            return self.edge.spawn(self._write_rest(data[sent:], keep))
        self.end(self.response.status)
        return self.connection.next() if keep else self._close()

    async def _write_rest(self, rest: bytes, keep: bool) -> None:
        """For a client that does not take everything at once.

        Tornado's stream waits for it, within the limits of time.
        """
        self.stream.enter(MOVING)
        try:
            written = self.stream.write(rest)
            # An exception would keep it in memory until Python looks for cycles.
            del rest
            await written
        except StreamClosedError:
            self._close()
            return self.end(499)
        self.end(self.response.status)
        return self.go_on(self.stream) if keep else self._close()

    def _close(self) -> None:
        self.edge.forget(self.stream)
        self.stream.close()

    def go_on(self, stream) -> None:
        """On a new stream, because Tornado may have told the loop about the old one.

        Out of descriptors the connection ends.
        """
        try:
            fresh = self.edge.renew(stream)
        except OSError:
            return self._close()
        return self.edge.serve(fresh)
