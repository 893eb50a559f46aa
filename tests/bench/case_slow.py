"""1,000 slow uploads and 1,000 slow downloads at once: what they hold, and what others notice of them."""

from __future__ import annotations

import multiprocessing
import resource
import time
from contextlib import contextmanager

from tests.bench import procs, push
from tests.bench.bars import CROWD
from tests.bench.bench import MIB, Bench, Cost, connect
from tests.bench.client import Connection
from tests.bench.content import IMAGE, Blob, frame, image
from tests.bench.servers import Server
from tests.support.slow import SlowClient, SlowDownload, SlowUpload, drive

REPOSITORY = "bench/slow"
EACH = 1_000
BLOB, BODY = 16 * MIB, 1 * MIB
# 8 KiB in 5 s are a little more than the 1 KiB/s below which a transfer is cut; no transfer comes to its end here.
PERIOD, PIECE = 5.0, 8 << 10
SETTLING = 6.0
RATE, CONNECTIONS = 200, 8


def run(bench: Bench) -> None:
    """A fresh server each round, because memory that slow clients made it take is there for the next ones."""
    seconds = 8 if bench.quick else 20
    with bench.reservoir(BLOB) as source:
        for _ in range(bench.rounds):
            with bench.one("ours") as server:
                bench.say(CROWD)
                _round(bench, server, source.blob(), seconds)


def _round(bench: Bench, server: Server, blob: Blob, seconds: int) -> None:
    with connect(server) as connection:
        push.streamed(connection, REPOSITORY, blob)
        push.image(connection, REPOSITORY, "v1", image())
        targets = [push.with_digest(push.start(connection, REPOSITORY), blob.digest) for _ in range(EACH)]
    alone = p99(server, seconds)
    tree = server.tree()
    memory, threads = procs.pss(tree), procs.threads(tree)
    with slow_clients(server, targets, blob):
        time.sleep(SETTLING)
        added = (procs.pss(tree) - memory) * MIB / 1024 / (2 * EACH)
        with Cost(server) as cost:
            beside = p99(server, seconds)
        bench.add(CROWD, "threads before", "ours", threads)
        bench.add(CROWD, "threads", "ours", procs.threads(tree))
    bench.add(CROWD, "KiB per connection", "ours", added)
    bench.add(CROWD, "CPU, share of a core", "ours", cost.cpu / cost.seconds)
    bench.add(CROWD, "p99 ms of others, alone", "ours", alone * 1000)
    bench.add(CROWD, "p99 ms of others, beside", "ours", beside * 1000)
    bench.add(CROWD, "p99 ratio", "ours", beside / alone)


def p99(server: Server, seconds: int) -> float:
    """Seconds within which 99 of 100 manifest GETs are answered, at a gentle rate over connections to both workers."""
    target = f"/v2/{REPOSITORY}/manifests/v1"
    open_ones = [connect(server) for _ in range(CONNECTIONS)]
    times, due = [], time.monotonic()
    try:
        for number in range(seconds * RATE):
            due += 1 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            times.append(_took(open_ones[number % CONNECTIONS], target))
    finally:
        for each in open_ones:
            each.socket.close()
    return sorted(times)[len(times) * 99 // 100]


def _took(connection: Connection, target: str) -> float:
    began = time.perf_counter()
    connection.request("GET", target, {"Accept": IMAGE}, expect=200)
    return time.perf_counter() - began


@contextmanager
def slow_clients(server: Server, targets: list[str], blob: Blob):
    """All of them at work in a process of their own, from when all are connected.

    RuntimeError where one was cut off.
    """
    context = multiprocessing.get_context("fork")
    ready, stop = context.Event(), context.Event()
    process = context.Process(target=_work, args=(server.address, targets, blob, ready, stop))
    process.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("the slow clients did not connect")
        yield
    finally:
        stop.set()
        process.join(60)
    if process.exitcode:
        raise RuntimeError("a slow client was cut off")


def _work(address: tuple[str, int], targets: list[str], blob: Blob, ready, stop) -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    body = bytes(BODY)
    bodies = body, frame(body)
    wanted = f"/v2/{REPOSITORY}/blobs/{blob.digest}"
    clients: list[SlowClient] = []
    for number, target in enumerate(targets):
        clients.append(SlowUpload(address, target, bodies[number % 2], PIECE, chunked=number % 2 > 0))
        clients.append(SlowDownload(address, wanted, blob.size, PIECE))
    ready.set()
    drive(clients, PERIOD, stop.is_set)
