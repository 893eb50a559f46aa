"""What a page costs the server: few tags and repositories, and very many of them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable

from tests.bench.bench import Bench, Cost
from tests.bench.case_growth import BASE, CONNECTIONS, REPOSITORY, fill, tag
from tests.bench.client import drive, request_bytes
from tests.bench.servers import Server
from tests.bench.servers_other import OursBehindProxy

HEADERS = {"Accept": "text/html", "Accept-Encoding": "gzip", "Cookie": "dockboard-visitor=bench"}
PAGES = {
    "explore": "/",
    "repository": f"/r/{REPOSITORY}",
    "tags": f"/r/{REPOSITORY}/-/tags",
    "tag": f"/r/{REPOSITORY}:{tag(50)}",
    "search": "/search?q=repository",
}


def run(bench: Bench) -> None:
    """Two registries of ours side by side, measured in turn."""
    tags, repositories = (5_000, 1_000) if bench.quick else (100_000, 20_000)
    with bench.one(OursBehindProxy.name) as small, bench.one(OursBehindProxy.name) as large:
        fill(bench, small, BASE, BASE)
        fill(bench, large, tags, repositories)
        for name, path in PAGES.items():
            _compare(bench, f"page: {name}", small, large, path)


def _compare(bench: Bench, work: str, small: Server, large: Server, path: str) -> None:
    bench.say(work)
    seconds = 1 if bench.quick else 3
    for server in (small, large):
        _cpu(server, path, 1)
    for _ in range(bench.rounds):
        few, many = (_cpu(server, path, seconds) for server in (small, large))
        bench.add(work, "CPU ms/request", "ours", few)
        bench.add(work, "CPU ms/request at many", "ours", many)
        bench.add(work, "ratio", "ours", many / few)


def _cpu(server: Server, path: str, seconds: int) -> float:
    """Milliseconds of the server's CPU for one request."""
    with Cost(server) as cost:
        count = drive(server.address, CONNECTIONS, _for_seconds(path, seconds), 200)
    return cost.cpu / count * 1000


def _for_seconds(path: str, seconds: float) -> Callable[[], bytes | None]:
    """Requests of a thousand clients in turn until the time is over, for drive()."""
    requests = itertools.cycle(
        request_bytes("GET", path, {**HEADERS, "X-Forwarded-For": f"192.0.{number // 250}.{number % 250}"})
        for number in range(1000)
    )
    end = time.monotonic() + seconds
    return lambda: next(requests) if time.monotonic() < end else None
