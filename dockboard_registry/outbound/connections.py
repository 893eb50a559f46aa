"""Connections that stay open from one request to the next, each with a time limit for each of its phases."""

import contextlib
import http.client
import os
import select
import socket
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from .errors import NotTried
from .guard import Guard, dial

_SLICE = 256 << 10
# Servers close connections that nobody used. Many do so after a minute.
_IDLE_SECONDS = 30.0


class Origin(NamedTuple):
    """A server: scheme, host and port of a URL."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: str) -> "Origin":
        parts = urlsplit(url)
        return cls(parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Limits:
    """Seconds: to connect (with TLS), for each piece that is sent, for the first byte of the answer, for each piece of
    it.
    """

    connect: float = 5.0
    send: float = 20.0
    answer: float = 60.0
    read: float = 20.0


class Connection(http.client.HTTPConnection):
    """One connection. was_used: an answer came over it, so the server may have closed it since."""

    def __init__(self, origin: Origin, limits: Limits, guard: Guard, tls: ssl.SSLContext | None):
        super().__init__(origin.host, origin.port)
        self._limits, self._guard, self._tls = limits, guard, tls
        self._raw: socket.socket | None = None
        self.was_used, self.used_at = False, 0.0

    def connect(self) -> None:
        raw = dial(self.host, self.port, self._limits.connect, self._guard)
        try:
            raw.settimeout(self._limits.connect)
            self.sock = self._raw = self._tls.wrap_socket(raw, server_hostname=self.host) if self._tls else raw
        except BaseException:
            raw.close()
            raise

    def send_body(self, body: memoryview) -> None:
        self.sock.settimeout(self._limits.send)
        for start in range(0, len(body), _SLICE):
            self.sock.sendall(body[start : start + _SLICE])

    def limit(self, seconds: float) -> None:
        """For what is read next. An answer that ends with its connection has taken the socket along."""
        with contextlib.suppress(OSError):
            self._raw.settimeout(seconds)

    @property
    def is_plain(self) -> bool:
        """Whether bytes come without TLS."""
        return self._tls is None

    def move(self, pipe: int, most: int) -> int:
        """Move bytes that have come into an empty pipe, and wait for the first ones. 0 at the end. Raises OSError."""
        while True:
            with contextlib.suppress(BlockingIOError):
                return os.splice(self._raw.fileno(), pipe, most, flags=os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK)
            poll = select.poll()
            poll.register(self._raw, select.POLLIN)
            if not poll.poll(self._raw.gettimeout() * 1000):
                raise TimeoutError

    def is_alive(self) -> bool:
        """Whether the server has neither closed an idle connection nor sent something that nobody asked for."""
        if self.sock is None or time.monotonic() - self.used_at > _IDLE_SECONDS:
            return False
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


class Connections:
    """At most `most` connections in use, to all servers together. Used by many threads."""

    def __init__(self, limits: Limits, guard: Guard, ca_file: str, most: int):
        self._limits, self._guard, self._ca_file = limits, guard, ca_file
        self._tls: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._free = threading.BoundedSemaphore(most)
        self._idle: dict[Origin, deque[Connection]] = {}

    def take(self, origin: Origin, fresh: bool = False) -> Connection:
        """A connection that nobody else uses. fresh: none that was used before. Raises NotTried, ssl.SSLError."""
        if not self._free.acquire(timeout=self._limits.connect):
            raise NotTried(f"all connections are in use, none to {origin} was free in time")
        try:
            return (None if fresh else self._idle_one(origin)) or Connection(
                origin, self._limits, self._guard, self._context() if origin.scheme == "https" else None
            )
        except BaseException:
            self._free.release()
            raise

    def _idle_one(self, origin: Origin) -> Connection | None:
        while True:
            with self._lock:
                kept = self._idle.get(origin)
                found = kept.pop() if kept else None
            if found is None or found.is_alive():
                return found
            found.close()

    def give_back(self, connection: Connection, origin: Origin, reusable: bool) -> None:
        connection.used_at, connection.was_used = time.monotonic(), True
        if reusable and connection.sock is not None:
            with self._lock:
                self._idle.setdefault(origin, deque()).append(connection)
        else:
            connection.close()
        self._free.release()

    def _context(self) -> ssl.SSLContext:
        """Verifies the server's certificate and name, by the operator's CA file where there is one."""
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context(cafile=self._ca_file or None)
                self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            return self._tls

    def close(self) -> None:
        """Close those that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for kept in idle.values():
            for connection in kept:
                connection.close()
