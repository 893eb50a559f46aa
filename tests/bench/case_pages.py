"""What a page costs the server: few tags and repositories, and very many of them."""

from __future__ import annotations

import itertools
import re
import subprocess
import time
from collections.abc import Callable

from tests.bench import push
from tests.bench.bars import PAGES
from tests.bench.bench import Bench, Cost, connect
from tests.bench.case_growth import BASE, CONNECTIONS, REPOSITORY, fill, tag
from tests.bench.client import drive, request_bytes
from tests.bench.content import image
from tests.bench.servers import Server, foreign_environment
from tests.bench.servers_other import OursBehindProxy

HEADERS = {"Accept": "text/html", "Accept-Encoding": "gzip", "Cookie": "dockboard-visitor=bench"}
# Its images have ten layers, of which eight are the same in all.
LAYERED = "bench/layered"
PATHS = {
    "explore": "/",
    "repository": f"/r/{REPOSITORY}",
    "repository, ten layers": f"/r/{LAYERED}",
    "tags": f"/r/{REPOSITORY}/-/tags",
    "tags by size": f"/r/{REPOSITORY}/-/tags?sort=size-down",
    "tags, ten layers": f"/r/{LAYERED}/-/tags",
    "tag": f"/r/{REPOSITORY}:{tag(50)}",
    "tag, ten layers": f"/r/{LAYERED}:{tag(10)}",
    "search": "/search?q=repository",
}
TAGS = 20
LOWER, UPPER = 8, 2


def run(bench: Bench) -> None:
    """Two registries of ours side by side, measured in turn."""
    tags, repositories = (5_000, 1_000) if bench.quick else (100_000, 20_000)
    bench.results.note(f"Pages are of {BASE} tags and repositories, and of {tags:,} tags and {repositories:,}.")
    with bench.one(OursBehindProxy.name) as small, bench.one(OursBehindProxy.name) as large:
        _prepare(bench, small, BASE, BASE)
        _prepare(bench, large, tags, repositories)
        for name in PAGES:
            _compare(bench, name, small, large)
        _weigh_style_sheet(bench, large)


def _prepare(bench: Bench, server: Server, tags: int, repositories: int) -> None:
    fill(bench, server, tags, repositories)
    _push_layered(server)
    # What lists show is counted after the push. The periodic jobs, run at once, count what is left.
    command = [*server.command()[:2], "gc", "--data", str(server.data)]
    subprocess.run(command, env={**foreign_environment(), **server.environment()}, check=True, capture_output=True)


def _push_layered(server: Server) -> None:
    with connect(server) as connection:
        first = image(LOWER + UPPER)
        push.image(connection, LAYERED, tag(0), first)
        for number in range(1, TAGS):
            content = image(UPPER, below=first.layers[:LOWER])
            for blob in (*content.layers[LOWER:], content.config):
                push.small_blob(connection, LAYERED, blob)
            push.manifest(connection, LAYERED, tag(number), content.manifest)


def _compare(bench: Bench, name: str, small: Server, large: Server) -> None:
    work, path, seconds = f"page: {name}", PATHS[name], 1 if bench.quick else 3
    bench.say(work)
    for server in (small, large):
        _cpu(server, path, 1)
    for _ in range(bench.rounds):
        few, many = (_cpu(server, path, seconds) for server in (small, large))
        bench.add(work, "CPU ms/request", "ours", few)
        bench.add(work, "CPU ms/request at many", "ours", many)
        bench.add(work, "ratio", "ours", many / few)
    bench.add(work, "KiB compressed", "ours", len(_body(large, path)) / 1024)


def _weigh_style_sheet(bench: Bench, server: Server) -> None:
    with connect(server) as connection:
        page = connection.request("GET", "/", {"Accept": "text/html"}, expect=200).body.decode()
    (address,) = re.findall(r'rel="stylesheet" href="([^"]+)"', page)
    bench.add("page: style sheet", "KiB compressed", "ours", len(_body(server, address)) / 1024)


def _body(server: Server, path: str) -> bytes:
    """What is sent, compressed."""
    with connect(server) as connection:
        answer = connection.request("GET", path, HEADERS, expect=200)
    assert answer.headers.get("content-encoding") == "gzip"
    return answer.body


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
