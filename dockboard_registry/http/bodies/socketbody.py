"""Bodies that are read from the socket of a detached connection, into the buffers of whoever wants the bytes.

What Tornado has buffered comes first, through the stream. Then another stream takes its place, over a duplicate of the
socket that no event loop reads from. Over TLS Tornado forgets the socket instead.
"""

import asyncio
import time
from collections.abc import Callable

from tornado.iostream import StreamClosedError

from ...errors import ConnectionCut
from ..connection import WORK
from ..messages import EmptyBody, read_limited
from . import waiting

_BUFFER = 256 << 10
_DISCARD_SECONDS = 10.0
_SHORT = 1 << 20
# So few bytes are written and hashed in 50 microseconds, without a thread (FilesystemUpload.write).
_FEW_BYTES = 16 << 10
# So many bytes of any body are taken in the loop. For a body that ends before, a thread and a file would cost more than
# the work.
_FIRST = 64 << 10


class SocketBody(EmptyBody):
    """A body of known length, in bytes."""

    def __init__(self, exchange, length: int | None):
        self._exchange = exchange
        self._length = length
        self._remaining = length
        self._begun = False
        self._cut = False
        self._backlog = memoryview(b"")
        self._slice = waiting.TimeSlice()

    @property
    def ended(self) -> bool:
        """Whether the last byte has come."""
        return self._remaining == 0

    @property
    def awaits_continue(self) -> bool:
        """Does the client still wait for 100-continue? Then it sends no body once it has its answer."""
        return not self._begun and self._exchange.request.expects_continue()

    async def _begin(self) -> None:
        """Let the client send, and take what is buffered. Raises ConnectionCut."""
        stream = self._exchange.stream
        if self._begun:
            if stream.tls and not stream.borrowed:
                stream.borrow()  # it was given back for the answer
            return
        self._begun = True
        try:
            if self._exchange.request.expects_continue():
                await stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._backlog = memoryview(await stream.take_buffered(self._remaining))
        except StreamClosedError as error:
            raise ConnectionCut from error
        if len(self._backlog) != self._remaining:
            self._exchange.stream = self._exchange.edge.borrow(stream)

    async def read(self) -> bytes:
        """The next piece, empty at the end. Raises ConnectionCut, BodyMalformed."""
        await self._begin()
        buffer = memoryview(bytearray(_BUFFER))
        while not self.ended:
            self._slice = waiting.TimeSlice()
            if count := self.fill(buffer):
                self._note_end()
                return bytes(buffer[:count])
            await self._ready()
        return b""

    async def read_all(self, limit: int) -> bytes:
        return await read_limited(self._exchange, self, self._length, limit)

    async def copy_to(self, writer) -> int:
        """Give all bytes to an upload's writer. Raises ConnectionCut, UploadInvalid.

        The writer fills its buffers from the socket in a thread. Where a client is slow and few bytes come at a time,
        the loop takes them: a thread would cost more than the work, and would wait in vain.
        """
        await self._begin()
        received, stream, slow = 0, self._exchange.stream, True
        while not self.ended:
            stream.pause()
            count = await (self._copy_in_loop(writer) if slow or received < _FIRST else self._copy_in_thread(writer))
            received += count
            stream.resume()
            stream.moved += count
            if not count or slow and count < _FEW_BYTES:
                slow = await self._ready() > waiting.SECONDS
            else:
                slow = False
        self._note_end()
        return received

    async def _copy_in_thread(self, writer) -> int:
        with waiting.time_slice() as self._slice:
            return await writer.pour(self.fill, self._exchange.stream.tls)

    async def _copy_in_loop(self, writer) -> int:
        self._slice = waiting.TimeSlice()
        buffer = memoryview(bytearray(_FEW_BYTES))
        count = self.fill(buffer)
        if count:
            await writer.write(bytes(buffer[:count]))
        return count

    def _note_end(self) -> None:
        """The client has done its part. What follows takes our time, not the client's."""
        if self.ended:
            self._exchange.stream.enter(WORK)

    def fill(self, buffer: memoryview) -> int:
        """Put what has come into the buffer. 0 if nothing came while the thread waited.

        Called from one thread at a time.
        """
        count = self._receive(buffer[: self._remaining])
        self._remaining -= count
        return count

    def _receive(self, buffer: memoryview) -> int:
        """Bytes as they are on the wire. 0 if the time slice is over or nothing came."""
        count = 0 if self._slice.over() else self._take(buffer)
        self._slice.moved += count
        return count

    def _take(self, buffer: memoryview) -> int:
        """Bytes from what was buffered or from the socket."""
        if self._backlog:
            count = min(len(buffer), len(self._backlog))
            buffer[:count] = self._backlog[:count]
            self._backlog = self._backlog[count:] or memoryview(b"")  # an empty view would keep all of it
            return count
        if self._cut or not len(buffer):
            return 0
        try:
            stream = self._exchange.stream
            count = self._slice.retry(lambda: stream.receive(buffer), stream.socket)
        except BlockingIOError:
            return 0
        except (OSError, AttributeError):
            count = 0
        self._cut = not count
        return count

    async def _ready(self) -> float:
        """Wait until there is more, and return the seconds that took. Raises ConnectionCut."""
        if self._cut or self._exchange.stream.closed():
            raise ConnectionCut
        if self.ended or self._backlog or self._exchange.stream.pending():
            return 0.0
        loop, descriptor, begun = asyncio.get_running_loop(), self._exchange.stream.socket.fileno(), time.monotonic()
        arrival = loop.create_future()
        loop.add_reader(descriptor, lambda: arrival.done() or arrival.set_result(None))
        try:
            await arrival
        finally:
            loop.remove_reader(descriptor)
        return time.monotonic() - begun

    @property
    def rest_is_short(self) -> bool:
        """Whether the rest is short enough to be taken, so that the connection can be kept."""
        return self._remaining <= _SHORT

    async def discard(self, limit: int) -> bool:
        """Take the rest so that the client reads its answer: at most `limit` bytes in ten seconds. Returns whether that
        was all.

        Raises ConnectionCut.
        """
        deadline, left = time.monotonic() + _DISCARD_SECONDS, limit
        while not self.ended and left > 0 and time.monotonic() < deadline:
            left -= len(await self.read())
            await asyncio.sleep(
                0
            )  # a fast client always has more to send, so other connections have their turn between two pieces
        return self.ended


class SmallBody(SocketBody):
    """A body of some KiB on a stream that nobody has read from. The event loop takes it, because a thread would cost
    more.

    taken: the part that came with the head. stop: called before the loop watches the socket for the rest.
    """

    def __init__(self, exchange, length: int, taken: bytes, stop: Callable[[], None]):
        super().__init__(exchange, length)
        self._taken = taken
        self._stop = stop

    async def read(self) -> bytes:
        while not self.ended:
            if data := self._now():
                return data
            self._stop()
            await self._ready()
        return b""

    def _now(self) -> bytes:
        stream = self._exchange.stream
        data, self._taken = self._taken, b""
        try:
            data = data or stream.socket.recv(self._remaining)
        except BlockingIOError:
            return b""
        except (OSError, AttributeError):
            data = b""
        self._cut = not data
        self._remaining -= len(data)
        stream.moved += len(data)
        self._note_end()
        return data

    async def copy_to(self, writer) -> int:
        received, stream = 0, self._exchange.stream
        while data := await self.read():
            received += len(data)
            stream.pause()
            await writer.write(data)
            stream.resume()
        return received
