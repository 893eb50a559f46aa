"""Many clients that ask for a large blob over TLS and do not read: each costs little memory, and gets the right bytes
when it reads on.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import ssl
import time
from http.client import HTTPResponse

import pytest

from tests.protocol.certificates import make_certificate, trusting
from tests.support.http import Client
from tests.support.server import Registry

CROWD, READERS = 80, 3
# Far more than the kernel keeps for a reader who does not read.
BLOB, BUFFER = 16 << 20, 64 << 10


def test_a_crowd_that_does_not_read_costs_little(tmp_path):
    certificate, key = make_certificate(tmp_path, "crowd")
    trusted = trusting(certificate)
    with Registry(tmp_path / "data", 1, server_tls_certificate=certificate, server_tls_key=key) as registry:
        wanted = Client(registry.address, context=trusted).push_blob("crowd/app", os.urandom(BLOB))
        before = registry.pss()
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(asked(registry, trusted, wanted)) for _ in range(CROWD)]
            grown = settled(registry) - before
            # The first of them got long pieces, the last ones short ones.
            assert {digest(client) for client in (*clients[:READERS], *clients[-READERS:])} == {wanted}
    assert grown < (1 << 20) * CROWD, f"{grown // CROWD} bytes a connection"


def asked(registry: Registry, trusted: ssl.SSLContext, wanted: str) -> ssl.SSLSocket:
    """A connection that asked for the blob."""
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    plain.settimeout(60)
    plain.connect(("127.0.0.1", registry.port))
    made = trusted.wrap_socket(plain, server_hostname="127.0.0.1")
    made.sendall(f"GET /v2/crowd/app/blobs/{wanted} HTTP/1.1\r\nHost: {registry.address}\r\n\r\n".encode())
    return made


def settled(registry: Registry) -> int:
    """The server's memory in bytes when it grows no more."""
    last = 0
    for _ in range(60):
        time.sleep(0.5)
        now = registry.pss()
        if abs(now - last) < 64 << 10:
            return now
        last = now
    raise AssertionError("the server's memory goes on growing")


def digest(client: ssl.SSLSocket) -> str:
    answer = HTTPResponse(client)
    answer.begin()
    found = hashlib.sha256()
    while piece := answer.read(1 << 20):
        found.update(piece)
    return f"sha256:{found.hexdigest()}"
