"""Pushes beside garbage collection in a loop, with lease and grace 0: what is acknowledged stays pullable."""

import json
import random
import threading
import time
from contextlib import ExitStack

from tests.faults.journal import Journal, Refused
from tests.faults.verifier import command, residue, verify
from tests.faults.workload import UPLOADS, Journalled, image
from tests.support.http import OCI_MANIFEST, digest_of
from tests.support.server import Registry

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


def test_push_against_two_collectors(tmp_path, rounds, figures):
    registry = Registry(
        tmp_path / "data", workers=2, gc_lease=0, gc_grace=0, gc_interval=1, gc_upload_expiry=86400
    ).start()
    try:
        journal = Journal(tmp_path / "journal")
        shared = [journal.new_content(10_000)[1] for _ in range(LAYERS)]
        racers = [Racer(registry, journal, number, shared) for number in range(4)]
        collectors = run_together(registry, racers, rounds(10, 1800))
        assert [error for actor in (*racers, *collectors) for error in actor.errors] == []
        assert min(collector.runs for collector in collectors) >= 3 and sum(c.blobs for c in collectors) > 0
        forget_unreferenced(journal)
        assert verify(registry, journal) + residue(registry) + verify(registry, journal) == []
        figures.add(
            rounds=sum(c.runs for c in collectors),
            acknowledged=journal.acknowledged,
            collected=sum(c.blobs for c in collectors),
        )
        figures.add(
            images=sum(key.kind == "manifest" for key in journal.cells), refused=sum(racer.refused for racer in racers)
        )
        registry.stop()
    finally:
        registry.kill()


def run_together(registry: Registry, racers: list[Racer], seconds: float) -> list[Gc]:
    stop = threading.Event()
    collectors = [Gc(registry, stop) for _ in range(2)]
    threads = [*collectors, *(threading.Thread(target=racer.run, args=(stop,)) for racer in racers)]
    with ExitStack() as stack:
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(stop.set)
        time.sleep(seconds)
    return collectors


def forget_unreferenced(journal: Journal) -> None:
    """With a lease of 0 a blob is promised only through manifests; the verifier follows those."""
    for key in journal.keys("blob"):
        del journal.cells[key]
    journal.touched = set(journal.cells)


def test_a_lease_protects_what_head_has_promised(tmp_path, rounds, figures):
    """Grace 0 and a lease longer than a push: no push is ever refused because a blob went away."""
    registry = Registry(tmp_path / "data", workers=2, gc_lease=30, gc_grace=0, gc_interval=1).start()
    try:
        journal = Journal(tmp_path / "journal")
        shared = [journal.new_content(10_000)[1] for _ in range(LAYERS)]
        racers = [Racer(registry, journal, number, shared) for number in range(4)]
        collectors = run_together(registry, racers, rounds(5, 600))
        assert [error for actor in (*racers, *collectors) for error in actor.errors] == []
        assert [racer.refused for racer in racers] == [0, 0, 0, 0]
        forget_unreferenced(journal)
        assert verify(registry, journal) + residue(registry) == []
        figures.add(rounds=sum(c.runs for c in collectors), acknowledged=journal.acknowledged)
        registry.stop()
    finally:
        registry.kill()
