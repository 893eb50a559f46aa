"""Many slow uploads and downloads at once: they hold no thread and little memory, end well, and others are served
meanwhile.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bench import procs
from tests.bench.content import frame
from tests.support.http import Client, digest_of
from tests.support.server import Registry
from tests.support.slow import SlowDownload, SlowUpload, drive

EACH = 200
PERIOD = 0.5
# Twenty turns each; a download is longer than what the kernel holds for a reader who does not read.
UPLOAD, SIP = 300_000, 15_000
DOWNLOAD, SWALLOW, BUFFER = 2_000_000, 100_000, 64 << 10
# All pools of a worker on SQLite, and its main thread (docs/architecture.md).
MOST_THREADS = 27
SECONDS = 90


def test_a_crowd_of_slow_clients_costs_little_and_ends_well(tmp_path):
    """Uploads with a length and in chunks, downloads through a small buffer: what arrives is right to the byte."""
    with Registry(tmp_path / "data", workers=2) as registry, Client(registry.address) as client:
        wanted = client.push_blob("crowd/app", os.urandom(DOWNLOAD))
        before = registry.pss()
        digests, uploads = zip(
            *(open_upload(registry, client, chunked=number % 2 > 0) for number in range(EACH)), strict=True
        )
        target, address = f"/v2/crowd/app/blobs/{wanted}", ("127.0.0.1", registry.port)
        downloads = [SlowDownload(address, target, DOWNLOAD, SWALLOW, BUFFER) for _ in range(EACH)]
        with ThreadPoolExecutor(1) as pool:
            crowd = pool.submit(drive, [*uploads, *downloads], PERIOD, seconds_are_over(SECONDS))
            threads, grown, quick = beside(registry, client, crowd.done)
            crowd.result()
        assert {upload.status for upload in uploads} == {201}
        assert {download.digest for download in downloads} == {wanted}
        assert {digest_of(client.pull_blob("crowd/app", digest)) for digest in digests} == set(digests)
    assert threads <= MOST_THREADS, f"{threads} threads in one worker"
    assert grown - before < 40 * 1024 * 2 * EACH, f"{(grown - before) // (2 * EACH)} bytes a connection"
    assert sorted(quick)[len(quick) * 9 // 10] < 0.5, sorted(quick)[-20:]


def open_upload(registry: Registry, client: Client, chunked: bool) -> tuple[str, SlowUpload]:
    """(digest, an upload of its own content)"""
    body = os.urandom(UPLOAD)
    target = f"{client.start_upload('crowd/app')}?digest={digest_of(body)}"
    return digest_of(body), SlowUpload(
        ("127.0.0.1", registry.port), target, frame(body) + frame(b"") if chunked else body, SIP, chunked
    )


def seconds_are_over(seconds: float) -> Callable[[], bool]:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


def beside(registry: Registry, client: Client, over: Callable[[], bool]) -> tuple[int, int, list[float]]:
    """(most threads that a worker had, most memory of all in bytes, seconds of quick requests) until it is over."""
    threads, memory, times = 0, 0, []
    while not over():
        began = time.monotonic()
        client.get("/v2/").expect(200)
        times.append(time.monotonic() - began)
        threads = max(threads, *(procs.threads([worker]) for worker in registry.workers()))
        memory = max(memory, registry.pss())
        time.sleep(0.1)
    return threads, memory, times
