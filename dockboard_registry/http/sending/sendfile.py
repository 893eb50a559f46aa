"""Sends pieces of files to sockets by sendfile(2), without a copy in Python, and without a thread for each slow reader.

One thread waits for all sockets that a worker sends to, and gives each one that is ready a piece in turn. So downloads
share fairly, a client that keeps up costs two system calls a piece, and the event loop never waits for a cold disk.
Several threads took more processor time for the same bytes (docs/performance.md).
"""

import asyncio
import contextlib
import os
import select
import socket
import sys
import threading
from collections.abc import Iterable

from ..messages import Piece

# Bytes that wait unsent in the kernel. So few stay in the processor's cache, and a reader who does not read holds no
# more.
_UNSENT = 256 << 10
_PIECE = 1 << 20
# Of struct tcp_info (linux/tcp.h): the shortest round trip in microseconds. The average includes delayed
# acknowledgements.
_RTT = slice(148, 152)
_NEAR_MICROSECONDS, _NEAR_BUFFER = 250, 256 << 10


class Transfer:
    """Pieces of a file on their way to a stream's socket.

    For the current piece: the rest of the bytes before it, then `offset` to `stop`. sent: bytes so far. `ended` gets
    None after the last of them, or the error.
    """

    def __init__(self, stream, file: int, pieces: Iterable[Piece]):
        # A duplicate, because Tornado may close the stream's when the client goes.
        self.stream, self.socket = stream, os.dup(stream.socket.fileno())
        self.file, self.sent = file, 0
        self._pieces = iter(pieces)
        self.offset, self.stop, self.before = next(self._pieces)
        self.ended = asyncio.get_running_loop().create_future()

    def step(self) -> bool:
        """Send what the socket takes at once.

        False at the end of the file or of the pieces. Raises OSError if the connection or the file fails.
        """
        try:
            if self.before:
                return self.note(os.write(self.socket, self.before))
            return self.note(os.sendfile(self.socket, self.file, self.offset, min(_PIECE, self.stop - self.offset)))
        except BlockingIOError:
            return True

    def note(self, count: int) -> bool:
        """So many bytes of the current piece were sent; 0 if the file ended early. Returns whether there are more."""
        self.sent += count
        self.stream.moved += count
        if self.before:
            self.before = self.before[count:]
        else:
            self.offset += count
        while not self.before and self.offset >= self.stop:
            following = next(self._pieces, None)
            if following is None:
                return False
            self.offset, self.stop, self.before = following
        return count > 0

    def end(self, error: Exception | None) -> None:
        os.close(self.socket)
        with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody waits any more
            self.ended.get_loop().call_soon_threadsafe(lambda: self.ended.done() or self.ended.set_result(error))


class Sender:
    """One worker's thread for downloads, started by the first one.

    It ends with the process. A drain waits for its transfers.
    """

    def __init__(self):
        self._transfers: dict[int, Transfer] = {}
        self._epoll: select.epoll | None = None

    async def send(self, stream, file: int, pieces: Iterable[Piece]) -> int:
        """Send the pieces (at least one) to the stream's socket, and return the number of bytes. It is smaller if the
        file ended early.

        Raises OSError if the connection or the file fails.
        """
        fit_buffer(stream.socket)
        transfer = self._transfer(stream, file, pieces)
        self._transfers[transfer.socket] = transfer
        self._begin()
        self._epoll.register(transfer.socket, select.EPOLLOUT)
        if error := await transfer.ended:
            raise error
        if stream.socket is not None:
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        return transfer.sent

    def _transfer(self, stream, file: int, pieces: Iterable[Piece]) -> Transfer:
        return Transfer(stream, file, pieces)

    def _begin(self) -> None:
        if self._epoll is None:
            self._epoll = select.epoll()
            threading.Thread(target=self._run, name="send", daemon=True).start()

    def _run(self) -> None:
        while True:
            for descriptor, _ in self._epoll.poll():
                self._serve(self._transfers[descriptor])

    def _serve(self, transfer: Transfer) -> None:
        failed = None
        try:
            if transfer.step():
                return
        except Exception as error:
            failed = error
        with contextlib.suppress(
            OSError
        ):  # nothing may end this thread, or all downloads of the worker would wait for ever
            self._epoll.unregister(transfer.socket)
        del self._transfers[transfer.socket]
        transfer.end(failed)


def fit_buffer(sock: socket.socket) -> None:
    """For a client on this machine or near it, a buffer that stays in the cache (docs/performance.md).

    And only full segments until the end: otherwise each piece would end in a short one, which takes more of the
    processor.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    rtt = int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT.stop)[_RTT], sys.byteorder)
    if 0 < rtt < _NEAR_MICROSECONDS:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _NEAR_BUFFER)
