"""Blobs in an object store: ours beside distribution, both over the same versitygw, and what very many bytes and keys
take.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.bench import case_growth, case_mysql, procs, push
from tests.bench.bench import MIB, Bench, Cost, connect
from tests.bench.client import BadAnswer, pull, request_bytes
from tests.bench.content import IMAGE, Blob, digest, image
from tests.bench.servers import MissingTool, Server, find_tool, foreign_environment, registry_pyz
from tests.bench.servers_objects import DistributionObjects, OursObjects, OursOnSink, OursRedirecting
from tests.bench.sink import Sink, key

REPOSITORY = "bench/objects"
BOTH = [OursObjects.name, DistributionObjects.name]
PUSH, PULL = "objects: blob PUT, 500 MiB", "objects: blob GET, 500 MiB, through the registry"
SMALL, REDIRECT = "objects: image push, 3 x 20 kB", "objects: redirected pull"
CROWD = "objects: 200 pulls of 20 MiB at once, through the registry"
HUGE, COLLECT = "objects: a very large push", "objects: a round of the collector"
SIZE = 500 * MIB


def require() -> None:
    """Raises MissingTool before anything is measured."""
    case_mysql.require_modules()
    for name in ("versitygw", "registry"):
        find_tool(name, f"MODULE with the module that tests/run names for {name}")


def run(bench: Bench) -> None:
    for part in (_large, _crowd, _small, _redirects, _huge, _collect):
        part(bench)


def _large(bench: Bench) -> None:
    with bench.reservoir(SIZE) as source, bench.servers(names=BOTH) as servers:
        blob = source.blob()
        bench.say(PUSH)
        bench.interleave(servers, lambda server: _push(bench, server, source.blob()))
        for server in servers:
            with connect(server) as connection:
                push.streamed(connection, REPOSITORY, blob)
            _pull(server, blob)
        bench.say(PULL)
        bench.interleave(servers, lambda server: _pulled(bench, server, blob))


def _add(bench: Bench, work: str, figure: str, server: Server, value: float) -> None:
    bench.add(work, figure, server.column, value)


def _push(bench: Bench, server: Server, blob: Blob) -> None:
    os.sync()
    with connect(server) as connection, Cost(server) as cost:
        push.streamed(connection, REPOSITORY, blob)
    server.forget()
    _add(bench, PUSH, "MB/s", server, blob.size / cost.seconds / 1e6)
    _add(bench, PUSH, "CPU s", server, cost.cpu)


def _pull(server: Server, blob: Blob) -> None:
    result = pull(server.address, f"/v2/{REPOSITORY}/blobs/{blob.digest}", 1, blob.size)
    if result.errors:
        raise BadAnswer(f"{server.label}: {result.problems}")


def _pulled(bench: Bench, server: Server, blob: Blob) -> None:
    with Cost(server) as cost:
        _pull(server, blob)
    _add(bench, PULL, "MB/s", server, blob.size / cost.seconds / 1e6)
    _add(bench, PULL, "CPU s", server, cost.cpu)


def _crowd(bench: Bench) -> None:
    """All of them go through the registry at once."""
    bench.say(CROWD)
    with bench.reservoir(20 * MIB) as source, bench.one(OursObjects.name) as server:
        blob = source.blob()
        with connect(server) as connection:
            push.streamed(connection, REPOSITORY, blob)
        time.sleep(1)
        with procs.PeakMemory(server.pid) as memory:
            result = pull(server.address, f"/v2/{REPOSITORY}/blobs/{blob.digest}", 200, blob.size)
    _add(bench, CROWD, "errors", server, result.errors)
    _add(bench, CROWD, "added MiB", server, memory.added)
    _add(bench, CROWD, "MB/s", server, 200 * blob.size / result.seconds / 1e6)


def _small(bench: Bench) -> None:
    """Ours keeps such layers in its database."""
    count = 5 if bench.quick else 20

    def measure(server: Server) -> None:
        images = [image() for _ in range(count)]
        with connect(server) as connection, Cost(server) as cost:
            for content in images:
                push.image(connection, REPOSITORY, digest(content.manifest)[7:23], content)
        _add(bench, SMALL, "ms", server, cost.seconds / count * 1e3)

    bench.say(SMALL)
    with bench.servers(names=BOTH) as servers:
        bench.interleave(servers, measure)


def _redirects(bench: Bench) -> None:
    """Microseconds of CPU of a manifest, and of an answer that sends the client to the store."""
    bench.say(REDIRECT)
    content, blob, seconds = image(), os.urandom(100_000), 1 if bench.quick else 4
    with bench.one(OursRedirecting.name) as server:
        with connect(server) as connection:
            push.image(connection, REPOSITORY, "v1", content)
            push.small_blob(connection, REPOSITORY, blob)
        manifest = request_bytes("GET", f"/v2/{REPOSITORY}/manifests/v1", {"Accept": IMAGE})
        layer = request_bytes("GET", f"/v2/{REPOSITORY}/blobs/{digest(blob)}")
        for _ in range(bench.rounds):
            one = case_growth.cpu(server, manifest, seconds)
            other = case_growth.cpu(server, layer, seconds, 307)
            _add(bench, REDIRECT, "CPU us/request, manifest", server, one)
            _add(bench, REDIRECT, "CPU us/request", server, other)
            _add(bench, REDIRECT, "ratio", server, other / one)


def _huge(bench: Bench) -> None:
    size, times = 256 * MIB, 4 if bench.quick else 80
    bench.say(HUGE)
    bench.results.note(f"The very large push to an object store was of {times * size >> 30} GiB.")
    with bench.reservoir(size) as source, bench.one(OursOnSink.name) as server:
        blob = source.blob(times)
        time.sleep(1)
        with connect(server) as connection, procs.PeakMemory(server.pid) as memory, Cost(server) as cost:
            push.streamed(connection, REPOSITORY, blob)
    bench.add(HUGE, "added MiB", "ours", memory.added)
    bench.add(HUGE, "MB/s", "ours", blob.size / cost.seconds / 1e6)
    bench.add(HUGE, "CPU s per GiB", "ours", cost.cpu / (blob.size / (1 << 30)))


def _collect(bench: Bench) -> None:
    """The command gc, where all keys are named by the database, and where there are none."""
    count = 100_000 if bench.quick else 1_000_000
    bench.results.note(
        f"The collector found {count:,} objects in the store, all of them named by the database (SQLite)."
    )
    bench.say(COLLECT)
    few, many = (_collected(bench, each) for each in (0, count))
    bench.add(COLLECT, "s", "ours", many.seconds)
    bench.add(COLLECT, "CPU s", "ours", many.cpu)
    bench.add(COLLECT, "requests", "ours", many.requests)
    bench.add(COLLECT, "added MiB", "ours", many.memory - few.memory)


class Round(NamedTuple):
    """seconds of wall clock and of CPU, requests to the store, and the most MiB that the process had."""

    seconds: float
    cpu: float
    requests: int
    memory: float


def _collected(bench: Bench, count: int) -> Round:
    """The command gc over a store with so many objects."""
    sink = Sink()
    try:
        with tempfile.TemporaryDirectory(prefix="dockboard-bench-", dir=bench.directory) as place:
            more = {f"DOCKBOARD_{name.upper()}": str(value) for name, value in sink.settings().items()}
            environment = {**foreign_environment(), **more, "DOCKBOARD_STORAGE_ROOT": place}
            subprocess.run(_command("migrate"), env=environment, check=True, stdout=subprocess.DEVNULL)
            _name_objects(Path(place, "registry.db"), count)
            sink.count = count
            sink.asked.clear()
            return _round(environment, sink)
    finally:
        sink.close()


def _command(name: str) -> list[str]:
    return [sys.executable, str(registry_pyz()), name]


def _name_objects(database: Path, count: int) -> None:
    """A row for each object, past the registry."""
    rows = ((f"sha256:{number:064x}", key(number), 1_000_000, 0) for number in range(count))
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany("INSERT INTO blobs (digest, storage_key, size, created_at) VALUES (?, ?, ?, ?)", rows)


def _round(environment: dict[str, str], sink: Sink) -> Round:
    begun = time.monotonic()
    process = subprocess.Popen(_command("gc"), env=environment, stdout=subprocess.DEVNULL)
    with procs.PeakMemory(process.pid) as memory:
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise BadAnswer(f"gc ended with {process.returncode}")
    seconds = time.monotonic() - begun
    return Round(seconds, used.ru_utime + used.ru_stime, sum(sink.asked.values()), memory.peak)
