"""TLS of the registry's own listener: which versions, how a certificate is renewed, whom a key file may belong to."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import ssl
import threading
import time

import pytest

from tests.protocol.certificates import make_certificate, trusting
from tests.support.http import Client
from tests.support.server import Registry, wait_for

RELOADS = 20


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Two certificates with their keys."""
    directory = tmp_path_factory.mktemp("certificates")
    return [make_certificate(directory, name) for name in ("first", "second")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory, pairs):
    """The files that the server reads, holding the first pair."""
    directory = tmp_path_factory.mktemp("installed")
    files = directory / "certificate.pem", directory / "key.pem"
    install(pairs[0], files)
    return files


def install(pair, files) -> None:
    """Put a pair where the server reads it, as certificate tools do: write aside, then rename."""
    for source, target in zip(pair, files):
        aside = target.with_suffix(".new")
        shutil.copy(source, aside)
        aside.chmod(0o600)
        aside.rename(target)


@pytest.fixture(scope="module")
def secure(tmp_path_factory, installed):
    root = tmp_path_factory.mktemp("secure") / "data"
    with Registry(root, server_tls_certificate=installed[0], server_tls_key=installed[1]) as registry:
        yield registry


@pytest.fixture(scope="module")
def context(pairs):
    return trusting(*(certificate for certificate, _ in pairs))


def peer_name(address: str, context: ssl.SSLContext) -> str:
    """The common name of the certificate that a new connection gets."""
    host, port = address.rsplit(":", 1)
    with (
        socket.create_connection((host, int(port)), 10) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        return dict(pair for part in secured.getpeercert()["subject"] for pair in part)["commonName"]


def test_push_and_pull_over_tls(secure, context):
    assert secure.url.startswith("https://")
    layers = [os.urandom(3_000_000), b"small"]
    with Client(secure.address, context=context) as client:
        client.push_image("tls/app", "latest", layers)
        assert client.pull_image("tls/app", "latest") == layers
        answer = client.request(
            "PATCH",
            client.start_upload("tls/app"),
            {},
            (layers[0][i : i + 70_000] for i in range(0, len(layers[0]), 70_000)),
        )
        assert answer.expect(202).headers["Range"] == f"0-{len(layers[0]) - 1}"


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_current_versions(secure, pairs, version):
    context = trusting(pairs[0][0])
    context.minimum_version = context.maximum_version = version
    host, port = secure.address.rsplit(":", 1)
    with (
        socket.create_connection((host, int(port)), 10) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        assert secured.version() == version.name.replace("_", ".")
        assert secured.compression() is None
        assert "GCM" in secured.cipher()[0] or "CHACHA20" in secured.cipher()[0]


def outdated(certificate) -> ssl.SSLContext:
    """A client that speaks TLS 1.1 at most, with all that OpenSSL forbids by default allowed."""
    context = trusting(certificate)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_outdated_versions_are_refused(secure, pairs):
    certificate, key = pairs[0]
    with pytest.raises(ssl.SSLError):
        peer_name(secure.address, outdated(certificate))
    assert peer_name(old_server(certificate, key), outdated(certificate)) == "first", (
        "the client itself can speak TLS 1.1"
    )


def old_server(certificate, key) -> str:
    """The address of a server that takes one connection and would speak TLS 1.0."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as plain, context.wrap_socket(plain, server_side=True):
            pass

    threading.Thread(target=serve, daemon=True).start()
    return f"127.0.0.1:{listener.getsockname()[1]}"


def test_plain_http_on_the_tls_port_gets_no_answer_and_harms_nobody(secure, context):
    host, port = secure.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), 5) as plain:
        plain.sendall(b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not received(plain).startswith(b"HTTP/1.1 200")
    with Client(secure.address, context=context) as client:
        client.get("/v2/").expect(200)


def received(sock: socket.socket) -> bytes:
    """What comes next, nothing where the connection was reset."""
    try:
        return sock.recv(100)
    except ConnectionResetError:
        return b""


def test_the_certificate_is_renewed_under_load(secure, context, pairs, installed):
    """security S41: reloads by SIGHUP, one after the other, while clients connect and pull; no request fails."""
    stop, failures, served = threading.Event(), [], [0, 0]
    with Client(secure.address, context=context) as client:
        digest = client.push_blob("tls/load", os.urandom(200_000))

    def load(number: int) -> None:
        while not stop.is_set():
            try:
                with Client(secure.address, context=context) as client:
                    client.pull_blob("tls/load", digest)
                    client.pull_blob("tls/load", digest)
                served[number] += 1
            except Exception as error:
                failures.append(repr(error))
            stop.wait(0.02)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(1, RELOADS + 1):
            install(pairs[turn % 2], installed)
            os.kill(secure.pid, signal.SIGHUP)
            name = ("first", "second")[turn % 2]
            wait_for(
                lambda: all(peer_name(secure.address, context) == name for _ in range(6)), 10, f"certificate {turn}"
            )
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert min(served) > 5


@pytest.mark.parametrize("order", [("AES128", "AES256"), ("AES256", "AES128")])
def test_the_client_chooses_the_cipher(secure, pairs, order):
    context = trusting(*(certificate for certificate, _ in pairs))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(f"ECDHE+{name}+AESGCM" for name in order))
    host, port = secure.address.rsplit(":", 1)
    with (
        socket.create_connection((host, int(port)), 30) as plain,
        context.wrap_socket(plain, server_hostname=host) as client,
    ):
        assert order[0] in client.cipher()[0]


def test_a_broken_certificate_keeps_the_old_one(secure, context, pairs, installed):
    install(pairs[0], installed)
    os.kill(secure.pid, signal.SIGHUP)
    wait_for(lambda: all(peer_name(secure.address, context) == "first" for _ in range(6)), 10, "the first certificate")
    installed[0].write_text("no certificate")
    before = secure.log.stat().st_size
    os.kill(secure.pid, signal.SIGHUP)
    wait_for(
        lambda: secure.log.stat().st_size > before and b"certificate" in secure.log.read_bytes()[before:],
        10,
        "a word in the log",
    )
    time.sleep(0.2)
    assert all(peer_name(secure.address, context) == "first" for _ in range(6))
    install(pairs[0], installed)


def test_a_key_that_others_may_read_is_refused(tmp_path, pairs):
    certificate, key = pairs[0]
    loose = tmp_path / "loose.key"
    shutil.copy(key, loose)
    loose.chmod(0o644)
    registry = Registry(tmp_path / "data", server_tls_certificate=certificate, server_tls_key=loose)
    with pytest.raises(AssertionError, match="chmod 600"):
        registry.start()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"])
def test_plain_http_on_the_port_is_answered_in_words(secure, context, method):
    with socket.create_connection(("127.0.0.1", secure.port), 10) as plain:
        plain.sendall(f"{method} /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
        answer = b""
        while data := plain.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    [error] = json.loads(body)["errors"]
    assert head.startswith(b"HTTP/1.1 400 ") and f"Content-Length: {len(body)}".encode() in head
    assert error["code"] == "UNSUPPORTED" and "speaks https" in error["message"]
    with Client(secure.address, context=context) as client:
        client.get("/v2/").expect(200)


@pytest.mark.parametrize("data", [b"hello there\r\n\r\n", b"\x16\x03\x01\x00\x05hello", bytes(300), b"SSH-2.0-x\r\n"])
def test_what_is_neither_is_not_answered_as_http(secure, data):
    with socket.create_connection(("127.0.0.1", secure.port), 10) as plain:
        plain.sendall(data)
        plain.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP" not in plain.recv(65536)
