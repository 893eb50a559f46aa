"""A client that costs little, so that the two cores belong to the servers.

Small requests run over keep-alive connections in one epoll loop, large bodies leave by sendfile and arrive by
MSG_TRUNC, which makes the kernel drop them without a copy. Every answer is checked for its status and its length: a
fast error is not a result.
"""

from __future__ import annotations

import select
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import NamedTuple

MIB = 1 << 20
TIMEOUT = 300


class BadAnswer(Exception):
    """The server answered something that makes the measurement worthless."""


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def request_bytes(method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A whole HTTP/1.1 request."""
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", "User-Agent: dockboard-bench"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Connection:
    """One keep-alive connection with blocking calls."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext | None = None):
        self.socket = connect(address)
        if context:
            self.socket = context.wrap_socket(self.socket, server_hostname=address[0])
        self._buffer = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_error) -> None:
        self.socket.close()

    def request(
        self,
        method: str,
        target: str,
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        expect: int | None = None,
    ) -> Answer:
        self.socket.sendall(request_bytes(method, target, headers, body))
        return self.answer(method, expect)

    def answer(self, method: str, expect: int | None = None) -> Answer:
        """The next answer; BadAnswer when expect is given and it has another status."""
        head = self._until(b"\r\n\r\n")
        status, headers = parse_head(head)
        bodiless = method == "HEAD" or status in (204, 304)
        body = b"" if bodiless else self._body(headers)
        if expect is not None and status != expect:
            raise BadAnswer(f"{method}: {status} instead of {expect}: {body[:500]!r}")
        return Answer(status, headers, body)

    def fetch(self, target: str, size: int) -> None:
        """GET that throws the body away; BadAnswer when it is anything but 200 and size bytes."""
        self.socket.sendall(request_bytes("GET", target))
        status, headers = parse_head(self._until(b"\r\n\r\n"))
        if status != 200 or int(headers["content-length"]) != size:
            raise BadAnswer(f"{target}: status {status}, length {headers.get('content-length')}")
        left, self._buffer, scratch = size - len(self._buffer), b"", bytearray(MIB)
        while left:
            got = self.socket.recv_into(scratch, min(left, MIB))
            if not got:
                raise BadAnswer(f"{left} bytes are missing")
            left -= got

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return self._exactly(int(headers.get("content-length", 0)))
        parts = []
        while size := int(self._until(b"\r\n"), 16):
            parts.append(self._exactly(size))
            self._until(b"\r\n")
        self._until(b"\r\n")
        return b"".join(parts)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            self._buffer += self._received()
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._buffer += self._received()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _received(self) -> bytes:
        data = self.socket.recv(MIB)
        if not data:
            raise BadAnswer("the server closed the connection")
        return data


def connect(address: tuple[str, int]) -> socket.socket:
    connection = socket.create_connection(address)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for option in (
        socket.SO_RCVTIMEO,
        socket.SO_SNDTIMEO,
    ):  # settimeout() would make sendfile raise when the buffer is full
        connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", TIMEOUT, 0))
    return connection


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields}


def drive(address: tuple[str, int], connections: int, next_request: Callable[[], bytes | None], status: int) -> int:
    """Keep the connections busy with requests until next_request returns None; returns how many were answered.

    No pipelining: a connection gets its next request when its answer is complete. BadAnswer for any other status.
    """
    good = b"HTTP/1.1 %d " % status
    sockets = [connect(address) for _ in range(connections)]
    poll = select.epoll()
    waiting = {}
    for each in sockets:
        if request := next_request():
            each.sendall(request)
            waiting[each.fileno()] = [each, b"", request.startswith(b"HEAD")]
            poll.register(each.fileno(), select.EPOLLIN)
    try:
        return _drive(poll, waiting, next_request, good)
    finally:
        poll.close()
        for each in sockets:
            each.close()


