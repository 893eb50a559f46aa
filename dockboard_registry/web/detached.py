"""Requests whose connection leaves Tornado because many bytes move: uploads with a Content-Length, downloads of large blobs.

HTTP1Connection.detach gives up the stream inside headers_received. The bytes then move between socket and file in a thread, in bursts
until the socket would block; waiting is the event loop's. Afterwards the answer is written and the connection served again.
"""

import asyncio
import time
from http.client import responses

from tornado.iostream import StreamClosedError

from . import sendfile
from .connection import MOVING
from .messages import ConnectionCut, EmptyBody, read_limited

_REST_QUIETLY, _REST_AT_MOST, _REST_SECONDS = 1 << 20, 64 << 20, 10.0
_BUFFER = 256 << 10


async def send_blob(exchange) -> None:
    """Send the response whose span is part of a stored file."""
    response, stream = exchange.response, exchange.stream
    source, start, stop = response.span
    keep, sent = _keeps_alive(exchange), 0
    try:
        stream.enter(MOVING)
        await stream.write(_head(exchange, keep))
        sent = await sendfile.send(stream, source.fileno(), start, stop, exchange.edge.senders)
    except Exception as error:
        exchange.give_up(error)
    finally:
        source.close()
        exchange.end(response.status if sent == stop - start else 499, sent)
    _go_on(exchange, stream, keep and sent == stop - start)


async def take_body(exchange, length: int) -> None:
    """Run the handler with a body that comes straight from the socket, and write its response."""
    exchange.stream.enter(MOVING)
    body = exchange.request.body = SocketBody(exchange, length)
    response = exchange.response = await exchange.answer()
    keep = _keeps_alive(exchange) and body.remaining <= _REST_QUIETLY and not body.uninvited
    try:
        if response.status == 499:
            raise ConnectionCut
        if keep:
            await body.discard(_REST_QUIETLY)
        exchange.stream.enter(MOVING)
        await exchange.stream.write(_head(exchange, keep) + response.body)
        exchange.end(response.status)
        if not keep and not body.uninvited:
            await body.discard(_REST_AT_MOST)
    except (ConnectionCut, StreamClosedError, OSError):
        keep = False
        exchange.end(499)
    _go_on(exchange, exchange.stream, keep)


def _keeps_alive(exchange) -> bool:
    return exchange.request.headers.get("Connection", "").lower() != "close" and not exchange.edge.draining


def _head(exchange, keep: bool) -> bytes:
    fields = exchange.fields()
    if not keep:
        fields["Connection"] = "close"
    status = exchange.response.status
    lines = [f"HTTP/1.1 {status} {responses.get(status, 'Unknown')}", *(f"{name}: {value}" for name, value in fields.get_all())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin1")


def _go_on(exchange, stream, keep: bool) -> None:
    stream.detached = False
    if keep and not stream.closed():
        exchange.edge.serve(stream)
    else:
        exchange.edge.forget(stream)
        stream.close()


class SocketBody(EmptyBody):
    """A body of known length, read from the connection's socket itself.

    What Tornado has buffered comes first, through the stream; then the stream is replaced by one over a duplicate of the
    socket, which no event loop reads from, so that the bytes are ours alone.
    """

    def __init__(self, exchange, length: int):
        self._exchange = exchange
        self._length = length
        self._begun = False
        self._cut = False
        self.remaining = length

    @property
    def uninvited(self) -> bool:
        """Does the client still wait for 100-continue? Then it sends no body once it has its answer."""
        return not self._begun and self._exchange.request.expects_continue()

    async def _begin(self) -> bytes:
        """Let the client send, and return what is buffered. Raises ConnectionCut."""
        self._begun = True
        stream = self._exchange.stream
        try:
            if self._exchange.request.expects_continue():
                await stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            first = await stream.read_bytes(self.remaining, partial=True)
        except StreamClosedError as error:
            raise ConnectionCut from error
        self.remaining -= len(first)
        if self.remaining:
            self._exchange.stream = self._exchange.edge.renew(stream)
        return first

    async def read(self) -> bytes:
        if not self._begun and self.remaining:
            return await self._begin()
        buffer = bytearray(_BUFFER)
        while self.remaining:
            count = self.fill(memoryview(buffer))
            if count:
                return bytes(buffer[:count])
            await self.ready()
        return b""

    async def read_all(self, limit: int) -> bytes:
        return await read_limited(self, self._length, limit)

    async def copy_to(self, writer) -> int:
        """Give all bytes to an upload's writer: it fills its buffers from the socket in a thread. Raises ConnectionCut."""
        before = self.remaining
        if not self._begun:
            await writer.write(await self._begin())
        while self.remaining:
            if not await writer.pour(self.fill):
                await self.ready()
            self._exchange.stream.moved = self._length - self.remaining
        return before

    def fill(self, buffer: memoryview) -> int:
        """Receive what is there, without waiting; 0 where nothing is. Called from any one thread at a time."""
        try:
            count = self._exchange.stream.socket.recv_into(buffer, min(len(buffer), self.remaining))
        except BlockingIOError:
            return 0
        except (OSError, AttributeError):
            count = 0
        self._cut = self._cut or not count
        self.remaining -= count
        return count

    async def ready(self) -> None:
        """Wait until the socket has more. Raises ConnectionCut."""
        if self._cut or self._exchange.stream.closed():
            raise ConnectionCut
        loop, descriptor = asyncio.get_running_loop(), self._exchange.stream.socket.fileno()
        arrival = loop.create_future()
        loop.add_reader(descriptor, lambda: arrival.done() or arrival.set_result(None))
        try:
            await arrival
        finally:
            loop.remove_reader(descriptor)

    async def discard(self, limit: int) -> None:
        """Take the rest so that the client reads its answer, at most `limit` bytes in ten seconds. Raises ConnectionCut."""
        floor, deadline = self.remaining - limit, time.monotonic() + _REST_SECONDS
        while self.remaining > max(floor, 0) and time.monotonic() < deadline:
            await self.read()
