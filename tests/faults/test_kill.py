"""kill -9 while clients push, re-tag, mount, delete and pull and while garbage is collected."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from tests.faults.crew import a_while, after_fault, hire, settle, start_again
from tests.faults.journal import Journal
from tests.support.http import Client
from tests.support.server import Registry, registry_pyz, wait_for

COMEBACK = 1.0
"""Seconds within which a killed worker must have a successor."""


class Collector(threading.Thread):
    """Runs `gc` again and again beside the server, and kills every second one half-way."""

    def __init__(self, registry: Registry):
        super().__init__()
        self.registry = registry
        self.stop = threading.Event()
        self.failures: list[str] = []

    def run(self) -> None:
        line = [sys.executable, str(registry_pyz()), "gc", "--json"]
        while not self.stop.is_set():
            process = subprocess.Popen(
                line, env=self.registry.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            doomed = random.random() < 0.5
            try:
                output = process.communicate(timeout=random.uniform(0.1, 0.6) if doomed else 60)
                if process.returncode != 0:
                    self.failures.append("".join(output))
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()

    def __enter__(self) -> "Collector":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop.set()
        self.join()


def kill_everything(registry: Registry) -> None:
    """The supervisor and its workers at the same moment, as the kernel does when memory runs out."""
    for worker in registry.workers():
        os.kill(worker, signal.SIGKILL)
    registry.kill()


def test_kill_of_the_whole_registry(tmp_path, rounds, figures):
    registry = Registry(tmp_path / "data", workers=2, gc_grace=0, gc_interval=1).start()
    try:
        crew = hire(registry, Journal(tmp_path / "journal"))
        for number in range(rounds(5, 300)):
            with Collector(registry) as collector, crew:
                a_while(0.3, 1.2)
                random.choice((registry.kill, lambda: kill_everything(registry)))()
            violations = start_again(registry) + after_fault(crew, figures)
            assert violations == [], f"round {number}"
            assert collector.failures == []
        assert settle(crew, figures) == []
    finally:
        registry.kill()


def test_kill_of_one_worker(tmp_path, rounds, figures):
    registry = Registry(tmp_path / "data", workers=2).start()
    try:
        crew = hire(registry, Journal(tmp_path / "journal"))
        for number in range(rounds(3, 300)):
            with crew:
                a_while(0.2, 0.8)
                before = registry.workers()
                os.kill(random.choice(before), signal.SIGKILL)
                figures.most(slowest_answer=answers_throughout(registry.address, COMEBACK))
                wait_for(lambda: successor(registry, before), COMEBACK, "a new worker")
                a_while(0.1, 0.3)
            assert after_fault(crew, figures) == [], f"round {number}"
            if number % 3 == 2:  # a supervisor waits longer and longer for workers that die young
                registry.stop()
                registry.start()
        assert settle(crew, figures) == []
        registry.stop()
    finally:
        registry.kill()


def answers_throughout(address: str, seconds: float) -> float:
    """New connections are served by the other worker at once; the slowest answer in seconds."""
    slowest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        with Client(address, timeout=5) as client:
            client.get("/v2/").expect(200)
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.02)
    return slowest


def successor(registry: Registry, before: list[int]) -> bool:
    workers = registry.workers()
    return len(workers) == len(before) and workers != before


@pytest.mark.parametrize("stopped", ["idle", "busy"])
def test_workers_end_with_their_supervisor(tmp_path, stopped):
    """A worker without a supervisor would hold the port and write beside the next registry."""
    registry = Registry(tmp_path / "data", workers=2).start()
    crew = hire(registry, Journal(tmp_path / "journal"), 2)
    workers = registry.workers()
    if stopped == "busy":
        with crew:
            time.sleep(0.3)
            registry.kill()
    else:
        registry.kill()
    wait_for(lambda: not any(map(runs, workers)), 2, "the end of the workers")


def runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
