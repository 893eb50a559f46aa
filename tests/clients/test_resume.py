"""Uploads whose connection breaks: what was received stays, and the client goes on from where the registry says."""

from __future__ import annotations

import socket
import time

import pytest

from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.images import noise

pytestmark = pytest.mark.database

CHUNK = 1_000_000
PATIENCE = 5


def status(client, location) -> tuple[str, int]:
    """The location and the size of an unfinished upload, as the registry tells them."""
    answer = client.get(location).expect(204)
    first, _, last = answer.headers["Range"].partition("-")
    assert first == "0"
    return answer.location, int(last) + 1


def send(client, location, data, offset) -> str:
    """PATCH one chunk; the next location."""
    headers = {"Content-Type": OCTETS, "Content-Range": f"{offset}-{offset + len(data) - 1}"}
    return client.request("PATCH", location, headers, data).expect(202).location


def resume(client, location, data) -> str:
    """Ask how much is there and send the rest, as often as it takes until the broken request has let go; the next
    location.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        location, size = status(client, location)
        headers = {"Content-Type": OCTETS, "Content-Range": f"{size}-{len(data) - 1}"}
        answer = client.request("PATCH", location, headers, data[size:])
        if answer.status == 202 or time.monotonic() > deadline:
            return answer.expect(202).location
        answer.expect(409, 416)
        time.sleep(0.05)


def finish(client, location, digest) -> None:
    client.request("PUT", with_query(location, digest=digest)).expect(201)


@pytest.mark.parametrize("ranged", [True, False], ids=["chunked", "streamed"])
def test_a_cut_upload_goes_on_from_where_the_registry_says(proxy, client, repository, ranged):
    data = noise(6 * CHUNK, 71)
    first = send(client, client.start_upload(repository), data[:CHUNK], 0)
    proxy.cut_after(3 * CHUNK)
    headers = {"Content-Type": OCTETS, **({"Content-Range": f"{CHUNK}-{len(data) - 1}"} if ranged else {})}
    body = data[CHUNK:] if ranged else (data[start : start + CHUNK] for start in range(CHUNK, len(data), CHUNK))
    with Client(proxy.address) as through, pytest.raises(OSError):
        through.request("PATCH", first, headers, body)
    assert CHUNK <= status(client, first)[1] < len(data)
    finish(client, resume(client, first, data), digest_of(data))
    assert client.pull_blob(repository, digest_of(data)) == data


def test_a_cut_upload_may_be_left_and_started_anew(proxy, client, repository):
    data = noise(3 * CHUNK, 72)
    first = client.start_upload(repository)
    proxy.cut_after(CHUNK)
    with Client(proxy.address) as through, pytest.raises(OSError):
        through.request("PUT", with_query(first, digest=digest_of(data)), {"Content-Type": OCTETS}, data)
    assert client.head(f"/v2/{repository}/blobs/{digest_of(data)}").status == 404
    client.push_blob(repository, data)
    assert client.pull_blob(repository, digest_of(data)) == data


def test_each_connection_may_reach_another_worker(registry, repository):
    data = noise(10 * CHUNK // 4, 73)
    with Client(registry.address) as client:
        location = client.start_upload(repository)
    for offset in range(0, len(data), CHUNK // 4):
        with Client(registry.address) as client:
            location = send(client, location, data[offset : offset + CHUNK // 4], offset)
    with Client(registry.address) as client:
        finish(client, location, digest_of(data))
        assert client.pull_blob(repository, digest_of(data)) == data


def test_an_upload_survives_a_restart_of_the_registry(registry, repository):
    data = noise(2 * CHUNK, 74)
    with Client(registry.address) as client:
        location = send(client, client.start_upload(repository), data[:CHUNK], 0)
    registry.stop()
    registry.start()
    with Client(registry.address) as client:
        location, size = status(client, location)
        assert size == CHUNK
        finish(client, send(client, location, data[size:], size), digest_of(data))
        assert client.pull_blob(repository, digest_of(data)) == data


@pytest.mark.parametrize("size", [0, CHUNK], ids=["empty", "begun"])
def test_a_request_that_waited_can_not_change_a_finished_blob(registry, client, repository, size):
    """A PATCH begins and sends nothing, others finish the upload, then its bytes come: too late, whatever they are."""
    data = noise(2 * CHUNK, 75 + size)
    location = client.start_upload(repository)
    if size:
        location = send(client, location, data[:size], 0)
    waiting = late_patches(registry.address, location, 4)
    finish(client, send(client, location, data[size:], size), digest_of(data))
    for late in waiting:
        with late:
            late.sendall(b"evil")
            assert int(late.recv(65536).split()[1]) in (404, 416)
    assert client.pull_blob(repository, digest_of(data)) == data


def late_patches(address, location, count) -> list[socket.socket]:
    """Connections, so that each worker has one, whose PATCH still owes its four bytes."""
    host, _, port = address.rpartition(":")
    head = f"PATCH {location} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {OCTETS}\r\nContent-Length: 4\r\n\r\n"
    found = [socket.create_connection((host, int(port)), timeout=10) for _ in range(count)]
    for connection in found:
        connection.sendall(head.encode())
    time.sleep(0.3)
    return found
