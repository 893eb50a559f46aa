"""Sending parts of files to sockets by sendfile(2): no copy in Python, and no thread held by a slow reader.

One thread waits for all sockets that a worker sends to, and gives every one that is ready a piece in turn: downloads share fairly, a client
that keeps up costs two system calls a piece, and the event loop never waits for a cold disk. (Several threads took more of the
processor for the same bytes: 0.117 and 0.135 s for 500 MiB with two and four of them, 0.100 s with one.)
"""

import asyncio
import contextlib
import os
import select
import socket
import sys
import threading

# Bytes that wait in the kernel unsent: little enough to stay in the processor's cache, and for a reader who does not read.
_UNSENT = 256 << 10
_PIECE = 1 << 20
# Of struct tcp_info (linux/tcp.h): the shortest round trip seen, in microseconds; the average has delayed acknowledgements in it.
_RTT = slice(148, 152)
_NEAR_MICROSECONDS, _NEAR_BUFFER = 250, 256 << 10


class Transfer:
    """Bytes `offset` to `stop` of a file on their way to a stream's socket; `ended` gets None after the last of them, or the error."""

    def __init__(self, stream, file: int, offset: int, stop: int):
        # Of its own, for Tornado may close the stream's when it hears that the client is gone.
        self.stream, self.socket = stream, os.dup(stream.socket.fileno())
        self.file, self.offset, self.stop = file, offset, stop
        self.ended = asyncio.get_running_loop().create_future()

    def step(self) -> bool:
        """Send a piece; False at the end of the file or the part. Raises OSError when the connection or the file fails."""
        try:
            sent = os.sendfile(self.socket, self.file, self.offset, min(_PIECE, self.stop - self.offset))
        except BlockingIOError:
            return True
        self.offset += sent
        self.stream.moved += sent
        return sent > 0 and self.offset < self.stop

    def end(self, error: Exception | None) -> None:
        os.close(self.socket)
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.ended.get_loop().call_soon_threadsafe(lambda: self.ended.done() or self.ended.set_result(error))


class Sender:
    """One worker's thread for downloads, begun at the first. It ends with the process; a drain waits for those who wait for it."""

    def __init__(self):
        self._transfers: dict[int, Transfer] = {}
        self._epoll: select.epoll | None = None

    async def send(self, stream, file: int, start: int, stop: int) -> int:
        """Send bytes start to stop (exclusive) to the stream's socket; returns how many went out before end of file or stop.

        Raises OSError when the connection or the file fails.
        """
        _fit_buffer(stream.socket)
        transfer = self._transfer(stream, file, start, stop)
        self._transfers[transfer.socket] = transfer
        self._begin()
        self._epoll.register(transfer.socket, select.EPOLLOUT)
        if error := await transfer.ended:
            raise error
        if stream.socket is not None:
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        return transfer.offset - start

    def _transfer(self, stream, file: int, start: int, stop: int) -> Transfer:
        return Transfer(stream, file, start, stop)

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
        with contextlib.suppress(OSError):  # nothing may end this thread: all downloads of the worker would wait for ever
            self._epoll.unregister(transfer.socket)
        del self._transfers[transfer.socket]
        transfer.end(failed)


def _fit_buffer(sock: socket.socket) -> None:
    """For a client on this machine or beside it, a buffer that stays in the cache; docs/performance.md has the spread.

    And full segments only, until the end: each piece would end in a short one, which took a third more of the processor.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    rtt = int.from_bytes(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT.stop)[_RTT], sys.byteorder)
    if 0 < rtt < _NEAR_MICROSECONDS:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _NEAR_BUFFER)
