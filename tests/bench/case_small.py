"""Requests with small answers: what one costs the server, and how many it answers in a second."""

from __future__ import annotations

import os

from tests.bench import push, wrk
from tests.bench.bench import Bench, Cost, connect
from tests.bench.client import drive, for_seconds, request_bytes
from tests.bench.content import IMAGE, digest, image
from tests.bench.servers import Server

CONNECTIONS = 8
REPOSITORY = "bench/small"


def run(bench: Bench) -> None:
    content = image()
    blob = os.urandom(2048)
    accept = {"Accept": f"{IMAGE}, application/vnd.docker.distribution.manifest.v2+json"}
    manifest = f"/v2/{REPOSITORY}/manifests/v1"
    blob_target = f"/v2/{REPOSITORY}/blobs/{digest(blob)}"
    with bench.servers() as servers:
        for server in servers:
            with connect(server) as connection:
                push.image(connection, REPOSITORY, "v1", content)
                push.small_blob(connection, REPOSITORY, blob)
        _measure_get(bench, servers, "manifest GET by tag", manifest, accept)
        _measure_get(bench, servers, "blob GET, 2 KiB", blob_target, {})
        _measure_head(bench, servers, "blob HEAD", blob_target)


def _measure_get(bench: Bench, servers: list[Server], work: str, target: str, headers: dict[str, str]) -> None:
    seconds = 1 if bench.quick else 4

    def measure(server: Server) -> None:
        with Cost(server) as cost:
            load = wrk.get(server.address, target, headers, CONNECTIONS, seconds)
        bench.add(work, "CPU us/request", server, cost.cpu / load.requests * 1e6)
        bench.add(work, "requests/s", server, load.requests / load.seconds)

    bench.say(work)
    for server in servers:
        wrk.get(server.address, target, headers, CONNECTIONS, 1)
    bench.interleave(servers, measure)


def _measure_head(bench: Bench, servers: list[Server], work: str, target: str) -> None:
    """By our own client: wrk waits for a body after HEAD.

    It is slower, so there is no figure for requests in a second.
    """
    request = request_bytes("HEAD", target)

    def measure(server: Server) -> None:
        with Cost(server) as cost:
            count = drive(server.address, CONNECTIONS, for_seconds(request, 1 if bench.quick else 4), 200)
        bench.add(work, "CPU us/request", server, cost.cpu / count * 1e6)

    bench.say(work)
    bench.interleave(servers, measure)
