"""Large blobs over TLS: encrypted and sent by one thread, and the connection goes on as if Tornado had sent them."""

from __future__ import annotations

import hashlib
import os
import socket
import ssl
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPResponse

import pytest

from tests.protocol.certificates import make_certificate, trusting
from tests.support.descriptors import opened_by
from tests.support.http import Client, digest_of
from tests.support.images import noise
from tests.support.server import Registry, wait_for

pytestmark = pytest.mark.direct
SMALL, LARGE = noise(3_000_001, 7), noise(40_000_000, 8)
VERSIONS = {"TLS 1.2": ssl.TLSVersion.TLSv1_2, "TLS 1.3": ssl.TLSVersion.TLSv1_3}


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("certificate"), "registry")


@pytest.fixture(scope="module")
def secure(tmp_path_factory, pair):
    root = tmp_path_factory.mktemp("secure") / "data"
    with Registry(
        root, workers=1, server_tls_certificate=pair[0], server_tls_key=pair[1], server_body_timeout=3
    ) as registry:
        with Client(registry.address, context=trusting(pair[0])) as client:
            for data in (SMALL, LARGE):
                client.push_blob("tls/app", data)
        yield registry


@pytest.fixture(params=VERSIONS.values(), ids=VERSIONS)
def connect(secure, pair, request):
    """A function that makes connections, of one version of TLS each time."""
    context = trusting(pair[0])
    context.minimum_version = context.maximum_version = request.param
    made = []

    def connect(buffer: int = 0) -> ssl.SSLSocket:
        plain = socket.socket()
        if buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        plain.settimeout(30)
        plain.connect(("127.0.0.1", secure.port))
        made.append(context.wrap_socket(plain, server_hostname="127.0.0.1"))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def get(data: bytes, *fields: str) -> bytes:
    lines = (f"GET /v2/tls/app/blobs/{digest_of(data)} HTTP/1.1", "Host: x", *fields)
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def answer(sock: ssl.SSLSocket, size: int = 1 << 20, pause: float = 0.0) -> tuple[int, str]:
    """Status and digest of the next answer's body, read in pieces of that size."""
    response = HTTPResponse(sock)
    response.begin()
    found = hashlib.sha256()
    while piece := response.read(size):
        found.update(piece)
        time.sleep(pause)
    return response.status, f"sha256:{found.hexdigest()}"


def descriptors(registry: Registry) -> int:
    """How many sockets and files of blobs the workers have open.

    The database's files do not count: jobs open it when they first run.
    """
    names = [name for pid in registry.workers() for name in opened_by(pid)]
    return sum(name.startswith("socket:") or f"{registry.root}/blobs/" in name for name in names)


def test_downloads_behind_each_other_on_one_connection(connect):
    sock = connect()
    for data in (SMALL, LARGE, SMALL):
        sock.sendall(get(data))
        assert answer(sock) == (200, digest_of(data))
    sock.sendall(get(SMALL, "Range: bytes=100000-2999999"))
    assert answer(sock) == (206, digest_of(SMALL[100_000:3_000_000]))
    sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer(sock)[0] == 200 and sock.recv(1) == b""


def test_requests_that_come_before_they_are_asked_for(connect):
    """What Tornado has read already, and what lies in the session, is answered after the download."""
    sock = connect()
    last = b"GET /v2/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    sock.sendall(get(SMALL) + get(SMALL, "Range: bytes=-70000"))
    sock.sendall(last)
    received = b""
    while data := sock.recv(1 << 20):
        received += data
    first, _, rest = received.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 200") and rest.startswith(SMALL)
    second, _, rest = rest[len(SMALL) :].partition(b"\r\n\r\n")
    assert second.startswith(b"HTTP/1.1 206") and rest.startswith(SMALL[-70_000:])
    assert rest[70_000:].startswith(b"HTTP/1.1 200")


def test_a_reader_with_a_small_buffer_gets_the_right_bytes(connect):
    sock = connect(8 << 10)
    sock.sendall(get(SMALL))
    assert answer(sock, 60_000, 0.01) == (200, digest_of(SMALL))


@pytest.mark.alone
def test_readers_who_do_not_read_hold_up_nobody(connect, secure):
    """They are served by the same thread; each is cut when its time is over, and nothing of it stays."""
    before = descriptors(secure)
    stopped = [connect(8 << 10) for _ in range(20)]
    for sock in stopped:
        sock.sendall(get(LARGE))
    time.sleep(0.3)
    began = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        socks = [connect() for _ in range(4)]
        for sock in socks:
            sock.sendall(get(SMALL))
        assert set(pool.map(answer, socks)) == {(200, digest_of(SMALL))}
    assert time.monotonic() - began < 3
    # Three each while they last: the socket, its duplicate and the file.
    wait_for(lambda: descriptors(secure) < before + len(stopped), 15, "the end of slow readers")
    for sock in (*stopped, *socks):
        sock.close()
    wait_for(lambda: descriptors(secure) < before + 5, 5, "closed files and sockets")


def test_a_client_that_vanishes_takes_nothing_with_it(connect, secure):
    before = descriptors(secure)
    for _ in range(5):
        sock = connect()
        sock.sendall(get(LARGE))
        sock.recv(100_000)
        # Reset, not closed.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    wait_for(lambda: descriptors(secure) < before + 5, 5, "closed files and sockets")
    sock = connect()
    sock.sendall(get(LARGE))
    assert answer(sock) == (200, digest_of(LARGE))


def test_one_thread_sends_to_all(connect, secure):
    """Not a thread for each, and none of Tornado's pieces in memory."""
    before = secure.pss()
    stopped = [connect(8 << 10) for _ in range(30)]
    for sock in stopped:
        sock.sendall(get(LARGE))
    time.sleep(1)
    names = [
        open(f"/proc/{pid}/task/{task}/comm").read()
        for pid in secure.workers()
        for task in os.listdir(f"/proc/{pid}/task")
    ]
    assert len(names) < 20
    assert secure.pss() - before < 30 * (100 << 10)
