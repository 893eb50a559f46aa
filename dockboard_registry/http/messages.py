"""A request as handlers see it, the body that they read, and the response that they return."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

from ..errors import BadRequest, ConnectionCut, SizeInvalid
from ..storage import Source
from .budget import FREE
from .forwarding import says_https
from .headers import Headers

_QUERY_FIELDS = 200
# Basic credentials with an empty name and an empty password end so.
_NO_PAIR = " Og=="
# The value of a header field (RFC 9110 section 5.5): bytes without control characters but the tab.
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class Body:
    """The request's body, one piece at a time; the connection reads on only when the handler asks for more."""

    def __init__(self, exchange, length: int | None):
        self._exchange = exchange
        self._length = length
        self.wanted: asyncio.Future = asyncio.get_running_loop().create_future()
        self._piece: bytes | None = None
        self._arrival: asyncio.Future | None = None
        self._space: asyncio.Future | None = None
        self.ended = False
        self._cut = False

    def feed(self, piece: bytes) -> asyncio.Future:
        """Hand over a piece; the future ends when the handler took it."""
        self._piece = piece
        self._space = asyncio.get_running_loop().create_future()
        self._wake()
        return self._space

    def end(self, cut: bool = False) -> None:
        self.ended, self._cut = True, cut
        self._wake()

    def _wake(self) -> None:
        if self._arrival and not self._arrival.done():
            self._arrival.set_result(None)

    def release(self) -> None:
        """Nobody reads any more: let the connection go on."""
        for future in (self.wanted, self._space):
            if future is not None and not future.done():
                future.set_result(None)

    async def read(self) -> bytes:
        """The next piece, empty at the end. Raises ConnectionCut."""
        if not self.wanted.done():
            self.wanted.set_result(None)
        while self._piece is None:
            if self._cut:
                raise ConnectionCut
            if self.ended:
                return b""
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        piece, self._piece = self._piece, None
        if not self._space.done():
            self._space.set_result(None)
        return piece

    async def read_all(self, limit: int) -> bytes:
        """The whole body. Raises SizeInvalid as soon as it is known to be longer than `limit` bytes, ConnectionCut."""
        return await read_limited(self._exchange, self, self._length, limit)

    async def copy_to(self, writer) -> int:
        """Give all bytes to an upload's writer and return their number.

        Raises ConnectionCut and what the writer raises.
        """
        received = 0
        while piece := await self.read():
            received += len(piece)
            await writer.write(piece)
        return received


async def read_limited(exchange, body, length: int | None, limit: int) -> bytes:
    """All pieces of a body of announced or unknown length, counted in the worker's budget.

    Raises SizeInvalid, Unavailable, ConnectionCut.
    """
    too_large = SizeInvalid(f"the body is larger than {limit} bytes", f"send at most {limit} bytes")
    if (length or 0) > limit:
        raise too_large
    pieces, size = [], 0
    while piece := await body.read():
        size += len(piece)
        if size > limit:
            raise too_large
        if size > FREE:
            await exchange.hold(size, len(piece))
        pieces.append(piece)
    exchange.held()
    return b"".join(pieces)


class EmptyBody:
    """The body of a request without one."""

    async def read(self) -> bytes:
        return b""

    async def read_all(self, limit: int) -> bytes:
        return b""

    async def copy_to(self, writer) -> int:
        return 0


_NO_BODY = EmptyBody()


