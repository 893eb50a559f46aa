"""HTTP/1.1 spoken byte by byte, for requests that a well-behaved client library refuses to send.

Nothing here normalises: paths, header names, repeated headers and body framing go out as given. Answers are
parsed strictly, so a server that frames its answer wrongly fails the test that read it.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Iterable, Iterator
from email.message import Message

from tests.support.http import Response

Headers = Iterable[tuple[str, str]]


class Closed(Exception):
    """The server closed the connection before a whole answer had arrived; `received` holds what did."""

    def __init__(self, received: bytes = b"") -> None:
        super().__init__(received)
        self.received = received


class Connection:
    """One socket to the server; every wait is bounded by `timeout` seconds."""

    def __init__(self, address: str, timeout: float = 10.0, tls: ssl.SSLContext | None = None) -> None:
        host, port = address.rsplit(":", 1)
        plain = socket.create_connection((host, int(port)), timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = tls.wrap_socket(plain, server_hostname=host) if tls else plain
        self._address = address
        self._received = b""
        self._path = ""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Send everything, or stop quietly when the server has answered early and shut its side."""
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            pass

    def head(self, method: str, path: str, headers: Headers = ()) -> bytes:
        self._path = path
        given = list(headers)
        if not any(name.lower() == "host" for name, _ in given):
            given.insert(0, ("Host", self._address))
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given)]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"

    def request(
        self, method: str, path: str, headers: Headers = (), body: bytes | Iterable[bytes] | None = None
    ) -> Response:
        """Send one request and read its answer.

        Bytes go with Content-Length, an iterable in chunked transfer coding.
        """
        given = list(headers)
        named = {name.lower() for name, _ in given}
        if isinstance(body, bytes) or (body is None and method in ("POST", "PUT", "PATCH")):
            body = body or b""
            if not named & {"content-length", "transfer-encoding"}:
                given.append(("Content-Length", str(len(body))))
            self.send(self.head(method, path, given) + body)
        elif body is None:
            self.send(self.head(method, path, given))
        else:
            self.send(self.head(method, path, [*given, ("Transfer-Encoding", "chunked")]))
            self.send_chunks(body)
        return self.reply(method)

    def send_chunks(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            if piece:
                self.send(chunk(piece))
        self.send(chunk(b""))

    def reply(self, method: str = "GET") -> Response:
        """Read one answer, an interim one (100) included. Raises Closed at an early end, TimeoutError when late."""
        line, *rest = self._until(b"\r\n\r\n")[:-4].decode("latin-1").split("\r\n")
        headers = Message()
        for text in rest:
            name, _, value = text.partition(":")
            headers[name] = value.strip()
        status = int(line.split(" ")[1])
        return Response(method, self._path, status, headers, self._body(method, status, headers))

    def _body(self, method: str, status: int, headers: Message) -> bytes:
        if method == "HEAD" or status in (204, 304) or status < 200:
            return b""
        if "chunked" in headers.get("Transfer-Encoding", ""):
            return b"".join(self._chunks())
        length = headers["Content-Length"]
        return self.rest() if length is None else self._exactly(int(length))

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self._until(b"\r\n").split(b";")[0], 16):
            yield self._exactly(size)
            self._exactly(2)
        self._until(b"\r\n")

    def _receive(self) -> bytes:
        try:
            return self.socket.recv(1 << 20)
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            data = self._receive()
            if not data:
                raise Closed(self._received)
            self._received += data
        found, _, self._received = self._received.partition(mark)
        return found + mark

    def _exactly(self, size: int) -> bytes:
        parts, have = [self._received], len(self._received)
        while have < size:
            data = self._receive()
            if not data:
                raise Closed(b"".join(parts))
            parts.append(data)
            have += len(data)
        whole = b"".join(parts)
        self._received = whole[size:]
        return whole[:size]

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        parts = [self._received]
        self._received = b""
        while data := self._receive():
            parts.append(data)
        return b"".join(parts)

    def closed_within(self, seconds: float) -> bool:
        """True when the server ends the connection in time; bytes it sends before are dropped."""
        self.socket.settimeout(seconds)
        try:
            self.rest()
        except TimeoutError:
            return False
        return True

    def quiet(self, seconds: float) -> bool:
        """True when nothing arrives and nothing is closed for that long."""
        return not self._received and not select.select([self.socket], [], [], seconds)[0]


def goes_on(response: Response) -> bool:
    """Whether the connection serves another request after this answer: it was framed, and its end was not announced."""
    framed = response.headers["Content-Length"] is not None or response.status in (204, 304)
    return framed and (response.headers["Connection"] or "").lower() != "close"


def chunk(data: bytes) -> bytes:
    """One piece in chunked transfer coding; the empty piece ends the body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def request(address: str, method: str, path: str, headers: Headers = (), body=None, timeout: float = 10.0) -> Response:
    """One request on a connection of its own, so that any worker may get it."""
    with Connection(address, timeout) as connection:
        return connection.request(method, path, headers, body)


def exchange(address: str, data: bytes, end: bool = True, timeout: float = 5.0) -> list[Response]:
    """Send raw bytes and return every answer until the server closes or is silent for `timeout` seconds.

    `end` ends the sending side too, which makes most servers drop what they have not answered yet.
    """
    replies: list[Response] = []
    with Connection(address, timeout) as connection:
        connection.send(data)
        try:
            if end:
                connection.socket.shutdown(socket.SHUT_WR)
            while True:
                replies.append(connection.reply())
        except (Closed, OSError):
            return replies
