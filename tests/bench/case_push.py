"""A push of a small image, every step durable before it is answered."""

from __future__ import annotations

from tests.bench import push
from tests.bench.bench import Bench, Cost, connect
from tests.bench.content import digest, image
from tests.bench.servers import Server

WORK = "image push, 3 x 20 kB"
REPOSITORY = "bench/push"


def run(bench: Bench) -> None:
    count = 10 if bench.quick else 40
    bench.say(WORK)
    with bench.servers() as servers:
        for server in servers:
            _push(server, 3)
        bench.interleave(servers, lambda server: _measure(bench, server, count))


def _measure(bench: Bench, server: Server, count: int) -> None:
    cost = _push(server, count)
    bench.add(WORK, "ms", server, cost.seconds / count * 1e3)
    bench.add(WORK, "CPU ms", server, cost.cpu / count * 1e3)


def _push(server: Server, count: int) -> Cost:
    """Images with random content, each under its own tag, over one connection."""
    images = [image() for _ in range(count)]
    with connect(server) as connection, Cost(server) as cost:
        for content in images:
            push.image(connection, REPOSITORY, digest(content.manifest)[7:23], content)
    return cost
