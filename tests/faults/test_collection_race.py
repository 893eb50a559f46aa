"""Pushes beside garbage collection in a loop, with lease and grace 0: what is acknowledged stays pullable.

At one server with files, and at two nodes with a bucket.
"""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.faults.journal import Journal, Refused
from tests.faults.nodes import two_nodes
from tests.faults.verifier import command, residue, verify
from tests.faults.workload import UPLOADS, Journalled, image
from tests.support.http import OCI_MANIFEST, digest_of
from tests.support.server import Registry, wait_for

LAYERS = 8
"""Layers that all clients share, so that they are collected and pushed again all the time."""


class Racer(Journalled):
    """Pushes images of shared and own layers, skips blobs that are there, and deletes old images."""

    def __init__(self, registry: Registry, journal: Journal, number: int, shared: list[bytes]):
        super().__init__(registry.address, journal)
        self.repository = f"race/app{number % 2}"
        self.name = f"racer{number}"
        self.shared = shared
        self.pushed: list[tuple[str, str]] = []
        self.refused = 0
        self.errors: list[str] = []

    def run(self, stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                self.push(f"{self.name}-{number}")
                if random.random() < 0.5:
                    self.delete_one()
            except Refused as refused:
                self.note(refused)
            except Exception as error:
                self.errors.append(repr(error))

    def note(self, refused: Refused) -> None:
        """With a lease of 0 a blob may go before its manifest comes; then 400 is the honest answer."""
        if refused.status == 400 and "MANIFEST_BLOB_UNKNOWN" in str(refused):
            self.refused += 1
        else:
            self.errors.append(str(refused))

    def push(self, tag: str) -> None:
        own = self.journal.new_content(random.randint(1, 20_000))[1]
        layers = [random.choice(self.shared), own]
        config = json.dumps({"made": tag}).encode()
        for data in (*layers, config):
            if self.http.head(f"/v2/{self.repository}/blobs/{digest_of(data)}").status != 200:
                self.provide(data)
        self.put_manifest(self.repository, tag, image(config, layers), OCI_MANIFEST)
        self.pushed.append((tag, digest_of(image(config, layers))))

    def provide(self, data: bytes) -> None:
        """Mount from the other repository, or upload where the registry does not have it there."""
        other = "race/app1" if self.repository == "race/app0" else "race/app0"
        path = f"/v2/{self.repository}/blobs/uploads/?mount={digest_of(data)}&from={other}"
        if random.random() < 0.5 and self.send((201, 202), "POST", path).status == 201:
            return
        self.upload(self.repository, data, random.choice(UPLOADS))

    def delete_one(self) -> None:
        tag, digest = self.pushed.pop(random.randrange(len(self.pushed)))
        self.delete_manifest(self.repository, digest, [tag])


class Gc(threading.Thread):
    """`registry.pyz gc` in a loop."""

    def __init__(self, registry: Registry, stop: threading.Event):
        super().__init__()
        self.registry, self.stop = registry, stop
        self.runs, self.blobs = 0, 0
        self.errors: list[str] = []

    def run(self) -> None:
        while not self.stop.is_set():
            result = command(self.registry, "gc", "--json")
            self.runs += 1
            if result.returncode != 0:
                self.errors.append(result.stdout + result.stderr)
            else:
                self.blobs += json.loads(result.stdout)["keys"]


@contextmanager
def one_directory(root: Path, **settings: object) -> Iterator[list[Registry]]:
    """A registry with two workers that keeps its blobs in files. A mount that finds nothing leaves an open upload."""
    given = {"server_open_uploads": 200_000, **settings}
    registry = Registry(root, workers=2, gc_interval=1, gc_grace=0, **given).start()
    try:
        yield [registry]
        registry.stop()
    finally:
        registry.kill()


@contextmanager
def one_bucket(root: Path, **settings: object) -> Iterator[list[Registry]]:
    """Two nodes that keep their blobs in a bucket."""
    with two_nodes(root, gc_interval=1, **settings) as (nodes, _):
        yield nodes


KINDS = pytest.mark.parametrize("kind", [one_directory, one_bucket], ids=["one directory", "two nodes and a bucket"])


@KINDS
def test_push_against_two_collectors(tmp_path, kind, rounds, figures):
    with kind(tmp_path / "data", gc_lease=0, gc_upload_expiry=86400) as nodes:
        journal = Journal(tmp_path / "journal")
        racers = hired(nodes, journal)
        collectors = run_together(nodes, racers, rounds(10, 1800))
        assert [error for actor in (*racers, *collectors) for error in actor.errors] == []
        assert sum(collector.blobs for collector in collectors) > 0
        forget_unreferenced(journal)
        assert verify(nodes[0], journal) + residue(nodes[-1]) + verify(nodes[-1], journal) == []
        figures.add(
            rounds=sum(c.runs for c in collectors),
            acknowledged=journal.acknowledged,
            collected=sum(c.blobs for c in collectors),
        )
        figures.add(
            images=sum(key.kind == "manifest" for key in journal.cells), refused=sum(racer.refused for racer in racers)
        )


def hired(nodes: list[Registry], journal: Journal) -> list[Racer]:
    """Four clients, of each node by turns. Two of each repository are at different nodes."""
    shared = [journal.new_content(10_000)[1] for _ in range(LAYERS)]
    return [Racer(nodes[number // 2 % len(nodes)], journal, number, shared) for number in range(4)]


def run_together(nodes: list[Registry], racers: list[Racer], seconds: float) -> list[Gc]:
    """Two collectors run meanwhile, at each node by turns, for so long and at least three times each."""
    stop = threading.Event()
    collectors = [Gc(nodes[number % len(nodes)], stop) for number in range(2)]
    threads = [*collectors, *(threading.Thread(target=racer.run, args=(stop,)) for racer in racers)]
    with ExitStack() as stack:
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(stop.set)
        time.sleep(seconds)
        wait_for(lambda: min(each.runs for each in collectors) >= 3, 60, "three runs of each collector")
    return collectors


def forget_unreferenced(journal: Journal) -> None:
    """With a lease of 0 a blob is promised only through manifests; the verifier follows those."""
    for key in journal.keys("blob"):
        del journal.cells[key]
    journal.touched = set(journal.cells)


@KINDS
def test_a_lease_protects_what_head_has_promised(tmp_path, kind, rounds, figures):
    """Grace 0 and a lease longer than a push: no push is ever refused because a blob went away."""
    with kind(tmp_path / "data", gc_lease=30) as nodes:
        journal = Journal(tmp_path / "journal")
        racers = hired(nodes, journal)
        collectors = run_together(nodes, racers, rounds(5, 600))
        assert [error for actor in (*racers, *collectors) for error in actor.errors] == []
        assert [racer.refused for racer in racers] == [0, 0, 0, 0]
        forget_unreferenced(journal)
        assert verify(nodes[0], journal) + residue(nodes[-1]) == []
        figures.add(rounds=sum(c.runs for c in collectors), acknowledged=journal.acknowledged)
