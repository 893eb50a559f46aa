"""Memory of the whole process tree: idle, during uploads of 10 GiB, and during 1,000 pulls at once."""

from __future__ import annotations

import resource
import time

from tests.bench import procs, push
from tests.bench.bars import UPLOADS
from tests.bench.bench import MIB, Bench, connect
from tests.bench.client import pull
from tests.bench.content import Reservoir
from tests.bench.servers import Server

REPOSITORY = "bench/memory"
FORMS = dict(zip(UPLOADS, (push.monolithic, push.in_parts, push.streamed_chunked), strict=True))


def idle(bench: Bench) -> None:
    """After a first request and a rest, beside nothing else that counts."""
    bench.say("idle")
    for name in bench.names:
        with bench.one(name) as server:
            time.sleep(3)
            tree = server.tree()
            bench.add("idle", "PSS MiB", server, procs.pss_alone(tree))
            bench.add("idle", "processes", server, len(tree))


def uploads(bench: Bench) -> None:
    """The peers take part as well, to show that the figure means something; only ours has a bar."""
    size = 256 * MIB
    times = 4 if bench.quick else 40
    bench.results.note(f"The large uploads were of {times * size >> 30} GiB.")
    with bench.reservoir(size) as source:
        for name in bench.names:
            for form in FORMS:
                with bench.one(name) as server:
                    _upload(bench, server, form, source, times)


def _upload(bench: Bench, server: Server, form: str, source: Reservoir, times: int) -> None:
    work = f"large upload: {form}"
    bench.say(f"{work}, {server.label}")
    blob = source.blob(times)
    time.sleep(1)
    with connect(server) as connection, procs.PeakMemory(server.pid) as memory:
        started = time.monotonic()
        FORMS[form](connection, REPOSITORY, blob)
        seconds = time.monotonic() - started
    bench.add(work, "added MiB", server, memory.added)
    bench.add(work, "MB/s", server, blob.size / seconds / 1e6)


def pulls(bench: Bench) -> None:
    count, size = 1000, (10 if bench.quick else 100) * MIB
    work = "1,000 pulls at once"
    bench.results.note(f"The pulls at once were of a blob of {size // MIB} MiB.")
    with bench.reservoir(size) as source:
        blob = source.blob()
        for name in bench.names:
            with bench.one(name) as server:
                bench.say(f"{work}, {server.label}")
                with connect(server) as connection:
                    push.streamed(connection, REPOSITORY, blob)
                _pulls(bench, server, work, count, f"/v2/{REPOSITORY}/blobs/{blob.digest}", blob.size)


def _pulls(bench: Bench, server: Server, work: str, count: int, target: str, size: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # for this client only: the server has its own already
    try:
        with procs.PeakMemory(server.pid) as memory:
            result = pull(server.address, target, count, size)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for problem in result.problems:
        bench.say(f"  {server.label}: {problem}")
    bench.add(work, "errors", server, result.errors)
    bench.add(work, "added MiB", server, memory.added)
    bench.add(work, "MB/s", server, (count - result.errors) * size / result.seconds / 1e6)
