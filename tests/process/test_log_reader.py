"""Nobody waits for who reads the log: standard error may be a pipe whose reader stalls, or is gone."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import time

import pytest

from tests.support.http import Client
from tests.support.server import Registry, free_port, wait_for

REQUESTS = 4_000
AGENT = {"User-Agent": "stalled/1.0 " + "x" * 350}


class Piped(Registry):
    """A registry whose standard error is a pipe of 4 KiB that this process reads when it wants to."""

    def start(self) -> Piped:
        self.reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        command, self.output_file = [*self._command, "serve"], open(self.output, "ab")
        self.root.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(writer, "wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=self.output_file, stderr=log, env=self.environment()
            )
        self._wait_until_listening(0)
        wait_for(lambda: len(self.workers()) == self._settings["server_workers"], 30, "the workers")
        return self

    def read(self, seconds: float) -> str:
        """All that comes until nothing has come for so long."""
        os.set_blocking(self.reader, False)
        parts, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                parts.append(os.read(self.reader, 65536))
                if not parts[-1]:
                    break
                until = time.monotonic() + seconds
            except BlockingIOError:
                time.sleep(0.01)
        return b"".join(parts).decode()


def metric(address: str, name: str) -> float:
    with Client(address) as client:
        return float(re.search(rf"^dockboard_{name} (\S+)$", client.get("/metrics").expect(200).body.decode(), re.M)[1])


def ask(registry: Registry, first: int, count: int) -> float:
    """So many requests, whose paths have numbers; seconds of the slowest."""
    slowest = 0.0
    with Client(registry.address) as client:
        for number in range(first, first + count):
            began = time.monotonic()
            client.get(f"/n/{number}", AGENT).expect(404)
            slowest = max(slowest, time.monotonic() - began)
    return slowest


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_reader_who_stalls_holds_up_nobody_and_hears_how_much_was_dropped(tmp_path, format):
    metrics = f"127.0.0.1:{free_port()}"
    with Piped(tmp_path / "data", workers=1, log_format=format, metrics_listen=metrics) as registry:
        workers = registry.workers()
        registry.read(0.3)
        slowest = ask(registry, 0, REQUESTS)
        time.sleep(0.3)
        dropped = metric(metrics, "log_lines_dropped_total")
        read = registry.read(1.0)
        ask(registry, REQUESTS, 3)
        read += registry.read(1.0)
        assert registry.workers() == workers
        registry.process.send_signal(signal.SIGTERM)
        read += registry.read(1.5)
        registry.stop()
    numbers = [int(number) for number in re.findall(r"/n/(\d+)", read)]
    told = sum(int(count) for count in re.findall(r"(\d+) lines of the log were dropped", read))
    assert slowest < 3, "a worker waited for the reader"
    assert dropped > 1000 and told >= dropped, "what is dropped is counted, and told"
    assert numbers == sorted(numbers) and numbers[-3:] == [REQUESTS, REQUESTS + 1, REQUESTS + 2]
    assert len(numbers) + told >= REQUESTS + 3 and "stopping" in read


def test_a_stalled_reader_keeps_nobody_from_the_end(tmp_path):
    with Piped(tmp_path / "data", workers=2) as registry:
        ask(registry, 0, 300)
        began = time.monotonic()
        registry.stop()
        assert time.monotonic() - began < 10


def test_a_worker_that_ends_is_replaced_and_hang_ups_are_heard_while_the_reader_stalls(tmp_path):
    with Piped(tmp_path / "data", workers=1) as registry:
        ask(registry, 0, 300)
        for _ in range(3):
            [worker] = registry.workers()
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: registry.workers() not in ([], [worker]), 10, "another worker")
            registry.process.send_signal(signal.SIGHUP)
            ask(registry, 0, 300)
        log = registry.read(1.0)
        assert log.count("starting another in") == 3 and log.count("reloading TLS certificate") == 3


def test_a_reader_who_is_gone_is_not_missed(tmp_path):
    with Piped(tmp_path / "data", workers=1) as registry:
        workers = registry.workers()
        os.close(registry.reader)
        ask(registry, 0, 300)
        assert registry.workers() == workers
