"""A client's connection: Tornado's stream with our limits on time and size.

The phases of a connection and what ends one that is too slow:
    IDLE    no byte of a request yet             closed after idle_timeout
    HEADER  a request's header has begun         closed after header_timeout
    MOVING  a body or an answer is on its way    cut when less than 1 KiB/s moved during body_timeout
    WORK    the request is ours to work on       no limit
"""

import asyncio
import contextlib
import os
import socket
import ssl
import time
from collections.abc import Callable

from tornado.iostream import IOStream, SSLIOStream, StreamClosedError, UnsatisfiableReadError

from ..clients import Client
from ..errors import BadRequest, HeadersTooLarge, RegistryError
from .budget import Share

IDLE, HEADER, MOVING, WORK = range(4)
HEADER_LIMIT = 64 << 10
SMALL_READ, BODY_PIECE, LARGE_READ = 16 << 10, 64 << 10, 1 << 20
_RATE = 1024
_TLS_HANDSHAKE = 0x16
_NOT_TLS = b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nThis port speaks http, and the client sent https.\n"
# OpenSSL's names for a plain HTTP request in place of a handshake, and for one with an unknown method.
_PLAIN, _NO_HANDSHAKE = ("HTTP_REQUEST", "HTTPS_PROXY_REQUEST"), "WRONG_VERSION_NUMBER"
_NOT_PLAIN = ("this port speaks https, and the client sent http", "use https:// in the address")
# So much is read, in so many seconds, of a client that is refused and goes on sending.
_LAST_BYTES, _LAST_SECONDS = 16 << 20, 2.0
# So much of a request is looked at for its path.
_SEEN = 1 << 10


class _Limited:
    """Additions to IOStream and SSLIOStream: the phase, a count of moved bytes, an answer to endless headers."""

    phase = IDLE
    moved = 0
    paused_at = 0.0
    detached = False
    read_by_tornado = False
    taken = b""
    fast_connection = None  # while the fast path reads the socket
    client = Client()  # whose request came last
    # The whole answer for an error, to a client of which these first bytes came.
    refusal: Callable[[RegistryError, bytes], bytes]
    owed: Share | None = None  # for an answer that waits to be written
    piece = 0  # at most so many bytes of a body are read at once; 0: as many as are asked for

    def start(self) -> None:
        self.phase_at = time.monotonic()
        self.mark = 0
        IOStream.set_nodelay(self, True)

    def passed_on(self, fresh):
        """The new stream of the same connection, in the same phase."""
        fresh.start()
        fresh.remote, fresh.refusal = self.remote, self.refusal
        fresh.detached, fresh.moved = self.detached, self.moved
        fresh.enter(self.phase)
        return fresh

    def set_nodelay(self, value: bool) -> None:
        """Nagle's algorithm stays off for the life of the connection.

        Tornado would switch it twice for each request.
        """

    def enter(self, phase: int) -> None:
        self.phase = phase
        self.phase_at = time.monotonic()
        self.paused_at = 0.0
        self.mark = self.moved

    def pause(self) -> None:
        """Until resume() the server works on what came. That time does not count against the client."""
        self.paused_at = time.monotonic()

    def resume(self) -> None:
        if self.paused_at:
            self.phase_at += time.monotonic() - self.paused_at
            self.paused_at = 0.0

    def read_until_regex(self, regex, max_bytes=None):
        """The start of a wait for a request's header, and only that.

        What is buffered of a closed connection is no request.
        """
        if self.closed():
            raise StreamClosedError
        self.read_chunk_size, self.piece = SMALL_READ, 0
        self.enter(HEADER if self.tls and not self.moved else IDLE)
        return super().read_until_regex(regex, max_bytes)

    def expect_body(self, length: int | None, long: bool) -> None:
        """A body follows. A long one is read in large pieces, others in pieces that the kernel could hold as well."""
        if not long:
            self.piece = BODY_PIECE
        if length is None or length > BODY_PIECE:
            self.read_chunk_size = self.piece or LARGE_READ

    def read_bytes(self, num_bytes, partial=False):
        return super().read_bytes(min(num_bytes, self.piece) if partial and self.piece else num_bytes, partial)

    async def take_buffered(self, limit: int | None) -> bytes:
        """What was read together with the header, and nothing from the socket. Raises StreamClosedError.

        Of a client that keeps up Tornado would take 100 MB in one iteration of the loop.
        """
        if self.closed():
            raise StreamClosedError
        size = self._read_buffer_size if limit is None else min(self._read_buffer_size, limit)
        return await self.read_bytes(size, partial=True) if size else b""

    def read_from_fd(self, buf):
        count = self._give_back(buf) if self.taken else super().read_from_fd(buf)
        if count:
            self.moved += count
            if self.phase == IDLE:
                self.enter(HEADER)
                if buf[0] == _TLS_HANDSHAKE and not self.tls:
                    self._refuse_tls()
        return count

    def _give_back(self, buf) -> int:
        """What the fast path took from the socket and did not want (`taken`) is read before what is still there."""
        count = min(len(buf), len(self.taken))
        buf[:count], self.taken = self.taken[:count], self.taken[count:]
        return count

    def _refuse_tls(self) -> None:
        """docker and podman try https first. Answer at once that this is http, in the words that Go programs know."""
        self.socket.send(_NOT_TLS)
        self.cut()

    def write_to_fd(self, data):
        count = super().write_to_fd(data)
        self.moved += count
        if self.owed is not None and count >= len(self._write_buffer):
            self._release_owed()
        return count

    def unwritten(self) -> int:
        """The bytes of answers that the kernel has not taken yet."""
        return 0 if self.closed() else len(self._write_buffer)

    def _release_owed(self) -> None:
        if self.owed is not None:
            self.owed.release()
            self.owed = None

    def close(self, exc_info=False) -> None:
        if isinstance(exc_info, UnsatisfiableReadError) and self.phase in (IDLE, HEADER) and not self.closed():
            self._say(self.refusal(HeadersTooLarge(), bytes(self._read_buffer[:_SEEN])))
        if self.fast_connection is not None:
            self.fast_connection.leave()
        self._release_owed()
        super().close(exc_info)
        if self.error is not None:
            # The traceback refers to the stream, and to the whole answer that was being written. They would stay in
            # memory until Python looks for cycles.
            self.error.__traceback__ = None

    async def read_out(self) -> None:
        """Read what the client still sends, for a short time: closing a socket that has unread bytes would discard what
        was written to it last (RFC 9112 section 9.6).
        """
        if not self.tls:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_WR)
        end = self.moved + _LAST_BYTES
        with contextlib.suppress(TimeoutError, StreamClosedError):
            async with asyncio.timeout(_LAST_SECONDS):
                while self.moved < end:
                    await self.read_bytes(BODY_PIECE, partial=True)

    def refuse(self, answer: bytes) -> None:
        """End the connection in the middle of a request, after this answer."""
        self._say(answer)
        self.cut()

    def _say(self, answer: bytes) -> None:
        """Send a last answer as far as the socket takes it at once."""
        with contextlib.suppress(OSError, AttributeError):
            self.socket.send(answer)

    def cut(self) -> None:
        """End the connection at once.

        A detached one is only shut down: its task hears of that from the socket, and closes it.
        """
        if self.socket is not None:
            try:
                # SSLSocket.shutdown would turn it into a plain one, below a thread that reads.
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
            except OSError:
                pass
        if not self.detached:
            self.close()

    def overdue(self, now: float, idle: float, header: float, body: float) -> bool:
        """Whether the client has used up the time of this phase. A new window begins if enough has moved."""
        age = (self.paused_at or now) - self.phase_at
        if self.phase == MOVING and age > body:
            slow = self.moved - self.mark < _RATE * body
            self.phase_at, self.mark = self.paused_at or now, self.moved
            return slow
        return (self.phase == IDLE and age > idle) or (self.phase == HEADER and age > header)


