"""Very many logins at once: little memory, no server error, and pulls go on beside them (security, passwords: 1,000
parallel logins).
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.bench.procs import PeakMemory
from tests.protocol.wire import request
from tests.support.people import People, basic
from tests.support.rounds import LONG
from tests.support.server import REPOSITORY, Registry, free_port

# The short form waits for the refusals and some of those who are let in.
LOGINS, WORKERS, LET_IN = (1000, 2, 132) if LONG else (100, 1, 6)
CONNECTIONS = 8
MANIFEST = "/v2/bob/app/manifests/v1"
# Another process, so that what the crowd's clients compute does not count: latencies of pulls with a token, and of a
# request that asks no database, which wait for nothing but the loop. Connections are asked in turn, and reach every
# worker.
WATCH = (
    """
import json, sys, time
from tests.support.people import As
address, headers, paths, seconds = json.loads(sys.stdin.readline())
clients = [As(address, headers) for _ in range(%d)]
[client.get("/v2/").expect(200) for client in clients]
print("ready", flush=True)
found, end = {path: [] for path in paths}, time.monotonic() + seconds
while time.monotonic() < end:
    for client in clients:
        for path in paths:
            begun = time.perf_counter()
            client.get(path).expect(200)
            found[path].append(time.perf_counter() - begun)
        time.sleep(0.005)
print(json.dumps(found))
"""
    % CONNECTIONS
)


class Watch:
    """Times that requests take for so many seconds, in milliseconds by path."""

    def __init__(self, registry, headers: dict, seconds: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", WATCH], cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._process.stdin.write(json.dumps([registry.address, headers, [MANIFEST, "/healthz"], seconds]) + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ready\n"

    def times(self) -> dict[str, list[float]]:
        out, _ = self._process.communicate(timeout=120)
        assert self._process.returncode == 0
        return {path: sorted(seconds * 1000 for seconds in found) for path, found in json.loads(out).items()}


def told(times: list[float]) -> str:
    return (
        f"median {statistics.median(times):.1f}, p99 {times[len(times) * 99 // 100]:.1f}, most {times[-1]:.1f} ms of"
        f" {len(times)}"
    )


def long_turns(metrics: str) -> float:
    """How often a worker's loop did more than 50 ms of work in one turn, while all others waited."""
    lines = request(metrics, "GET", "/metrics").expect(200).body.decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("dockboard_long_turns_total "))


async def crowd(registry, names: list[str]) -> list[tuple[int, dict[str, str], float]]:
    """(status, headers, seconds) of one login for each name, all asked at the same moment on connections of their own,
    until LET_IN are let in.
    """
    host, _, port = registry.address.rpartition(":")

    async def log_in(name: str) -> tuple[int, dict[str, str], float]:
        begun = time.monotonic()
        (shown,) = basic(name).values()
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET /token HTTP/1.1\r\nHost: x\r\nAuthorization: {shown}\r\nConnection: close\r\n\r\n".encode())
        lines = (await asyncio.wait_for(reader.read(), 120)).partition(b"\r\n\r\n")[0].decode().split("\r\n")
        writer.close()
        return int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:]), time.monotonic() - begun

    pending, answers = {asyncio.ensure_future(log_in(name)) for name in names}, []
    while pending and sum(status == 200 for status, _, _ in answers) < LET_IN:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        answers += [task.result() for task in done]
    for task in pending:
        task.cancel()
    return answers


@pytest.mark.skipif(sys.platform != "linux", reason="memory of processes is read from Linux's /proc")
def test_a_thousand_logins_cost_little_and_disturb_nobody(tmp_path):
    """1,000 in the long form, which also holds the figures against their bars; fewer by default."""
    names = [f"u{number}" for number in range(LOGINS)]
    metrics = f"127.0.0.1:{free_port()}"
    registry = Registry(tmp_path / "data", workers=WORKERS, log_access="false", metrics_listen=metrics).start()
    try:
        people = People(registry)
        people.add("bob", *names)
        with people.as_user("bob") as bob:
            bob.push_image("bob/app", "v1")
        registry.stop()
        registry.start()
        token = people.bearer(basic("bob"), "repository:bob/app:pull")
        alone = Watch(registry, token, 3).times()
        long = long_turns(metrics)
        with PeakMemory(registry.pid) as memory:
            watch = Watch(registry, token, 30 if LONG else 4)
            answers = asyncio.run(crowd(registry, names))
            beside = watch.times()
            long = long_turns(metrics) - long
        statuses = Counter(status for status, _, _ in answers)
        print(
            f"{LOGINS} logins: {dict(statuses)}, the last after {max(seconds for _, _, seconds in answers):.1f} s;"
            f" {memory.added:.0f} MiB more; {long:g} long turns"
        )
        for path in alone:
            print(f"{path}: alone {told(alone[path])}; beside logins {told(beside[path])}")
        # Each worker has two threads, and 64 may wait for these; all others are told when to come again.
        assert set(statuses) == {200, 429} and statuses[429] >= (LOGINS - WORKERS * 66) // 2
        assert all(int(headers["Retry-After"]) >= 1 for status, headers, _ in answers if status == 429)
        assert memory.added < (200 if LONG else 110)
        if LONG:
            assert long == 0
            assert beside["/healthz"][len(beside["/healthz"]) * 99 // 100] < 50
    finally:
        registry.kill()  # the short form leaves logins that wait