def _drive(poll: select.epoll, waiting: dict, next_request: Callable[[], bytes | None], good: bytes) -> int:
    answered = 0
    while waiting:
        for descriptor, _ in poll.poll():
            state = waiting[descriptor]
            data = state[0].recv(262144)
            if not data:
                raise BadAnswer("the server closed a connection")
            state[1] = data = state[1] + data if state[1] else data
            if not _complete(data, state[2]):
                continue
            if not data.startswith(good):
                raise BadAnswer(data[:500].decode("latin-1"))
            answered += 1
            state[1] = b""
            if request := next_request():
                state[0].sendall(request)
            else:
                poll.unregister(descriptor)
                del waiting[descriptor]
    return answered


def _complete(data: bytes, head_only: bool) -> bool:
    """Whether data is one whole answer. Looks at as little as it can: this runs once per request."""
    end = data.find(b"\r\n\r\n")
    if end < 0 or head_only:
        return end >= 0
    head = data[:end].lower()
    start = head.find(b"\r\ncontent-length:")
    if start >= 0:
        return len(data) - end - 4 >= int(head[start + 17 :].split(b"\r\n", 1)[0])
    if b"\r\ntransfer-encoding: chunked" in head:
        return data.endswith(b"0\r\n\r\n")
    return True


def for_seconds(request: bytes, seconds: float) -> Callable[[], bytes | None]:
    """The same request again and again until the time is over, for drive()."""
    end = time.monotonic() + seconds
    return lambda: request if time.monotonic() < end else None


class Pulls(NamedTuple):
    errors: int
    seconds: float
    problems: list[str]


def pull(address: tuple[str, int], target: str, count: int, size: int) -> Pulls:
    """GET the target over count connections at once and throw the bodies away.

    An error is anything but 200 and size bytes.
    """
    request = request_bytes("GET", target)
    started = time.monotonic()
    poll = select.epoll()
    open_pulls, problems = {}, []
    for _ in range(count):
        try:
            each = connect(address)
            each.sendall(request)
        except OSError as error:
            problems.append(f"connecting: {error}")
            continue
        each.setblocking(False)
        open_pulls[each.fileno()] = _Pull(each, size)
        poll.register(each.fileno(), select.EPOLLIN)
    _drain(poll, open_pulls, problems)
    poll.close()
    return Pulls(len(problems), time.monotonic() - started, problems[:5])


class _Pull:
    """One running GET: the socket and how many bytes of the body are still to come (None
    before the head is complete).
    """

    def __init__(self, connection: socket.socket, size: int):
        self.socket = connection
        self.size = size
        self.head = b""
        self.left: int | None = None

    def step(self, scratch: bytearray) -> bool:
        """Read what is there; True when the body is complete. Raises OSError or BadAnswer."""
        if self.left is None:
            return self._read_head()
        got = self.socket.recv_into(scratch, min(self.left, len(scratch)), socket.MSG_TRUNC)
        if not got:
            raise BadAnswer(f"{self.left} bytes are missing")
        self.left -= got
        return self.left == 0

    def _read_head(self) -> bool:
        data = self.socket.recv(4096)
        if not data:
            raise BadAnswer("closed before the answer")
        self.head += data
        head, mark, body = self.head.partition(b"\r\n\r\n")
        if not mark:
            return False
        status, headers = parse_head(head)
        if status != 200 or int(headers.get("content-length", -1)) != self.size:
            raise BadAnswer(f"status {status}, length {headers.get('content-length')}")
        self.left = self.size - len(body)
        return self.left == 0


def _drain(poll: select.epoll, open_pulls: dict[int, _Pull], problems: list[str]) -> None:
    scratch = bytearray(8 * MIB)
    while open_pulls:
        events = poll.poll(TIMEOUT)
        if not events:
            problems.extend(f"nothing arrived for {TIMEOUT} s" for _ in open_pulls)
            return
        for descriptor, _ in events:
            _step(poll, open_pulls, descriptor, scratch, problems)


def _step(
    poll: select.epoll, open_pulls: dict[int, _Pull], descriptor: int, scratch: bytearray, problems: list[str]
) -> None:
    pulling = open_pulls[descriptor]
    try:
        done = pulling.step(scratch)
    except (OSError, BadAnswer) as error:
        problems.append(str(error))
        done = True
    if done:
        poll.unregister(descriptor)
        pulling.socket.close()
        del open_pulls[descriptor]
