"""What the HTTP engine sends when a handler, or a face, gives it something that cannot be sent: never silence."""

from __future__ import annotations

import asyncio
import logging
import socket
from types import SimpleNamespace

import pytest

from dockboard_registry.errors import NotFound
from dockboard_registry.http.budget import Budget
from dockboard_registry.http.edge import Edge
from dockboard_registry.http.faces import Route
from dockboard_registry.http.messages import Response, SharedFields

# What nobody may find in a head, as it is or as the end of a line.
OUTSIDE_LATIN_1, NEW_LINE, NUL = "团队", "a\r\nX-Injected: yes", "a\0b"
CONFIG = SimpleNamespace(idle_timeout=5, header_timeout=5, body_timeout=5, trusted_proxies=())


class Counted:
    """Stands for the metrics and the access log: counts the answers by status."""

    def __init__(self) -> None:
        self.answers: list[int] = []

    def begin(self) -> None: ...

    def failed(self) -> None: ...

    def add(self, name: str, amount: float) -> None: ...

    def end(self, endpoint, status: int, seconds: float) -> None: ...

    def write(self, remote, method, target, status: int, *more: object) -> None:
        self.answers.append(status)


class Served:
    """Routes, a face and its one endpoint: every path answers with `fields`, errors have `error_fields`."""

    number, streams = 0, False
    fields = SharedFields({"X-Face": "yes"})

    def __init__(self, fields: dict, error_fields: dict | Exception, waits: int) -> None:
        self.unknown, self._fields, self._error_fields, self._waits = self, fields, error_fields, waits

    def face(self, path: str) -> Served:
        return self

    def find(self, path: str) -> tuple[Served, tuple[str, ...]]:
        if path == "/missing":
            raise NotFound
        return self, ()

    def verb(self, method: str):
        return self._answer

    async def _answer(self, request) -> Response:
        for _ in range(self._waits):
            await asyncio.sleep(0)
        return Response(200, self._fields, b"secret")

    def error(self, error: Exception, request=None) -> Response:
        if isinstance(self._error_fields, Exception):
            raise self._error_fields
        return Response(getattr(error, "status", 500), self._error_fields, b"error")


async def _ask(edge: Edge, path: str) -> bytes:
    """All bytes that come back for two requests on one connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    edge.listen(listener)
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    writer.write(asked.encode())
    first = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.write(asked.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").encode())
    rest = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    await edge.drain(1)
    return first + rest


def answered(path: str, fields: dict, errors: dict | Exception, fast: bool, waits: int = 0) -> tuple[bytes, Counted]:
    """What two requests on one connection get. fast: by the fast path. waits: how often the handler waits."""
    counted = Counted()

    async def main() -> bytes:
        config = SimpleNamespace(**vars(CONFIG), fast_paths=fast)
        budget = Budget(counted.add, 1 << 20)
        return await _ask(Edge(Served(fields, errors, waits), config, counted, counted, "t", budget), path)

    return asyncio.run(main()), counted


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("waits", [0, 1, 3])
@pytest.mark.parametrize("value", [OUTSIDE_LATIN_1, NEW_LINE, NUL, ["fine", NEW_LINE], 5])
def test_a_field_that_cannot_be_sent_is_an_error_of_the_server(caplog, fast, waits, value):
    seen, counted = answered("/", {"X-Name": value}, {}, fast, waits)
    assert seen.count(b"HTTP/1.1 500 ") == 2 and seen.endswith(b"\r\n\r\nerror")
    assert b"secret" not in seen and b"X-Injected" not in seen and counted.answers == [500, 500]
    assert len([line for line in caplog.records if line.levelno == logging.ERROR]) == 2


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("path", ["/", "/missing"])
@pytest.mark.parametrize("errors", [{"X-Name": OUTSIDE_LATIN_1}, {"X-Name": NEW_LINE}, KeyError("title")])
def test_a_face_that_fails_at_an_error_is_answered_for(fast, path, errors):
    seen, counted = answered(path, {"X-Name": OUTSIDE_LATIN_1}, errors, fast)
    assert seen.count(b"HTTP/1.1 500 ") == 2 and counted.answers == [500, 500]
    assert b"secret" not in seen and b"title" not in seen and b"X-Injected" not in seen


@pytest.mark.parametrize("value", [OUTSIDE_LATIN_1, NEW_LINE, NUL])
def test_fields_of_many_answers_are_checked_once(value):
    with pytest.raises(ValueError, match="X-Name"):
        SharedFields({"X-Name": value})


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("value", ["a\tb", "é", "", ["one", "two"], "~!"])
def test_other_values_are_sent_as_they_are(fast, value):
    seen, counted = answered("/", {"X-Name": value}, {}, fast)
    first, *_ = value if isinstance(value, list) else [value]
    assert f"X-Name: {first}\r\n".encode("latin1") in seen and counted.answers == [200, 200]
