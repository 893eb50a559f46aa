"""What others notice of clients that ask for as much work as they can.

Each attack is compared with as many clients whose requests are ordinary, because both keep the cores busy: what is more
is the attack's doing. The clients run on the cores of the server.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.bench import push
from tests.bench.bars import ATTACKS
from tests.bench.bench import MIB, Bench, connect
from tests.bench.client import BadAnswer, Connection, request_bytes
from tests.bench.content import CONFIG, IMAGE, descriptor, digest, image, manifest
from tests.bench.servers import Server

REPOSITORY, OTHERS = "bench/attacked", "bench/others"
INDEX = "application/vnd.oci.image.index.v1+json"
KNOWN, UNKNOWN = 5_000, 10_000
WRITERS, READERS = 16, 100
RATE = 50
LARGE = 4 * MIB - 1024
UNREAD, LIST, MANIFEST = "/manifests/large", "/tags/list?n=1000", "/manifests/v1"
Work = Callable[[Connection], None]


class Attack(NamedTuple):
    """What each of `clients` does again and again, what ordinary clients do, and what is measured meanwhile."""

    clients: int
    bad: Work
    ordinary: Work
    measured: Work


def run(bench: Bench) -> None:
    with bench.one("ours") as server:
        children = _prepare(server, KNOWN)
        attacks = dict(zip(ATTACKS, _attacks(children), strict=True))
        for _ in range(bench.rounds):
            for name, attack in attacks.items():
                bench.say(name)
                _measure(bench, server, name, attack)


def _attacks(children: list[dict]) -> Iterator[Attack]:
    unknown = [_unknown(number) for number in range(UNKNOWN)]
    yield Attack(WRITERS, lambda each: _index(each, unknown, 400), _small_push, _small_push)
    yield Attack(WRITERS, lambda each: _index(each, children, 201), _small_push, _small_push)
    yield Attack(READERS, _unread, _get, _get)
    yield Attack(WRITERS, _list, _get, _get)


def _prepare(server: Server, count: int) -> list[dict]:
    """Push a small image and `count` manifests; returns the descriptors of these."""
    with connect(server) as connection:
        for repository in (REPOSITORY, OTHERS):
            push.small_blob(connection, repository, b"{}")
            push.image(connection, repository, "v1", image())
        push.manifest(connection, REPOSITORY, "large", manifest(b"{}", [], filling="x" * LARGE))
        documents = [manifest(b"{}", [], number=str(number)) for number in range(count)]
        for number, document in enumerate(documents):
            push.manifest(connection, REPOSITORY, f"child-{number}", document)
    return [descriptor(IMAGE, document) for document in documents]


def _unknown(number: int) -> dict:
    return {"mediaType": IMAGE, "digest": digest(b"%d" % number), "size": 100}


def _index(connection: Connection, children: list[dict], expect: int) -> None:
    """Push an index that was never pushed before."""
    document = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": children,
        "annotations": {"a": os.urandom(8).hex()},
    }
    target = f"/v2/{REPOSITORY}/manifests/{digest(body := json.dumps(document).encode())}"
    answer = connection.request("PUT", target, {"Content-Type": INDEX}, body)
    _accept(answer.status, expect)


def _small_push(connection: Connection) -> None:
    document = manifest(b"{}", [], random=os.urandom(8).hex())
    target = f"/v2/{OTHERS}/manifests/{digest(document)}"
    _accept(connection.request("PUT", target, {"Content-Type": IMAGE}, document).status, 201)


def _unread(connection: Connection) -> None:
    """Ask for a large answer and leave after a second without reading it."""
    with socket.socket() as unread:
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.connect(connection.socket.getpeername())
        unread.sendall(request_bytes("GET", f"/v2/{REPOSITORY}{UNREAD}", {"Accept": IMAGE}))
        time.sleep(1)


def _list(connection: Connection) -> None:
    _accept(connection.request("GET", f"/v2/{REPOSITORY}{LIST}").status, 200)


def _get(connection: Connection) -> None:
    _accept(connection.request("GET", f"/v2/{OTHERS}{MANIFEST}", {"Accept": IMAGE}).status, 200)


def _accept(status: int, expected: int) -> None:
    """Refusing is a defence too. Anything else makes the measurement worthless."""
    if status not in (expected, 429, 503):
        raise BadAnswer(f"{status} instead of {expected}")


def _measure(bench: Bench, server: Server, name: str, attack: Attack) -> None:
    seconds = 4 if bench.quick else 12
    alone = _p99(server, attack.measured, seconds)
    with _clients(server, attack.clients, attack.ordinary):
        ordinary = _p99(server, attack.measured, seconds)
    with _clients(server, attack.clients, attack.bad):
        attacked = _p99(server, attack.measured, seconds)
    bench.add(name, "p99 ms of others, alone", "ours", alone * 1000)
    bench.add(name, "p99 ms of others, beside ordinary clients", "ours", ordinary * 1000)
    bench.add(name, "p99 ms of others, beside the attack", "ours", attacked * 1000)
    bench.add(name, "p99 ratio", "ours", attacked / ordinary)


def _p99(server: Server, work: Work, seconds: int) -> float:
    """Seconds within which 99 of 100 requests are answered, at a gentle rate."""
    times, due = [], time.monotonic()
    with connect(server) as connection:
        for _ in range(seconds * RATE):
            due += 1 / RATE
            time.sleep(max(0.0, due - time.monotonic()))
            began = time.perf_counter()
            work(connection)
            times.append(time.perf_counter() - began)
    return sorted(times)[len(times) * 99 // 100]


@contextmanager
def _clients(server: Server, count: int, work: Work) -> Iterator[None]:
    """So many clients at work in a process of their own. RuntimeError where one got a wrong answer."""
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    process = context.Process(target=_work, args=(server, count, work, stop.is_set))
    process.start()
    try:
        time.sleep(2)
        yield
    finally:
        stop.set()
        process.join(120)
    if process.exitcode:
        raise RuntimeError("a client of the attack got a wrong answer")


def _work(server: Server, count: int, work: Work, stopped: Callable[[], bool]) -> None:
    failures: list[BaseException] = []
    threads = [threading.Thread(target=_again, args=(server, work, stopped, failures)) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _again(server: Server, work: Work, stopped: Callable[[], bool], failures: list[BaseException]) -> None:
    """A connection that is closed is made anew, as clients do."""
    while not stopped() and not failures:
        with contextlib.suppress(ConnectionError), connect(server) as connection:
            try:
                while not stopped():
                    work(connection)
            except BadAnswer as error:
                failures.append(error)
