"""Clients that are too slow or too many (security H1, H2): each costs little, is cut off in time, and nobody else
notices.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.protocol import wire
from tests.support.http import OCI_INDEX, OCTETS, Client
from tests.support.server import Registry, wait_for

pytestmark = pytest.mark.ways


@pytest.fixture(scope="module")
def hasty(deploy, tmp_path_factory):
    """A registry with short patience, so that these tests take seconds."""
    root = tmp_path_factory.mktemp("hasty") / "data"
    with deploy(root, server_header_timeout=2, server_idle_timeout=4, server_body_timeout=2) as registry:
        yield registry


def half_sent_head(address: str) -> float:
    """Seconds until a connection that sends a header byte by byte is closed."""
    with wire.Connection(address) as connection:
        began = time.monotonic()
        connection.send(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        while connection.quiet(0.4) and time.monotonic() - began < 15:
            connection.send(b"a")
        return time.monotonic() - began


def idle(address: str) -> float:
    with wire.Connection(address) as connection:
        connection.request("GET", "/v2/").expect(200)
        began = time.monotonic()
        assert connection.closed_within(15)
        return time.monotonic() - began


def untouched(address: str) -> float:
    with wire.Connection(address) as connection:
        began = time.monotonic()
        assert connection.closed_within(15)
        return time.monotonic() - began


def slow_body(address: str, bytes_a_second: int, seconds: float = 15) -> float:
    """Seconds that a chunk at this speed lasts, at most `seconds`; afterwards the upload goes on with whoever is
    quicker.
    """
    with Client(address) as client:
        location = client.start_upload("slow/app")
    with wire.Connection(address) as connection:
        connection.send(connection.head("PATCH", location, [("Content-Length", str(1 << 20))]))
        began = time.monotonic()
        while connection.quiet(0.25) and time.monotonic() - began < seconds:
            connection.send(bytes(max(1, bytes_a_second // 4)))
        lasted = time.monotonic() - began
    with Client(address) as client:
        wait_for(
            lambda: client.request("PATCH", location, {"Content-Type": OCTETS}, b"more").status == 202,
            5,
            "an end of the slow chunk",
        )
        client.delete(location).expect(204)
    return lasted


def slow_reader(registry: Registry, digest: str, number: int) -> float:
    """Seconds until the server gives up on a connection that does not read a large blob: the access log tells, not the
    socket, which learns of the end only behind all bytes that the kernel still holds for it.
    """
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", registry.port))
        sock.sendall(f"GET /v2/slow/app/blobs/{digest}?n={number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        began = time.monotonic()
        while time.monotonic() - began < 15 and f"?n={number} " not in registry.log.read_text().replace('"', " "):
            time.sleep(0.25)
        return time.monotonic() - began


def test_who_is_too_slow_is_cut_off_and_nobody_else(hasty):
    """Half-sent heads, idle connections, slow bodies and slow readers at once; a steady slow upload and quick requests
    go on.
    """
    with Client(hasty.address) as client:
        digest = client.push_blob("slow/app", os.urandom(64 << 20))
    with ThreadPoolExecutor(70) as pool:
        heads = [pool.submit(half_sent_head, hasty.address) for _ in range(50)]
        idles = [pool.submit(idle, hasty.address) for _ in range(3)] + [
            pool.submit(untouched, hasty.address) for _ in range(3)
        ]
        bodies = [pool.submit(slow_body, hasty.address, 100) for _ in range(3)]
        readers = [pool.submit(slow_reader, hasty, digest, number) for number in range(3)]
        steady = pool.submit(slow_body, hasty.address, 20_000, 7)
        quick = [quick_request(hasty.address) for _ in range(100)]
    # One look a second at what is due, and two loaded cores: a few seconds beside each limit.
    assert all(1.5 <= done.result() <= 10 for done in heads), sorted(done.result() for done in heads)
    assert all(3.5 <= done.result() <= 12 for done in idles), [done.result() for done in idles]
    assert all(1.5 <= done.result() <= 12 for done in bodies), [done.result() for done in bodies]
    assert all(1.5 <= done.result() <= 13 for done in readers), [done.result() for done in readers]
    assert steady.result() >= 7, "20 kB a second is slow, but steady"
    assert sorted(quick)[95] < 0.5


def quick_request(address: str) -> float:
    began = time.monotonic()
    wire.request(address, "GET", "/v2/").expect(200)
    took = time.monotonic() - began
    time.sleep(0.03)
    return took


def test_who_is_cut_in_a_small_body_leaves_nothing(tmp_path):
    """The descriptors of such connections serve others, whose bodies come in two pieces."""
    with Registry(tmp_path / "data", workers=1, server_body_timeout=1) as registry:
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                slow = stack.enter_context(wire.Connection(registry.address))
                slow.send(slow.head("PUT", "/v2/slow/app/manifests/v1", [("Content-Length", "10")]) + b"half ")
            assert slow.closed_within(5)
        registry.logged(" 499 ", 3)
        for _ in range(3):
            with wire.Connection(registry.address) as connection:
                connection.send(
                    connection.head("PUT", "/v2/slow/app/manifests/v1", [("Content-Length", "10")]) + b"half "
                )
                assert connection.quiet(0.1)
                connection.send(b"a body")
                connection.reply("PUT").expect(400)


def test_many_idle_connections_cost_little(registry):
    """security H1: 500 idle and 500 half-sent connections, 40 KiB each at most, and others are served as before."""
    before = registry.pss()
    held = []
    try:
        for number in range(1_000):
            connection = wire.Connection(registry.address)
            connection.send(b"GET /v2/ HTTP/1.1\r\nHost:" if number % 2 else b"")
            held.append(connection)
        times = sorted(quick_request(registry.address) for _ in range(50))
        grown = registry.pss() - before
    finally:
        for connection in held:
            connection.close()
    assert times[45] < 0.5
    assert grown < 40 * 1024 * 1_000, f"{grown // 1_000} bytes a connection"


def after_large_answer(address: str, digest: str) -> float:
    """Seconds that a connection stays open after a large blob, which the client took at once."""
    with wire.Connection(address) as connection:
        assert len(connection.request("GET", f"/v2/slow/app/blobs/{digest}").expect(200).body) == 200_000
        began = time.monotonic()
        assert connection.closed_within(15)
        return time.monotonic() - began


def test_after_a_large_answer_a_connection_is_idle(tmp_path):
    """It may stay as long as any idle one, and a server that stops does not wait for it."""
    with Registry(
        tmp_path / "data", workers=1, server_idle_timeout=7, server_body_timeout=2, server_drain=25
    ) as registry:
        with Client(registry.address) as client:
            digest = client.push_blob("slow/app", os.urandom(200_000))
        assert after_large_answer(registry.address, digest) > 6
    registry.configure(server_idle_timeout=75, server_body_timeout=60)
    registry.start()
    with wire.Connection(registry.address) as connection:
        connection.request("GET", f"/v2/slow/app/blobs/{digest}").expect(200)
        began = time.monotonic()
        registry.stop()
        assert time.monotonic() - began < 15


def test_idle_connections_that_ended_leave_nothing(tmp_path):
    with Registry(tmp_path / "data", workers=1, server_idle_timeout=1) as registry:
        for_a_while(registry.address, 700)
        before = registry.pss()
        for _ in range(4):
            for_a_while(registry.address, 700)
        grown = registry.pss() - before
    assert grown < 3 << 20, f"{grown // 2_800} bytes for each connection that was closed"


def for_a_while(address: str, count: int) -> None:
    """Open idle connections until the server has closed them all."""
    held = [wire.Connection(address) for _ in range(count)]
    try:
        assert all(connection.closed_within(15) for connection in held)
    finally:
        for connection in held:
            connection.close()


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of the processes so far."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def test_out_of_descriptors(tmp_path):
    """security H2: no crash, no spinning, and service again within a second after they are free."""
    with Registry(tmp_path / "data", workers=1, prefix=["prlimit", "--nofile=96:96"]) as registry:
        wire.request(registry.address, "GET", "/v2/").expect(200)
        workers = registry.workers()
        held = [wire.Connection(registry.address) for _ in range(200)]
        time.sleep(1)
        began, used = time.monotonic(), cpu_seconds(workers)
        time.sleep(3)
        share = (cpu_seconds(workers) - used) / (time.monotonic() - began)
        for connection in held:
            connection.close()

        def served() -> bool:
            try:
                return wire.request(registry.address, "GET", "/v2/", timeout=2).status == 200
            except (OSError, wire.Closed):
                return False

        freed = time.monotonic()
        wait_for(served, 5, "an answer")
        assert time.monotonic() - freed < 3
        assert registry.workers() == workers
        assert share < 0.1, f"{share:.0%} of a core while waiting for descriptors"


@pytest.mark.parametrize("size", [300, 300_000])
def test_who_has_sent_all_is_not_cut_while_the_server_works(tmp_path, size):
    """A database that another program holds for longer than server.body_timeout: the answer is late, and it comes."""
    manifest = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "annotations": {"filling": "x" * size}}
    with Registry(tmp_path / "data", workers=1, server_body_timeout=1) as registry, Client(registry.address) as client:
        client.push_blob("slow/app", b"so that the repository is there")
        with contextlib.closing(sqlite3.connect(tmp_path / "data" / "registry.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(
                    client.request,
                    "PUT",
                    "/v2/slow/app/manifests/v1",
                    {"Content-Type": OCI_INDEX},
                    json.dumps(manifest).encode(),
                )
                time.sleep(4)
                other.execute("ROLLBACK")
            assert answer.result().status == 201
