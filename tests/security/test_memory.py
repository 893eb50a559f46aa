"""What slow clients hold of a worker's memory: bodies without their last byte, and answers that nobody reads.

There is one budget for all of them.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.http import OCI_INDEX, Client
from tests.support.server import Registry, free_port

COUNT = 60
LARGEST = 4 << 20
# The budget of 64 MiB, a quarter of it for those who wait, and what the heap keeps; without a budget these hold 240 MiB
# and more.
BOUND = 140 << 20
HEAD = "PUT /v2/app/manifests/slow HTTP/1.1\r\nHost: localhost\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n"


def manifest(number: int) -> bytes:
    """An index of almost the largest size."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [],
            "annotations": {"n": f"{number:09}" + "x" * (LARGEST - 200)},
        }
    ).encode()


@pytest.fixture(params=[True, False], ids=["fast", "ordinary"])
def registry(request, tmp_path):
    metrics = f"127.0.0.1:{free_port()}"
    with Registry(
        tmp_path / "data", workers=1, auth_anonymous="push", server_fast_paths=request.param, metrics_listen=metrics
    ) as registry:
        registry.metrics = metrics
        with Client(registry.address) as client:
            client.push_image("app", "v1")
            client.push_manifest("app", "largest", manifest(0), OCI_INDEX)
        yield registry


def connected(registry: Registry, stack: contextlib.ExitStack) -> socket.socket:
    sock = stack.enter_context(socket.socket())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(20)
    sock.connect(("127.0.0.1", registry.port))
    return sock


def send_all_but_the_end(sock: socket.socket, body: bytes) -> None:
    with contextlib.suppress(OSError):
        sock.sendall(HEAD.format(OCI_INDEX, len(body)).encode() + body[:-1])


def others_go_on(registry: Registry) -> None:
    """Small and large requests of clients that keep up."""
    with Client(registry.address) as client:
        for number in range(20):
            client.get("/v2/app/manifests/v1").expect(200)
            client.push_image("app", f"tag{number}", layers=[b"layer %d" % number])
        asked(client, "PUT", "/v2/app/manifests/honest", manifest(1)).expect(201)
        assert asked(client, "GET", "/v2/app/manifests/largest").expect(200).body == manifest(0)


def asked(client: Client, method: str, path: str, body: bytes | None = None):
    """As clients do: who is asked to come again does so."""
    for _ in range(10):
        answer = client.request(method, path, {"Content-Type": OCI_INDEX}, body)
        if answer.status != 503:
            break
        time.sleep(int(answer.headers["Retry-After"]) / 4)
    return answer


def counted(registry: Registry, name: str) -> float:
    with Client(registry.metrics) as client:
        return float(re.search(rf"^dockboard_{name} (\S+)$", client.get("/metrics").expect(200).body.decode(), re.M)[1])


def test_bodies_without_their_last_byte_hold_no_more_than_the_budget(registry):
    body, before = manifest(2), registry.pss()
    with contextlib.ExitStack() as stack, ThreadPoolExecutor(COUNT) as pool:
        socks = [connected(registry, stack) for _ in range(COUNT)]
        sending = [pool.submit(send_all_but_the_end, sock, body) for sock in socks]
        others_go_on(registry)
        for each in sending:
            each.result()
        time.sleep(1)
        grown = registry.pss() - before
        others_go_on(registry)
        answers = [answer for sock in socks if (answer := received(sock))]
    assert grown < BOUND, f"{grown >> 20} MiB"
    assert len(answers) > COUNT // 3 and counted(registry, "memory_cut_total") > 0
    for answer in answers:
        assert answer.startswith(b"HTTP/1.1 503 ") and b"\r\nRetry-After: " in answer and b'"UNAVAILABLE"' in answer


def received(sock: socket.socket) -> bytes:
    """What has come until now."""
    sock.settimeout(0.02)
    try:
        return sock.recv(65536)
    except (TimeoutError, ConnectionResetError):
        return b""


