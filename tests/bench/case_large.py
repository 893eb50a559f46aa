"""One blob of 500 MiB, down and up."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import push
from tests.bench.bench import MIB, Bench, Cost, connect, memory_disk
from tests.bench.client import BadAnswer, Connection, pull
from tests.bench.content import Blob, Reservoir
from tests.bench.servers import Server
from tests.bench.servers_other import Floor, Nginx

SIZE = 500 * MIB
REPOSITORY = "bench/large"
Form = Callable[[Connection, str, Blob], None]


def downloads(bench: Bench) -> None:
    """nginx sends the file of the first registry."""
    with bench.reservoir(SIZE) as source, bench.servers(names=[*bench.names, *bench.files]) as servers:
        blob = source.blob()
        for server in servers:
            if isinstance(server, Nginx):
                server.publish(_stored(servers[0]), _target(blob))
            else:
                with connect(server) as connection:
                    push.streamed(connection, REPOSITORY, blob)
            _pull(server, blob, 1)
        os.sync()
        bench.say("blob GET, 500 MiB")
        bench.interleave(servers, lambda server: _download(bench, server, blob, "blob GET, 500 MiB", 1, repeat=4))
        bench.interleave(
            servers, lambda server: _download(bench, server, blob, "blob GET, 500 MiB, 8 at once", 8, repeat=1)
        )


def _download(bench: Bench, server: Server, blob: Blob, work: str, count: int, repeat: int) -> None:
    """CPU seconds are of one blob; several are fetched because one takes less time than other programs' hiccups."""
    with Cost(server) as cost:
        for _ in range(repeat):
            _pull(server, blob, count)
    blobs = count * repeat
    bench.add(work, "MB/s", server, blob.size * blobs / cost.seconds / 1e6)
    bench.add(work, "CPU s", server, cost.cpu / blobs)


def _pull(server: Server, blob: Blob, count: int) -> None:
    result = pull(server.address, _target(blob), count, blob.size)
    if result.errors:
        raise BadAnswer(f"{server.label}: {result.problems}")


def _target(blob: Blob) -> str:
    return f"/v2/{REPOSITORY}/blobs/{blob.digest}"


def _stored(server: Server) -> Path:
    """The file of the one large blob."""
    return next(path for path in server.data.rglob("*") if path.is_file() and path.stat().st_size >= SIZE)


def uploads(bench: Bench) -> None:
    """In memory, where the programs differ, and on disk, where a slow disk makes them all alike."""
    _hash_alone(bench)
    with bench.reservoir(SIZE) as source:
        place = memory_disk(8 * SIZE)
        if place:
            _uploads(bench, source, place, "blob PUT, 500 MiB", push.streamed, [*bench.names, Floor.name])
            _uploads(bench, source, place, "blob PUT, 500 MiB, chunked encoding", push.streamed_chunked)
            _uploads(bench, source, bench.directory, "blob PUT, 500 MiB, on disk", push.streamed)
        else:
            bench.results.note("No room for a store in memory: the uploads of 500 MiB went to the disk.")
            _uploads(bench, source, bench.directory, "blob PUT, 500 MiB", push.streamed)
            _uploads(bench, source, bench.directory, "blob PUT, 500 MiB, chunked encoding", push.streamed_chunked)


def _hash_alone(bench: Bench) -> None:
    """What the digest takes by itself, on one core: nobody who verifies an upload while it comes is faster."""
    piece = os.urandom(MIB)
    for _ in range(bench.rounds):
        hasher, begun = hashlib.sha256(), time.process_time()
        for _ in range(SIZE // MIB):
            hasher.update(piece)
        seconds = time.process_time() - begun
        bench.add("sha256 of 500 MiB, nothing else", "MB/s", Floor.name, SIZE / seconds / 1e6)
        bench.add("sha256 of 500 MiB, nothing else", "CPU s", Floor.name, seconds)


def _uploads(
    bench: Bench, source: Reservoir, place: Path, work: str, form: Form, names: list[str] | None = None
) -> None:
    def measure(server: Server) -> None:
        blob = source.blob()
        os.sync()
        with connect(server) as connection, Cost(server) as cost:
            form(connection, REPOSITORY, blob)
        bench.add(work, "MB/s", server, blob.size / cost.seconds / 1e6)
        bench.add(work, "CPU s", server, cost.cpu)
        forget(server)

    bench.say(work)
    with bench.servers(place, names) as servers:
        bench.interleave(servers, measure)


def forget(server: Server) -> None:
    """Give the space back: the stored bytes of this blob are never asked for again, so the file is emptied in place."""
    for path in server.data.rglob("*"):
        if path.is_file() and path.stat().st_size >= SIZE:
            os.truncate(path, 0)
