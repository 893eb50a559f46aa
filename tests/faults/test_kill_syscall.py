"""kill -9 of a worker as it enters each system call that changes the disk, during a push, a re-tag and a delete."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.faults.journal import Journal
from tests.faults.tracing import Strace, kill_at
from tests.faults.verifier import residue, verify
from tests.faults.workload import NO_ANSWER, Journalled, image
from tests.support import tools
from tests.support.server import Registry, registry_pyz, wait_for

CALLS = (
    "fdatasync fsync pwrite64 pwritev write writev ftruncate unlink unlinkat mkdir mkdirat rename renameat2 link linkat"
    " openat".split()
)
"""What can change a file; SQLite writes with pwrite64, Python renames with rename."""
STRIDE = {"pwrite64": 15}
"""In short rounds; 1 for the other calls, of which there are few."""
REPOSITORY = "kill/app"
MOST = 2000
"""An operation that makes more calls of one kind than this does not end by itself."""


class Scene:
    """A repository with an image under two tags, and one operation to be killed in it."""

    def __init__(self, registry: Registry, journal: Journal):
        self.registry = registry
        self.journal = journal
        self.client = Journalled(registry.address, journal)
        self.counter = itertools.count()
        self.deaths = itertools.count(1)

    def prepare(self) -> None:
        """A fresh image to re-tag or delete, pushed before the trace begins."""
        _, self.layer = self.journal.new_content(5000)
        self.config = json.dumps({"number": next(self.counter)}).encode()
        self.victim = self.push("victim", [self.layer])
        _, self.loose = self.journal.new_content(50_000)  # a file, where the layer is a row
        self.client.upload(REPOSITORY, self.loose)

    def push(self, tag: str, layers: list[bytes], style: str = "put") -> str:
        for data in [*layers, self.config]:
            self.client.upload(REPOSITORY, data, style)
        return self.client.put_manifest(REPOSITORY, tag, image(self.config, layers))

    def push_new(self) -> None:
        layers = [self.journal.new_content(70_000)[1]]
        self.push("new", layers, "chunks")

    def retag(self) -> None:
        body = image(self.config, [self.layer], annotations={"org.example.counter": str(next(self.counter))})
        self.client.put_manifest(REPOSITORY, "victim", body)

    def delete(self) -> None:
        self.client.delete_manifest(REPOSITORY, self.victim, ["victim"])
        self.client.delete_blob(REPOSITORY, self.journal.remember(self.loose))

    def killed(self, operation: Callable[[], None], call: str, number: int) -> bool:
        """Do it with a worker that dies at the Nth such call; whether it died."""
        self.prepare()
        self.client.http.close()
        (worker,) = self.registry.workers()
        log = self.registry.log.with_name("strace.log")
        with Strace(worker, log, *kill_at(call, number)):
            try:
                operation()
            except NO_ANSWER:
                wait_for(lambda: self.registry.workers() != [worker], 5, f"the death of the worker in {call}")
        if self.registry.workers() == [worker]:
            return False
        self.revive()
        return True

    def revive(self) -> None:
        """Wait for the successor, twice; the third time start afresh, before the supervisor takes longer and longer
        pauses.
        """
        if next(self.deaths) % 3:
            wait_for(self.registry.workers, 5, "a successor of the worker")
        else:
            self.registry.kill()
            self.registry.start()


@pytest.fixture
def scene(tmp_path):
    tools.need("strace")
    registry = Registry(tmp_path / "data", workers=1, gc_interval=86400).start()
    try:
        yield Scene(registry, Journal(tmp_path / "journal"))
    finally:
        registry.kill()


@pytest.mark.parametrize("name", ["push_new", "retag", "delete"])
def test_kill_at_every_call(scene, name, rounds, figures):
    operation = getattr(scene, name)
    for call in CALLS:
        for number in range(1, MOST, rounds(STRIDE.get(call, 1), 1)):
            if not scene.killed(operation, call, number):
                break
            figures.add(rounds=1)
            assert verify(scene.registry, scene.journal, 50) == [], f"killed at {call} number {number}"
            operation()  # I8: the same requests succeed now
    assert verify(scene.registry, scene.journal) + residue(scene.registry) == []
    figures.add(acknowledged=scene.journal.acknowledged)


def test_kill_of_gc_at_every_call(scene, rounds, figures):
    """A collection that dies anywhere leaves nothing broken, and the next one ends its work."""
    for call in ("fdatasync", "fsync", "pwrite64", "unlink", "ftruncate"):
        for number in range(1, MOST, rounds(STRIDE.get(call, 2), 1)):
            scene.prepare()
            scene.delete()
            if not gc_dies(scene.registry, call, number):
                break
            figures.add(rounds=1)
            assert verify(scene.registry, scene.journal, 50) == [], f"killed at {call} number {number}"
    assert verify(scene.registry, scene.journal) + residue(scene.registry) == []


def gc_dies(registry: Registry, call: str, number: int) -> bool:
    """Run gc without grace under strace; whether it was killed before it had done its work."""
    traced = ["strace", "-f", "-o", str(registry.log.with_name("gc.log")), *kill_at(call, number)]
    line = [*traced, sys.executable, str(registry_pyz()), "gc", "--json"]
    environment = registry.environment() | {"DOCKBOARD_GC_GRACE": "0"}
    result = subprocess.run(
        line, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    assert result.returncode in (0, -9), result.stderr
    return result.returncode != 0
