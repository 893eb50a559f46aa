"""Tornado's connection, but for chunked bodies: it refuses extensions and trailers, which a recipient has to skip (RFC
9112 section 7.1).
"""

import asyncio

from tornado.http1connection import HTTP1Connection, HTTP1ServerConnection
from tornado.httputil import HTTPInputError, parse_request_start_line
from tornado.iostream import StreamClosedError, UnsatisfiableReadError

from ..errors import BadRequest
from .bodies.chunks import FIRST, LINE_LIMIT, TRAILER, ChunkOverhead

_MALFORMED = (
    "the request line or a header field is malformed",
    "send a request in the form of HTTP/1.1, as RFC 9112 describes it",
)
# So many bytes and lines are read before other connections have their turn.
_TURN_BYTES, _LINE_COST = 1 << 20, 4 << 10


class _Connection(HTTP1Connection):
    """Data of short chunks is handed to the delegate together, as soon as reading has to wait for more."""

    def _parse_headers(self, data: bytes):
        """Tornado would answer a head that it can't read with a status alone."""
        try:
            start_line, headers = super()._parse_headers(data)
            parse_request_start_line(start_line)
        except HTTPInputError:
            self.stream.refuse(self.stream.refusal(BadRequest(*_MALFORMED), data))
            raise
        return start_line, headers

    async def _read_chunked_body(self, delegate) -> None:
        reader, overhead, work = _Gathered(self, delegate), ChunkOverhead(), 0
        while size := _size(await reader.line(), overhead):
            work += size + _LINE_COST
            await reader.data(size)
            if await reader.exactly(2) != b"\r\n":
                raise HTTPInputError("improperly terminated chunk")
            if work >= _TURN_BYTES:
                work = 0
                await asyncio.sleep(0)
        while (line := await reader.line()) != b"\r\n":
            if TRAILER[0].fullmatch(line) is None or overhead.is_too_much_behind(len(line)):
                raise HTTPInputError("malformed trailer")
        await reader.flush()


def _size(line: bytes, overhead: ChunkOverhead) -> int:
    found = FIRST[0].fullmatch(line)
    size = int(found["size"], 16) if found else 0
    if found is None or overhead.is_too_much(len(line), size):
        raise HTTPInputError("invalid chunk size")
    return size


class _Gathered:
    """Reads from a connection's stream, and collects data for its delegate."""

    def __init__(self, connection: _Connection, delegate):
        self._connection, self._delegate = connection, delegate
        self._stream, self._most = connection.stream, connection.params.chunk_size
        self._pending = bytearray()

    async def line(self) -> bytes:
        return await self._next(self._stream.read_until(b"\r\n", max_bytes=LINE_LIMIT))

    async def exactly(self, size: int) -> bytes:
        return await self._next(self._stream.read_bytes(size))

    async def data(self, size: int) -> None:
        while size:
            piece = await self._next(self._stream.read_bytes(min(size, self._most), partial=True))
            size -= len(piece)
            self._pending += piece
            if len(self._pending) >= self._most:
                await self.flush()

    async def flush(self) -> None:
        if self._pending:
            data, self._pending = bytes(self._pending), bytearray()
            await self._connection._deliver_body(self._delegate, data)

    async def _next(self, future: asyncio.Future) -> bytes:
        if not future.done():
            await self.flush()
        return await future


class ServerConnection(HTTP1ServerConnection):
    """Tornado's, with connections of the class above."""

    async def _server_request_loop(self, delegate) -> None:
        try:
            while True:
                connection = _Connection(self.stream, False, self.params, self.context)
                if not await connection.read_response(delegate.start_request(self, connection)):
                    return
                await asyncio.sleep(0)
        except (StreamClosedError, UnsatisfiableReadError, asyncio.CancelledError):
            pass
        except Exception:
            self.stream.close()
            raise
        finally:
            delegate.on_close(self)