class Connection(_Limited, IOStream):
    """A plain TCP connection."""

    tls = False

    def duplicate(self) -> "Connection":
        """A stream of its own over the same TCP connection, in the same phase."""
        sock = self.socket.dup()
        sock.setblocking(False)
        return self.passed_on(Connection(sock, read_chunk_size=SMALL_READ))

    def receive(self, buffer: memoryview) -> int:
        """Bytes that have come; 0 at their end. Raises BlockingIOError if there are none, OSError."""
        return self.socket.recv_into(buffer)

    def pending(self) -> int:
        """Bytes that `receive` gives although the socket has none. A plain connection has no such bytes."""
        return 0


class TlsConnection(_Limited, SSLIOStream):
    """A TLS connection. Handshake and first header together have the header's time."""

    tls = True
    borrowed = False

    def close(self, exc_info=False) -> None:
        reason = getattr(exc_info, "reason", None)
        if reason in (*_PLAIN, _NO_HANDSHAKE) and not self.closed():
            with contextlib.suppress(OSError):
                self._refuse_plain(reason in _PLAIN)
        super().close(exc_info)

    def _refuse_plain(self, sure: bool) -> None:
        """Answer at once that this port speaks https.

        OpenSSL has read five bytes of the request. The rest has to be read too, or closing would discard the answer.
        """
        descriptor, rest = self.socket.fileno(), b""
        with contextlib.suppress(BlockingIOError):
            rest = os.read(descriptor, HEADER_LIMIT)
        if sure or b" HTTP/1." in rest:
            os.write(descriptor, self.refusal(BadRequest(*_NOT_PLAIN), b""))
            socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def borrow(self) -> None:
        """Somebody else uses the session until `give_back`.

        Tornado forgets the socket, as it does when it wraps one.
        """
        self.io_loop.remove_handler(self.socket)
        self._state = None
        self.borrowed = True

    def give_back(self) -> None:
        """Tornado watches the socket again as soon as it reads or writes."""
        self.borrowed = False

    def receive(self, buffer: memoryview) -> int:
        """As Connection.receive, of all records that have come.

        One read of OpenSSL gives one record, of 16 KiB at most.
        """
        count = 0
        try:
            while (room := len(buffer) - count) and (more := self.socket.read(room, buffer[count:])):
                count += more
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            if not count:
                raise BlockingIOError from None
        except ValueError:
            pass  # closed meanwhile
        return count

    def pending(self) -> int:
        """As Connection.pending: the rest of a record that did not fit into the buffer."""
        return self.socket.pending()


def accept(sock: socket.socket, context: ssl.SSLContext | None) -> Connection | TlsConnection:
    """The stream over an accepted socket. Raises OSError if the client has gone already."""
    sock.setblocking(False)
    if context is None:
        stream = Connection(sock, read_chunk_size=SMALL_READ)
    else:
        wrapped = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        stream = TlsConnection(wrapped, read_chunk_size=SMALL_READ)
    stream.start()
    return stream
