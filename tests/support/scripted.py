"""An HTTP server that does to each request what the test wrote down: it answers, cuts the connection, ends a body early
or stalls.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from typing import NamedTuple


class Received(NamedTuple):
    """connection: which connection of the server it came by, counted from 0."""

    method: str
    target: str
    fields: dict[str, str]
    body: bytes
    connection: int


Step = Callable[[socket.socket, Received], bool]


def answer(status: int = 200, body: bytes = b"", **fields: str) -> Step:
    """An answer, after which the connection stays open."""

    def step(connection: socket.socket, _: Received) -> bool:
        lines = {"Content-Length": str(len(body)), **{name.replace("_", "-"): text for name, text in fields.items()}}
        head = "".join(f"{name}: {text}\r\n" for name, text in lines.items())
        connection.sendall(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body)
        return True

    return step


def cut() -> Step:
    """No answer: the connection is reset."""

    def step(connection: socket.socket, _: Received) -> bool:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    return step


def early_end(body: bytes, announced: int) -> Step:
    """A 200 whose body is shorter than its Content-Length."""

    def step(connection: socket.socket, _: Received) -> bool:
        connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\n\r\n".encode() + body)
        return False

    return step


def stall(body: bytes = b"", announced: int = 0) -> Step:
    """Nothing more comes: no answer at all, or no more of the body. It ends when the client gives up."""

    def step(connection: socket.socket, _: Received) -> bool:
        if announced:
            connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\n\r\n".encode() + body)
        with contextlib.suppress(OSError):
            connection.recv(1)
        return False

    return step


class Scripted:
    """Does the steps one after the other, one for each request, and then the last one for ever.

    unread: how many bytes of a body it reads before it answers and closes, for requests whose body is refused.
    """

    def __init__(self, *steps: Step, unread: int | None = None, tls: ssl.SSLContext | None = None):
        self._steps, self._unread, self._tls = list(steps), unread, tls
        self.received: list[Received] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._lock, self._connections = threading.Lock(), []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                number = len(self._connections) - 1
                threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            reader = connection.makefile("rb")
            while (found := self._read(reader, number)) and self._next()(connection, found):
                if self._unread is not None:
                    break
            reader.close()
        connection.close()

    def _read(self, reader, number: int) -> Received | None:
        line = reader.readline().decode("latin-1")
        if not line:
            return None
        method, target, _ = line.split(" ")
        fields = {}
        while (line := reader.readline().decode("latin-1").strip()) != "":
            name, _, text = line.partition(":")
            fields[name.lower()] = text.strip()
        length = int(fields.get("content-length", 0))
        body = reader.read(length if self._unread is None else min(length, self._unread))
        found = Received(method, target, fields, body, number)
        with self._lock:
            self.received.append(found)
        return found

    def _next(self) -> Step:
        with self._lock:
            return self._steps.pop(0) if len(self._steps) > 1 else self._steps[0]

    def close_connections(self) -> None:
        """As a server that closes idle connections."""
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.close_connections()

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
