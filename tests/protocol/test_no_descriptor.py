"""Blobs from a store whose sources have no descriptor, as those of an object store: every answer is the same as with
files, over the fast path, Tornado's way and TLS.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from dockboard_registry import app, config, startup
from dockboard_registry.db.engines import engine
from dockboard_registry.http import event_loop
from dockboard_registry.http.budget import Budget
from dockboard_registry.http.edge import Edge
from dockboard_registry.metrics import BOARD_SIZE, Metrics
from dockboard_registry.server import tls
from dockboard_registry.web.listeners import REGISTRY, Routes
from tests.protocol.certificates import make_certificate, trusting
from tests.protocol.test_several_ranges import expected, parts
from tests.protocol.wire import Closed, Connection
from tests.support.http import Client
from tests.support.images import noise
from tests.support.memory_storage import MemoryStorage
from tests.support.server import wait_for

SIZES = [1, 65_536, 65_537, 3_000_001]
WAYS = {"fast": (True, False), "ordinary": (False, False), "tls": (True, True), "ordinary tls": (False, True)}


class Server:
    """A worker's edge over this store, in a thread. Its database keeps no bytes."""

    def __init__(self, root: Path, storage: MemoryStorage, fast_paths: bool, pair: tuple[Path, Path] | None):
        self.storage, self.context = storage, pair and trusting(pair[0])
        settings = {
            "STORAGE_ROOT": str(root),
            "AUTH_ANONYMOUS": "push",
            "DATABASE_SMALL_BLOBS": "0",
            "SERVER_FAST_PATHS": "true" if fast_paths else "false",
        }
        if pair:
            settings |= {"SERVER_TLS_CERTIFICATE": str(pair[0]), "SERVER_TLS_KEY": str(pair[1])}
        self._config = config.load({}, {f"DOCKBOARD_{key}": value for key, value in settings.items()})
        startup.prepare(self._config)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:{}".format(self._listener.getsockname()[1])
        self.log: list[tuple] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: event_loop.new_loop(lambda: None)) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        metrics = Metrics(bytearray(BOARD_SIZE), 0)
        database = engine(self._config.database_place).open(self._config.database.connections)
        services = app.Services(self._config, "this start", database, self.storage, metrics)
        log = SimpleNamespace(write=lambda *line: self.log.append(line))
        budget = Budget(metrics.add)
        certificate = tls.context(self._config.server)
        edge = Edge(Routes(REGISTRY, services), self._config.server, log, metrics, "test-", budget, certificate)
        edge.listen(self._listener)
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stopping.wait()
        await edge.drain(5)
        services.close()

    def __enter__(self) -> Server:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def connect(self) -> Connection:
        return Connection(self.address, tls=self.context)

    def settled(self) -> None:
        """Every source is closed."""
        wait_for(lambda: not self.storage.opened, 10, "the end of all sources")


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[Path, Path]:
    return make_certificate(tmp_path_factory.mktemp("certificate"), "registry")


@pytest.fixture(scope="module", params=WAYS.values(), ids=WAYS)
def server(request, tmp_path_factory, pair) -> Iterator[Server]:
    fast_paths, encrypted = request.param
    root = tmp_path_factory.mktemp("memory") / "data"
    with Server(root, MemoryStorage(), fast_paths, pair if encrypted else None) as server:
        yield server


@pytest.fixture(scope="module")
def blobs(server) -> dict[int, tuple[str, bytes]]:
    """(path, bytes) by size; they are pushed by each way that there is to push."""
    with Client(server.address, context=server.context) as client:
        made = {}
        for size in SIZES:
            data = noise(size, size)
            made[size] = f"/v2/memory/app/blobs/{client.push_blob('memory/app', data)}", data
        assert {bytes(data) for data, _ in server.storage.content.values()} == {data for _, data in made.values()}
        return made


@pytest.mark.parametrize("size", SIZES)
def test_a_blob_comes_whole_and_the_connection_goes_on(server, blobs, size):
    path, data = blobs[size]
    with server.connect() as connection:
        for _ in range(3):
            answer = connection.request("GET", path)
            assert answer.status == 200 and answer.headers["Content-Length"] == str(size)
            assert hashlib.sha256(answer.body).digest() == hashlib.sha256(data).digest()
        assert connection.request("GET", "/v2/").status == 200
    server.settled()
    assert [line[3:5] for line in server.log if line[2] == path and line[1] == "GET"] == [(200, size)] * 3


@pytest.mark.parametrize("size", SIZES)
def test_head_reads_nothing(server, blobs, size):
    path, _ = blobs[size]
    with server.connect() as connection:
        answer = connection.request("HEAD", path)
        assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, str(size), b"")
        assert connection.request("GET", path, [("If-None-Match", answer.headers["Etag"])]).status == 304
    server.settled()


@pytest.mark.parametrize("size", SIZES[1:])
@pytest.mark.parametrize(("start", "stop"), [(0, 1), (7, 65_000), (1, None), (-3, None)])
def test_one_range(server, blobs, size, start, stop):
    path, data = blobs[size]
    text = f"bytes={start}-{'' if stop is None else stop - 1}" if start >= 0 else f"bytes={start}"
    with server.connect() as connection:
        answer = connection.request("GET", path, [("Range", text)])
        assert (answer.status, answer.body) == (206, data[start:stop])
        assert connection.request("GET", path, [("Range", f"bytes={size}-")]).status == 416
        assert connection.request("GET", "/v2/").status == 200
    server.settled()


@pytest.mark.parametrize("size", SIZES[1:])
def test_several_ranges(server, blobs, size):
    path, data = blobs[size]
    places = [(0, 99), (5_000, 65_100), (size - 7, size - 1), (200, 200)]
    text = ",".join(f"{first}-{last}" for first, last in places)
    with server.connect() as connection:
        answer = connection.request("GET", path, [("Range", f"bytes={text}")])
        assert parts(answer) == expected(data, *places)
        assert connection.request("GET", "/v2/").status == 200
    server.settled()


@pytest.mark.parametrize("size", SIZES)
def test_http_1_0(server, blobs, size):
    path, data = blobs[size]
    with server.connect() as connection:
        connection.send(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.socket.recv(1 << 20):
                received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK") and body == data
    server.settled()


def test_a_client_that_leaves_holds_no_source(server, blobs):
    path, _ = blobs[SIZES[-1]]
    for _ in range(3):
        with server.connect() as connection:
            connection.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert connection.socket.recv(1000)
    server.settled()


def test_an_answer_that_breaks_off_is_not_taken_for_whole(server, blobs):
    path, data = blobs[SIZES[-1]]
    server.storage.breaks_at = 1_500_000
    try:
        with server.connect() as connection, pytest.raises((Closed, OSError)):
            connection.request("GET", path)
    finally:
        server.storage.breaks_at = 1 << 62
    server.settled()
    with server.connect() as connection:
        assert connection.request("GET", path).body == data


def test_a_small_blob_that_cannot_be_read_is_an_error_of_its_own(server, blobs):
    path, data = blobs[SIZES[1]]
    server.storage.breaks_at = 10
    try:
        with server.connect() as connection:
            assert connection.request("GET", path, [("Range", "bytes=20-99")]).status == 503
    finally:
        server.storage.breaks_at = 1 << 62
    server.settled()