def test_answers_that_nobody_reads_hold_no_more_than_the_budget(registry):
    before = registry.pss()
    with contextlib.ExitStack() as stack:
        for _ in range(COUNT):
            connected(registry, stack).sendall(b"GET /v2/app/manifests/largest HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.02)
        others_go_on(registry)
        time.sleep(1)
        grown = registry.pss() - before
        others_go_on(registry)
    assert grown < BOUND, f"{grown >> 20} MiB"


def test_of_many_answers_that_nobody_reads_few_are_prepared(registry):
    """The others wait for room without a body, so that the worker has time for other requests."""
    with contextlib.ExitStack() as stack:
        socks = [connected(registry, stack) for _ in range(COUNT)]
        before, begun = database_reads(registry), time.monotonic()
        for sock in socks:
            sock.sendall(b"GET /v2/app/manifests/largest HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with Client(registry.address) as client:
            client.get("/v2/").expect(200)
        scans = database_reads(registry) - before
        seconds = time.monotonic() - begun
    # Sixteen bodies fit into the budget, and each is safe for a second.
    assert scans <= 16 * (1 + int(seconds))


def database_reads(registry: Registry) -> float:
    """How many long bodies and lists were read."""
    return counted(registry, r'database_seconds_count\{kind="scan"\}')


def test_answers_whose_clients_have_gone_leave_memory(registry):
    before = registry.pss()
    for _ in range(5):
        with contextlib.ExitStack() as stack:
            for _ in range(COUNT // 2):
                connected(registry, stack).sendall(b"GET /v2/app/manifests/largest HTTP/1.1\r\nHost: localhost\r\n\r\n")
            time.sleep(0.3)
    others_go_on(registry)
    grown = registry.pss() - before
    assert grown < BOUND, f"{grown >> 20} MiB"


@pytest.mark.parametrize(
    "body",
    [
        "Content-Length: 900000",
        "Content-Length: 2000000",
        "Transfer-Encoding: chunked",
        "Content-Length: 2000000\r\nExpect: 100-continue",
    ],
)
def test_answers_wait_in_no_memory_for_a_body_that_does_not_come(registry, body):
    """GET has no use for a body, and who announces one can let it come as slowly as the limits of time allow."""
    before = registry.pss()
    with contextlib.ExitStack() as stack:
        for _ in range(COUNT):
            connected(registry, stack).sendall(
                f"GET /v2/app/manifests/largest HTTP/1.1\r\nHost: localhost\r\n{body}\r\n\r\n".encode()
            )
            time.sleep(0.02)
        grown = registry.pss() - before
    assert grown < 40 << 20, f"{grown >> 20} MiB"


@pytest.mark.parametrize("size", [5, 500_000])
def test_a_get_with_a_body_is_answered_behind_it(registry, size):
    with contextlib.ExitStack() as stack:
        sock = connected(registry, stack)
        for path, most in (("manifests/largest", LARGEST), ("manifests/v1", 5000)):
            sock.sendall(
                f"GET /v2/app/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode()
                + b"x" * size
            )
            with http.client.HTTPResponse(sock) as answer:
                answer.begin()
                assert answer.status == 200 and 100 < len(answer.read()) <= most


def test_many_who_read_at_once_all_get_the_largest_answer(registry):
    def pull(_: int) -> bytes:
        with Client(registry.address) as client:
            return asked(client, "GET", "/v2/app/manifests/largest").expect(200).body

    with ThreadPoolExecutor(40) as pool:
        assert set(pool.map(pull, range(40))) == {manifest(0)}


def test_what_was_held_is_there_again(registry):
    """Connections that end in the middle give back what they held; else the second round would find no room."""
    body = manifest(3)
    for _ in range(3):
        with contextlib.ExitStack() as stack:
            for number in range(14):
                sock = connected(registry, stack)
                if number % 2:
                    send_all_but_the_end(sock, body)
                else:
                    sock.sendall(b"GET /v2/app/manifests/largest HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(0.2)
    assert counted(registry, "memory_refused_total") == counted(registry, "memory_cut_total") == 0
    others_go_on(registry)
