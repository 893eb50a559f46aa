"""A proxy before an object store, which notes all requests and does to some of them what networks and servers do."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit


class Asked(NamedTuple):
    """One request. verb: what it is in S3, such as PUT, POST uploads or GET list-type."""

    method: str
    path: str
    query: dict[str, str]
    fields: dict[str, str]
    size: int

    @property
    def verb(self) -> str:
        known = ("uploads", "uploadId", "partNumber", "list-type", "delete")
        found = [name for name in known if name in self.query]
        return " ".join([self.method, *(["partNumber"] if "partNumber" in found else found[:1])])


# What to do with a request: gets the connection to the client, and a function that asks the store and gives its answer.
Answered = tuple[int, dict[str, str], bytes]
Fault = Callable[[socket.socket, Callable[[], Answered]], None]


def answers(status: int, code: str, **fields: str) -> Fault:
    """An error of S3, without asking the store."""

    def fault(client: socket.socket, ask: Callable[[], Answered]) -> None:
        body = f"<Error><Code>{code}</Code></Error>".encode()
        send(client, status, {name.replace("_", "-"): text for name, text in fields.items()}, body)

    return fault


def lost_answer(client: socket.socket, ask: Callable[[], Answered]) -> None:
    """The store does it, and the connection breaks before the answer."""
    ask()
    _reset(client)


def cut(client: socket.socket, ask: Callable[[], Answered]) -> None:
    """The store hears nothing of it."""
    _reset(client)


def half_answer(client: socket.socket, ask: Callable[[], Answered]) -> None:
    """The answer ends in the middle of its body."""
    status, fields, body = ask()
    send(client, status, fields, body[: len(body) // 2], len(body))
    _reset(client)


def closed_early(client: socket.socket, ask: Callable[[], Answered]) -> None:
    """The same, but the server closes the connection in good order."""
    status, fields, body = ask()
    send(client, status, fields, body[: len(body) // 2], len(body))
    client.shutdown(socket.SHUT_WR)
    raise ConnectionError


def half_then_stall(client: socket.socket, ask: Callable[[], Answered]) -> None:
    """Half of the body comes, and then nothing."""
    status, fields, body = ask()
    send(client, status, fields, body[: len(body) // 2], len(body))
    stall(client, ask)


def short_answer(client: socket.socket, ask: Callable[[], Answered]) -> None:
    """Half of the body, as if that were all."""
    status, fields, body = ask()
    send(client, status, fields, body[: len(body) // 2])


def said(status: int, body: bytes) -> Fault:
    """This answer, without asking the store."""
    return lambda client, ask: send(client, status, {"Content-Type": "application/json"}, body)


def wrong_etag(client: socket.socket, ask: Callable[[], Answered]) -> None:
    """Another tag in the field and in the body, where vendors have it."""
    status, fields, body = ask()
    other = re.sub(rb'("etag"|"eTag"|"hash"): ?"[^"]*"', rb'\1: "' + b"0" * 32 + b'"', body)
    other = re.sub(rb"<ETag>[^<]*", b"<ETag>" + b"0" * 32, other)
    kept = {name: text for name, text in fields.items() if name.lower() != "etag"}
    send(client, status, {**kept, "ETag": f'"{"0" * 32}"'}, other)


def stall(client: socket.socket, ask: Callable[[], Answered]) -> None:
    """No answer, until the client gives up."""
    with contextlib.suppress(OSError):
        client.recv(1)
    raise ConnectionError


def send(client: socket.socket, status: int, fields: dict[str, str], body: bytes, length: int | None = None) -> None:
    kept = {name: text for name, text in fields.items() if name.lower() not in _OF_CONNECTIONS}
    told = fields.get("Content-Length", str(len(body))) if not body and length is None else str(length or len(body))
    head = "".join(f"{name}: {text}\r\n" for name, text in {**kept, "Content-Length": told}.items())
    client.sendall(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode("latin-1") + body)


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise ConnectionError


_LONG = 50_000
_OF_CONNECTIONS = ("content-length", "connection", "transfer-encoding")


class StoreProxy:
    """asked: all requests. fault(asked) gives what to do with a request; None passes it on. cut_bodies: so many long
    bodies are cut in their middle on the way to the store.
    """

    def __init__(self, port: int):
        self._upstream, self.cut_bodies = port, 0
        self.asked: list[Asked] = []
        self.fault: Callable[[Asked], Fault | None] = lambda asked: None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._clients: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def verbs(self) -> list[str]:
        return [asked.verb for asked in self.asked]

    def once(self, verb: str, fault: Fault, times: int = 1) -> None:
        """The next requests with this verb meet the fault, and then all pass."""
        left = times

        def choose(asked: Asked) -> Fault | None:
            nonlocal left
            if asked.verb == verb and left:
                left -= 1
                return fault
            return None

        self.fault = choose

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._clients.append(client)
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        upstream = http.client.HTTPConnection("127.0.0.1", self._upstream)
        with contextlib.suppress(OSError, http.client.HTTPException):
            reader = client.makefile("rb")
            while line := reader.readline().decode("latin-1"):
                self._one(client, upstream, reader, line)
        upstream.close()
        client.close()

    def _one(self, client: socket.socket, upstream: http.client.HTTPConnection, reader, line: str) -> None:
        method, target, _ = line.split(" ")
        fields = dict(http.client.parse_headers(reader).items())
        size = int(fields.get("Content-Length", 0))
        if self.cut_bodies and size > _LONG:
            self.cut_bodies -= 1
            reader.read(size // 2)
            _reset(client)
        body = reader.read(size)
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        found = Asked(method, parts.path, query, {name.lower(): text for name, text in fields.items()}, len(body))
        self.asked.append(found)
        fault = self.fault(found)

        def ask() -> Answered:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
                upstream.request(method, target, body or None, fields)
            answer = upstream.getresponse()
            return answer.status, dict(answer.headers.items()), answer.read()

        if fault is not None:
            fault(client, ask)
        else:
            send(client, *ask())

    def settle(self, seconds: float = 10) -> list[Asked]:
        """All requests, once no new one has come for a while."""
        seen, end = -1, time.monotonic() + seconds
        while seen != len(self.asked) and time.monotonic() < end:
            seen = len(self.asked)
            time.sleep(0.2)
        return self.asked

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> StoreProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
