"""Ours on MariaDB beside ours on SQLite: what a pull costs, how long pushes wait, and what 100,000 tags change."""

from __future__ import annotations

import importlib.util
import os
import shutil
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from tests.bench import case_growth, push, wrk
from tests.bench.bench import Bench, Cost, connect
from tests.bench.content import IMAGE, Image, digest, image
from tests.bench.servers import MissingTool, Ours, OursMySQL, Server

GET = "MySQL: manifest GET by tag"
PUSH = "MySQL: image push, 8 at once"
REPOSITORY = "bench/mysql"
CONNECTIONS = 8
PUSHERS = 8
PAGES = ("manifest by tag", "tag page, first", "tag page, middle")


def require() -> None:
    """Raises MissingTool before anything is measured."""
    require_modules()
    for program in ("mariadbd", "mariadb-install-db"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"):
            raise MissingTool(f"{program} is not installed: apt-get install mariadb-server")


def require_modules() -> None:
    """Those that tests/support needs. Raises MissingTool."""
    lacking = [name for name in ("pymysql", "pytest") if importlib.util.find_spec(name) is None]
    if lacking:
        raise MissingTool(f"this Python lacks {' and '.join(lacking)}: start tests/bench/run with the one of tests/run")


def run(bench: Bench) -> None:
    with bench.servers(names=[Ours.name, OursMySQL.name]) as (sqlite, mysql):
        _pulls(bench, sqlite, mysql)
        _pushes(bench, sqlite, mysql)
    tags = 5_000 if bench.quick else 100_000
    bench.results.note(
        f"MySQL growth is from {case_growth.BASE} to {tags:,} tags. CPU is the registry's alone, without MariaDB's."
    )
    with bench.servers(names=[OursMySQL.name] * 2) as (small, large):
        case_growth.fill(bench, small, case_growth.BASE, 1)
        case_growth.fill(bench, large, tags, 1)
        few, many = case_growth.requests(case_growth.BASE, 1), case_growth.requests(tags, 1)
        for page in PAGES:
            case_growth.compare(bench, f"MySQL growth: {page}", (small, few[page]), (large, many[page]))


def _pulls(bench: Bench, sqlite: Server, mysql: Server) -> None:
    bench.say(GET)
    content = image()
    for server in (sqlite, mysql):
        with connect(server) as connection:
            push.image(connection, REPOSITORY, "v1", content)
        _pull(server, 1)
    for _ in range(bench.rounds):
        _add(bench, GET, "CPU us/request", *(_pull(server, 1 if bench.quick else 4) for server in (sqlite, mysql)))


def _pull(server: Server, seconds: int) -> float:
    """Microseconds of the registry's CPU for a request."""
    with Cost(server) as cost:
        load = wrk.get(server.address, f"/v2/{REPOSITORY}/manifests/v1", {"Accept": IMAGE}, CONNECTIONS, seconds)
    return cost.cpu / load.requests * 1e6


def _pushes(bench: Bench, sqlite: Server, mysql: Server) -> None:
    """Milliseconds of whole pushes; of each round one percent is slower than its p99."""
    bench.say(PUSH)
    count = 25 if bench.quick else 100
    for server in (sqlite, mysql):
        _push(server, 3)
    for _ in range(bench.rounds):
        found = [_push(server, count) for server in (sqlite, mysql)]
        _add(bench, PUSH, "p50 ms", *(statistics.median(times) for times in found))
        _add(bench, PUSH, "p99 ms", *(times[len(times) * 99 // 100] for times in found))


def _push(server: Server, count: int) -> list[float]:
    """Every pusher pushes so many images one after another; the milliseconds of each, sorted."""
    images = [[image() for _ in range(count)] for _ in range(PUSHERS)]
    with ThreadPoolExecutor(PUSHERS) as pool:
        found = list(pool.map(_push_all, [server] * PUSHERS, images))
    return sorted(milliseconds for times in found for milliseconds in times)


def _push_all(server: Server, images: list[Image]) -> list[float]:
    times = []
    with connect(server) as connection:
        for content in images:
            begun = time.monotonic()
            push.image(connection, REPOSITORY, digest(content.manifest)[7:23], content)
            times.append((time.monotonic() - begun) * 1e3)
    return times


def _add(bench: Bench, work: str, figure: str, sqlite: float, mysql: float) -> None:
    bench.add(work, f"{figure} on SQLite", "ours", sqlite)
    bench.add(work, f"{figure} on MariaDB", "ours", mysql)
    name = "ratio" if figure.startswith("CPU") else f"{figure.split()[0]} ratio"
    bench.add(work, name, "ours", mysql / sqlite)
