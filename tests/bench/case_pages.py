"""What a page costs the server: few tags and repositories, and very many of them."""

from __future__ import annotations

from tests.bench.bench import Bench
from tests.bench.case_growth import BASE, REPOSITORY, cpu, fill, tag
from tests.bench.client import request_bytes
from tests.bench.servers import Server

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
    with bench.one("ours") as small, bench.one("ours") as large:
        fill(bench, small, BASE, BASE)
        fill(bench, large, tags, repositories)
        for name, path in PAGES.items():
            _compare(bench, f"page: {name}", small, large, request_bytes("GET", path, HEADERS))


def _compare(bench: Bench, work: str, small: Server, large: Server, request: bytes) -> None:
    bench.say(work)
    seconds = 1 if bench.quick else 3
    for server in (small, large):
        cpu(server, request, 1)
    for _ in range(bench.rounds):
        few, many = (cpu(server, request, seconds) / 1000 for server in (small, large))
        bench.add(work, "CPU ms/request", "ours", few)
        bench.add(work, "CPU ms/request at many", "ours", many)
        bench.add(work, "ratio", "ours", many / few)
