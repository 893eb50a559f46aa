"""Clients that vanish in the middle of an upload or download: the offset told is true, and nothing stays behind."""

import contextlib
import json
import os
import re
import socket
import struct
from pathlib import Path

import pytest

from tests.faults.journal import Journal, Key, Refused
from tests.faults.verifier import command, files, own_check, residue, verify
from tests.faults.workload import OCTETS, Journalled
from tests.support.descriptors import opened_by
from tests.support.http import digest_of, with_query
from tests.support.server import Registry, wait_for

REPOSITORY = "cut/app"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    registry = Registry(tmp_path_factory.mktemp("cut") / "data", workers=2, gc_interval=86400).start()
    yield registry
    registry.stop()


def reset_after(address: str, head: str, body: bytes) -> None:
    """Send a request's head and part of its body, then RST."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(head.encode() + body)


def patch_head(address: str, location: str, framing: str) -> str:
    return f"PATCH {location} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {OCTETS}\r\n{framing}\r\n\r\n"


def offset(client: Journalled, location: str) -> int:
    """How many bytes the registry says it has; a session without bytes may tell 0-0 or no range."""
    answer = client.send((204,), "GET", location)
    found = re.fullmatch(r"0-(\d+)", answer.headers.get("Range", "0-0"))
    return int(found[1]) + 1 if int(found[1]) else 0


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_resume_after_a_reset(registry, tmp_path, framing, rounds, figures):
    client = Journalled(registry.address, Journal(tmp_path / f"journal-{framing}"))
    for tenth in range(11):
        digest, data = client.journal.new_content(rounds(5, 100) * 1_000_003)
        location = client.send((202,), "POST", f"/v2/{REPOSITORY}/blobs/uploads/").location
        sent = data[: len(data) * tenth // 10]
        if framing == "length":
            reset_after(
                registry.address, patch_head(registry.address, location, f"Content-Length: {len(data) + 1}"), sent
            )
        else:
            head = patch_head(registry.address, location, "Transfer-Encoding: chunked")
            reset_after(registry.address, head, f"{len(data):x}\r\n".encode() + sent)
        wait_for(lambda: resumes(client, location, data, len(sent)), 10, "an upload that can be resumed")
        figures.add(rounds=1)
    assert verify(registry, client.journal) == []
    figures.add(acknowledged=client.journal.acknowledged)


def resumes(client: Journalled, location: str, data: bytes, most: int) -> bool:
    """Ask for the offset, send what is missing and end the upload: the digest is right only if the bytes before were.

    False where the registry had not yet noticed the reset (416), as a client would ask again then.
    """
    start = offset(client, location)
    assert start <= most, f"the registry tells {start} bytes of the {most} that were sent"
    digest = digest_of(data)
    headers = {"Content-Type": OCTETS, "Content-Range": f"{start}-{len(data) - 1}"}
    try:
        if start < len(data):
            location = client.send((202,), "PATCH", location, headers, data[start:]).location
    except Refused as refused:
        assert refused.status == 416, str(refused)
        return False
    with client.journal.attempt(f"upload resumed at {start}", {Key("blob", REPOSITORY, digest): digest}):
        client.send((201,), "PUT", with_query(location, digest=digest))
    return True


def open_blobs(registry: Registry) -> int:
    """How many stored files the workers hold open."""
    return sum("/blobs/" in name for pid in registry.workers() for name in opened_by(pid))


@pytest.mark.parametrize("field", ["", "Connection: keep-alive\r\n"], ids=["the short way", "through Tornado"])
@pytest.mark.parametrize("tenth", range(10))
def test_reset_during_a_download(registry, tmp_path, tenth, field):
    """The worker goes on, the next reader gets all bytes, and nothing of the download stays open."""
    client = Journalled(registry.address, Journal(tmp_path / f"journal-{tenth}"))
    digest, data = client.journal.new_content(5_000_000)
    client.upload(REPOSITORY, data)
    before = open_blobs(registry)
    host, _, port = registry.address.rpartition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(
            f"GET /v2/{REPOSITORY}/blobs/{digest} HTTP/1.1\r\nHost: {registry.address}\r\n{field}\r\n".encode()
        )
        left = len(data) * tenth // 10
        while left > 0:
            left -= len(connection.recv(min(left, 65536)))
    wait_for(lambda: open_blobs(registry) == before, 10, "the end of the download")
    assert verify(registry, client.journal) == []


def test_abandoned_uploads_expire(tmp_path, figures):
    """A thousand sessions with bytes in them, and nobody who ends them."""
    # One client may have about a twelfth of them.
    registry = Registry(tmp_path / "data", workers=2, gc_interval=86400, server_open_uploads=20_000).start()
    try:
        client = Journalled(registry.address, Journal(tmp_path / "journal"))
        client.upload(REPOSITORY, b"kept")
        for _ in range(1000):
            location = client.send((202,), "POST", f"/v2/{REPOSITORY}/blobs/uploads/").location
            client.send((202,), "PATCH", location, {"Content-Type": OCTETS}, b"abandoned")
        assert len(files(registry)) == 1001
        result = command(registry, "gc", "--json", gc_upload_expiry=0, gc_grace=0)
        assert json.loads(result.stdout)["uploads"] == 1000, result
        assert len(files(registry)) == 1
        client.send((404,), "GET", location)
        assert verify(registry, client.journal) + residue(registry) + own_check(registry) == []
        figures.add(rounds=1000)
        registry.stop()
    finally:
        registry.kill()
