"""One blob of 500 MiB and small manifests over TLS, ours beside distribution 3.1.1; both serve HTTP/1.1 here, with
their own choice of cipher.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.bench import push, wrk
from tests.bench.bars import TLS
from tests.bench.bench import Bench, Cost, connect, memory_disk
from tests.bench.case_large import SIZE, forget
from tests.bench.content import IMAGE, Blob, Reservoir, image
from tests.bench.servers import Server

REPOSITORY = "bench/tls"
PUT, CHUNKED, GET = TLS
CONNECTIONS = 8


def run(bench: Bench) -> None:
    names = [f"{name}-tls" for name in ("ours", "distribution") if name in bench.names]
    with bench.reservoir(SIZE) as source, bench.servers(memory_disk(6 * SIZE), names) as servers:
        _manifests(bench, servers)
        _measure(bench, servers, PUT, source, push.streamed)
        _measure(bench, servers, CHUNKED, source, push.streamed_chunked)
        _downloads(bench, servers, source.blob())


def _manifests(bench: Bench, servers: list[Server]) -> None:
    target, seconds = f"/v2/{REPOSITORY}/manifests/v1", 1 if bench.quick else 4

    def measure(server: Server) -> None:
        with Cost(server) as cost:
            load = wrk.get(server.address, target, {"Accept": IMAGE}, CONNECTIONS, seconds, "https")
        _add(bench, "TLS: manifest GET by tag", "CPU us/request", server, cost.cpu / load.requests * 1e6)
        _add(bench, "TLS: manifest GET by tag", "requests/s", server, load.requests / load.seconds)

    bench.say("TLS: manifest GET by tag")
    for server in servers:
        with connect(server) as connection:
            push.image(connection, REPOSITORY, "v1", image())
    bench.interleave(servers, measure)


def _measure(bench: Bench, servers: list[Server], work: str, source: Reservoir, form: Callable) -> None:
    def measure(server: Server) -> None:
        blob = source.blob()
        with connect(server) as connection, Cost(server) as cost:
            form(connection, REPOSITORY, blob)
        _add_transfer(bench, work, server, blob, cost)
        forget(server)

    bench.say(work)
    bench.interleave(servers, measure)


def _downloads(bench: Bench, servers: list[Server], blob: Blob) -> None:
    work, target = GET, f"/v2/{REPOSITORY}/blobs/{blob.digest}"

    def measure(server: Server) -> None:
        with connect(server) as connection, Cost(server) as cost:
            connection.fetch(target, blob.size)
        _add_transfer(bench, work, server, blob, cost)

    bench.say(work)
    for server in servers:
        with connect(server) as connection:
            push.streamed(connection, REPOSITORY, blob)
    bench.interleave(servers, measure)


def _add_transfer(bench: Bench, work: str, server: Server, blob: Blob, cost: Cost) -> None:
    _add(bench, work, "MB/s", server, blob.size / cost.seconds / 1e6)
    _add(bench, work, "CPU s", server, cost.cpu)


def _add(bench: Bench, work: str, figure: str, server: Server, value: float) -> None:
    bench.add(work, figure, server.name.removesuffix("-tls"), value)
