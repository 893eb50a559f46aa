"""Sending pieces of files over TLS: read, encrypted and sent in the thread that waits for the sockets, from one buffer
for all of them.

A transfer keeps nothing in between: a piece that the socket did not take whole is read again when it takes more, as
OpenSSL wants to be given the same bytes then. So a reader who does not read costs what the kernel has for him, and the
session's last record.
"""

import os
import socket
import ssl
from collections.abc import Iterable

from ..messages import Piece
from .sendfile import Sender, Transfer

# As much as a socket takes at least when it is ready (half of what sendfile.py lets wait unsent), so that little is
# read twice.
_PIECE = 128 << 10


class _TlsTransfer(Transfer):
    """The same through the stream's session, which nobody else uses meanwhile."""

    def __init__(self, stream, file: int, pieces: Iterable[Piece], buffer: memoryview):
        super().__init__(stream, file, pieces)
        self._session, self._buffer = stream.socket, buffer

    def step(self) -> bool:
        data = self.before or self._read()
        if not data:
            return False
        try:
            return self.note(self._session.write(data))
        except ssl.SSLWantWriteError:
            return True

    def _read(self) -> memoryview:
        piece = self._buffer[: self.stop - self.offset]
        return piece[: os.preadv(self.file, (piece,), self.offset)]


class TlsSender(Sender):
    """One worker's thread for downloads over TLS."""

    def __init__(self):
        super().__init__()
        self._buffer = memoryview(bytearray(_PIECE))

    async def send(self, stream, file: int, pieces: Iterable[Piece]) -> int:
        """As Sender.send; nobody else uses the stream meanwhile."""
        stream.borrow()
        # OpenSSL writes each record of 16 KiB by itself: the kernel shall make full packets of them.
        stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        try:
            return await super().send(stream, file, pieces)
        finally:
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
            stream.give_back()

    def _transfer(self, stream, file: int, pieces: Iterable[Piece]) -> Transfer:
        return _TlsTransfer(stream, file, pieces, self._buffer)
