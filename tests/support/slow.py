"""Very many slow clients in one thread that costs next to nothing: each moves a few bytes when its turn comes, and
never waits.

Turns are spread over the period, so that the clients don't come all at once.
"""

from __future__ import annotations

import contextlib
import hashlib
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence

HEAD = "{method} {target} HTTP/1.1\r\nHost: slow\r\n{fields}\r\n"


class SlowClient:
    """One request on its own connection. step() is one turn; `status` is the answer's, 0 before it came."""

    def __init__(self, address: tuple[str, int], receive_buffer: int = 0):
        self.status = 0
        self._seen = b""
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        self.socket.setblocking(False)

    def step(self) -> bool:
        """Move a little; True when the request is done.

        Raises AssertionError where the connection broke or the answer is wrong.
        """
        raise NotImplementedError

    def _read_head(self) -> bytes | None:
        """What came behind the answer's head, once that is whole."""
        with contextlib.suppress(BlockingIOError):
            data = self.socket.recv(2048)
            assert data, f"the connection was closed after {self._seen!r}"
            self._seen += data
        head, end, rest = self._seen.partition(b"\r\n\r\n")
        if not end:
            return None
        self.status = int(head.split()[1])
        return rest


class SlowUpload(SlowClient):
    """PUT of a body to an open upload session, `piece` bytes a turn.

    Who says that it is chunked gives it in chunks already.
    """

    def __init__(self, address: tuple[str, int], target: str, body: bytes, piece: int, chunked: bool = False):
        super().__init__(address)
        length = "Transfer-Encoding: chunked\r\n" if chunked else f"Content-Length: {len(body)}\r\n"
        self.socket.send(
            HEAD.format(
                method="PUT", target=target, fields="Content-Type: application/octet-stream\r\n" + length
            ).encode()
        )
        self._left, self._piece = memoryview(body), piece

    def step(self) -> bool:
        if not self._left:
            return self._read_head() is not None
        with contextlib.suppress(BlockingIOError):
            self._left = self._left[self.socket.send(self._left[: self._piece]) :]
        return False


class SlowDownload(SlowClient):
    """GET of a blob of this size that reads at most `piece` bytes a turn through a buffer of `buffer`; `digest` is of
    what came.
    """

    def __init__(self, address: tuple[str, int], target: str, size: int, piece: int, buffer: int = 4096):
        super().__init__(address, buffer)
        self._left, self._piece = size, piece
        self._hash = hashlib.sha256()
        self.socket.send(HEAD.format(method="GET", target=target, fields="").encode())

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"

    def step(self) -> bool:
        if not self.status:
            if body := self._read_head():
                self._take(body)
            return False
        assert self.status == 200, self._seen
        with contextlib.suppress(BlockingIOError):
            data = self.socket.recv(min(self._piece, self._left))
            assert data, f"the connection was closed {self._left} bytes before the end"
            self._take(data)
        return not self._left

    def _take(self, data: bytes) -> None:
        self._hash.update(data)
        self._left -= len(data)


def drive(clients: Sequence[SlowClient], period: float, until: Callable[[], bool] = lambda: False) -> None:
    """Give each client a turn in every period (seconds) until all are done, or until() says so; then close them."""
    begun = time.monotonic()
    turns = deque((begun + number * period / len(clients), client) for number, client in enumerate(clients))
    try:
        while turns and not until():
            due, client = turns.popleft()
            time.sleep(max(0.0, due - time.monotonic()))
            if not client.step():
                turns.append((max(due + period, time.monotonic()), client))
    finally:
        for client in clients:
            client.socket.close()