class Request:
    """One request: raw target (path and query), headers, and who sent it.

    tls: the connection to this server is encrypted.

    known: facts about these headers, shared by all requests with the same ones. who: whose credentials were valid, for
    the access log.
    """

    __slots__ = (
        "method",
        "target",
        "path",
        "_query",
        "_fields",
        "headers",
        "remote",
        "id",
        "body",
        "version",
        "_tls",
        "known",
        "who",
    )

    def __init__(
        self,
        method: str,
        target: str,
        version: str,
        headers: Headers,
        remote: str,
        id: str,
        tls: bool = False,
        known: dict | None = None,
    ):
        self.method = method
        self.target = target
        self.path, _, self._query = target.partition("?")
        self._fields: dict[str, list[str]] | None = None
        self.headers = headers
        self.remote = remote
        self.id = id
        self.version = version
        self._tls = tls
        self.body: Body | EmptyBody = _NO_BODY
        self.who = "-"
        self.known = {} if known is None else known

    @property
    def secure(self) -> bool:
        """Whether the client used https, to this server or to a proxy before it."""
        return self._tls or says_https(self.headers)

    @property
    def authorization(self) -> str | None:
        """The Authorization header.

        None also for Basic with an empty name and password, which some clients send without a login.
        """
        shown = self.headers.authorization
        return None if shown is not None and shown.endswith(_NO_PAIR) and shown[:6].lower() == "basic " else shown

    def query_all(self, name: str) -> list[str]:
        """Every value of a query field. Raises BadRequest."""
        return self.query_fields().get(name, [])

    def query_fields(self) -> dict[str, list[str]]:
        """The values of all query fields by name. Raises BadRequest."""
        if self._fields is None:
            try:
                self._fields = (
                    parse_qs(self._query, keep_blank_values=True, max_num_fields=_QUERY_FIELDS, errors="strict")
                    if self._query
                    else {}
                )
            except ValueError as error:
                raise BadRequest(
                    f"the query has more than {_QUERY_FIELDS} fields, or bytes that are not UTF-8",
                    "send fewer fields, in UTF-8",
                ) from error
        return self._fields

    def query(self, name: str) -> str | None:
        """The one value of a query field, or None. Raises BadRequest where there are several."""
        found = self.query_all(name)
        if len(found) > 1:
            raise BadRequest(f"the query has {name} more than once", "send it once")
        return found[0] if found else None

    def expects_continue(self) -> bool:
        """Does the client wait for our word before it sends the body (RFC 9110 section 10.1.1)?"""
        return self.headers.get("Expect", "").lower() == "100-continue"

    def content_length(self) -> int | None:
        """The length that the client announced, in bytes."""
        text = self.headers.get("Content-Length")
        return int(text) if text else None


class Fields(dict):
    """Response headers in canonical case; a list stands for several lines of one name.

    What HTTP1Connection.write_headers needs.
    """

    def get_all(self):
        for name, value in self.items():
            if isinstance(value, list):
                for each in value:
                    yield name, each
            else:
                yield name, value


class SharedFields(dict):
    """Response headers that many answers have in common, so nobody may change them. lines: as they are sent.

    Raises ValueError for what cannot be sent.
    """

    __slots__ = ("lines",)

    def __init__(self, fields: dict[str, str]):
        super().__init__(fields)
        check_values(self)
        self.lines = lines(self)


def check_values(fields: dict[str, str | list[str]]) -> None:
    """Raises ValueError if one has a character outside Latin-1, or would end its line."""
    for name, values in fields.items():
        for value in values if type(values) is list else (values,):
            if not (value.isascii() and value.isprintable()) and not _VALUE.fullmatch(value):
                raise ValueError(f"the value of {name} is no value of a header field")


def lines(fields: dict[str, str | list[str]]) -> str:
    """Response headers as they are sent. A list stands for several lines of one name."""
    return "".join(
        [
            f"{name}: {value}\r\n"
            for name, values in fields.items()
            for value in (values if type(values) is list else (values,))
        ]
    )


class Piece(NamedTuple):
    """Bytes start to stop (exclusive) of a source, behind the bytes `before`."""

    start: int
    stop: int
    before: bytes = b""


class Span(NamedTuple):
    """Pieces of a source that are sent one after the other as the body. The source is closed afterwards."""

    source: Source
    pieces: tuple[Piece, ...]

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return sum(len(before) + stop - start for start, stop, before in self.pieces)


class Response:
    """status, headers and a body: bytes, a span of a stored blob, or bytes that `read` returns.

    length overrules Content-Length for HEAD. read: for a long body. It is called once the worker has room in memory for
    `length` bytes, and it may raise a RegistryError.
    """

    __slots__ = ("status", "headers", "body", "span", "length", "read")

    def __init__(
        self,
        status: int,
        headers: dict | None = None,
        body: bytes = b"",
        span: Span | None = None,
        length: int | None = None,
        read: Callable[[], Awaitable[bytes]] | None = None,
    ):
        self.status = status
        self.headers = headers or {}
        self.body = body
        self.span = span
        self.read = read
        self.length = length if length is not None else (span.length if span else len(body))


def decoded(path: str) -> str | None:
    """The path with its percent escapes undone once; None for an escaped slash or bytes that are not UTF-8."""
    if "%" not in path:
        return path
    if "%2f" in path.lower():
        return None
    try:
        return unquote(path, errors="strict")
    except UnicodeDecodeError:
        return None
