"""What more data costs: the same requests and the same start at 100 tags and repositories and at very many."""

from __future__ import annotations

import time

from tests.bench import push
from tests.bench.bars import STARTS
from tests.bench.bench import Bench, Cost, connect
from tests.bench.client import drive, for_seconds, request_bytes
from tests.bench.content import IMAGE, Image, digest, image, manifest
from tests.bench.servers import Server

REPOSITORY = "bench/tags"
BASE = 100
FILLERS = 8
CONNECTIONS = 8
STARTED = 3  # times a round: a start takes less than many a hiccup of the machine


def run(bench: Bench) -> None:
    """Two registries of ours side by side, one with little and one with much, measured in turn."""
    tags, repositories = (5_000, 1_000) if bench.quick else (100_000, 10_000)
    bench.results.note(
        f"Growth is from {BASE} tags and repositories to {tags:,} tags and {repositories:,} repositories."
    )
    with bench.one("ours") as small, bench.one("ours") as large:
        fill(bench, small, BASE, BASE)
        fill(bench, large, tags, repositories)
        pages = zip(requests(BASE, BASE).items(), requests(tags, repositories).values(), strict=True)
        for (name, few), many in pages:
            compare(bench, f"growth: {name}", (small, few), (large, many))
        _restart(bench, small, large)


def requests(tags: int, repositories: int) -> dict[str, bytes]:
    """The measured requests. A page in the middle has 50 entries, because after the middle of 100 there are no more."""
    middle_tag, middle_repository = tag(tags // 2 - 1), repository(repositories // 2 - 1)
    list_tags = f"/v2/{REPOSITORY}/tags/list"
    pages = {
        "tag page, first": f"{list_tags}?n=100",
        "tag page, middle": f"{list_tags}?n=50&last={middle_tag}",
        "catalog page, first": "/v2/_catalog?n=100",
        "catalog page, middle": f"/v2/_catalog?n=50&last={middle_repository}",
    }
    manifest_request = request_bytes("GET", f"/v2/{REPOSITORY}/manifests/{middle_tag}", {"Accept": IMAGE})
    return {"manifest by tag": manifest_request, **{name: request_bytes("GET", page) for name, page in pages.items()}}


def compare(bench: Bench, work: str, few: tuple[Server, bytes], many: tuple[Server, bytes]) -> None:
    bench.say(work)
    seconds = 1 if bench.quick else 3
    for _ in range(bench.rounds):
        before, after = (cpu(server, request, seconds) for server, request in (few, many))
        bench.add(work, "us/request at 100", "ours", before)
        bench.add(work, "us/request at many", "ours", after)
        bench.add(work, "ratio", "ours", after / before)


def cpu(server: Server, request: bytes, seconds: int, status: int = 200) -> float:
    """Microseconds of a request that has this answer."""
    with Cost(server) as cost:
        count = drive(server.address, CONNECTIONS, for_seconds(request, seconds), status)
    return cost.cpu / count * 1e6


def _restart(bench: Bench, small: Server, large: Server) -> None:
    """From the start of the program to the first 200, with the files in the page cache."""
    target = f"/v2/{REPOSITORY}/manifests/{tag(1)}"
    for path, headers, figure in (("/healthz", {}, "s to /healthz"), (target, {"Accept": IMAGE}, "s to a manifest")):
        bench.say(f"start, {figure}")
        for _ in range(STARTED * bench.rounds):
            for server, work in zip((small, large), STARTS, strict=True):
                server.stop()
                started = time.monotonic()
                server.spawn()
                server.wait(path, headers)
                bench.add(work, figure, "ours", time.monotonic() - started)


def tag(number: int) -> str:
    return f"t{number:06d}"


def repository(number: int) -> str:
    return f"bench/repository-{number:06d}"


def fill(bench: Bench, server: Server, tags: int, repositories: int) -> None:
    """By the API, as clients would: a manifest of its own for every tag, and in every repository an image mounted from
    the first.
    """
    content = image(layers=1)
    with connect(server) as connection:
        push.image(connection, REPOSITORY, tag(0), content)
    _fill(bench, server, "tags", (_put_tag(content, number) for number in range(1, tags)))
    numbers = range(1, repositories)
    for wanted in (digest(content.config), digest(content.layers[0])):
        _fill(bench, server, "mounts", (_mount(number, wanted) for number in numbers))
    _fill(bench, server, "repositories", (_put(repository(number), "v1", content.manifest) for number in numbers))


def _fill(bench: Bench, server: Server, what: str, requests) -> None:
    started = time.monotonic()
    requests = iter(requests)
    done = drive(server.address, FILLERS, lambda: next(requests, None), 201)
    if done > 1000:
        bench.say(f"  filled {done:,} {what} in {time.monotonic() - started:.0f} s")


def _put_tag(content: Image, number: int) -> bytes:
    return _put(REPOSITORY, tag(number), manifest(content.config, content.layers, number=str(number)))


def _put(name: str, reference: str, document: bytes) -> bytes:
    return request_bytes("PUT", f"/v2/{name}/manifests/{reference}", {"Content-Type": IMAGE}, document)


def _mount(number: int, wanted: str) -> bytes:
    return request_bytes("POST", f"/v2/{repository(number)}/blobs/uploads/?mount={wanted}&from={REPOSITORY}")
