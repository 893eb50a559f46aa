"""A later version's migration is applied while this version serves (expand), and this
version's next start is refused.
"""

from __future__ import annotations

import os
import signal
import threading

import pytest

from dockboard_registry.config import database_place
from dockboard_registry.db import migrate
from dockboard_registry.db.engines import engine
from dockboard_registry.db.mysql import migrate as mysql_migrate
from tests.support.http import Client
from tests.support.images import noise
from tests.support.server import Registry, wait_for

# What an expanding file may do: add tables, columns that may be null, and indexes.
LATER = """\
CREATE TABLE later_things (
    id BIGINT NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL
);
ALTER TABLE manifests ADD COLUMN later_note VARCHAR(64);
ALTER TABLE uploads ADD COLUMN later_note VARCHAR(64);
ALTER TABLE blobs ADD COLUMN later_kind BIGINT;
UPDATE blobs SET later_kind = size + 1;
CREATE INDEX blobs_later ON blobs (later_kind);
INSERT INTO later_things (id, name) SELECT COUNT(*), 'blobs' FROM blobs;
"""


@pytest.fixture(params=["sqlite", "mysql"])
def registry(request, tmp_path):
    with Registry(tmp_path / "data", 2, database=request.param, gc_interval=86400) as started:
        started.kind = request.param
        yield started


def place(registry: Registry):
    return (
        database_place(registry._settings["database_url"])
        if registry.kind == "mysql"
        else registry.root / "registry.db"
    )


def expand(registry: Registry) -> list[str]:
    """Apply one file more than this version has, as the start of a later version does."""
    wanted = [*migrate.files(), (len(migrate.files()) + 1, "9999_later.sql", LATER)]
    return (mysql_migrate.migrate if registry.kind == "mysql" else migrate.migrate)(place(registry), wanted)


class Load(threading.Thread):
    """Pushes and pulls images one after another until it is told to stop; `error` is what went wrong."""

    def __init__(self, registry: Registry, number: int):
        super().__init__()
        self._registry, self._number = registry, number
        self._stopping = threading.Event()
        self.images = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            with Client(self._registry.address) as client:
                while not self._stopping.is_set():
                    round_trip(
                        client,
                        f"busy{self._number}",
                        f"v{self.images}",
                        [noise(30_000, self.images), b"%d" % self.images],
                    )
                    self.images += 1
        except BaseException as error:
            self.error = error

    def stop(self) -> None:
        self._stopping.set()
        self.join(60)


def round_trip(client: Client, name: str, tag: str, layers: list[bytes]) -> None:
    client.push_image(name, tag, layers)
    assert client.pull_image(name, tag) == layers


def test_the_version_before_goes_on_serving_and_does_not_start_again(registry):
    loads = [Load(registry, number) for number in range(3)]
    for load in loads:
        load.start()
    wait_for(lambda: all(load.images >= 2 or load.error for load in loads), 60, "the first images")
    assert expand(registry) == ["9999_later.sql"]
    reached = [load.images for load in loads]
    wait_for(
        lambda: all(load.images >= count + 3 or load.error for load, count in zip(loads, reached)),
        60,
        "images after the migration",
    )
    for load in loads:
        load.stop()
    assert [load.error for load in loads if load.error] == []
    replace_workers(registry)
    with Client(registry.address) as client:
        round_trip(client, "after", "v1", [b"pushed after the migration"])
        assert client.pull_image("busy0", "v0") == [noise(30_000, 0), b"0"]
        client.delete("/v2/after/manifests/v1").expect(202)
    refuse_commands_and_start(registry)


def replace_workers(registry: Registry) -> None:
    """A worker that died is started again on the later schema: the supervisor's version is the one that serves."""
    before = registry.workers()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(
        lambda: len(registry.workers()) == len(before) and not set(before) & set(registry.workers()), 30, "new workers"
    )


def refuse_commands_and_start(registry: Registry) -> None:
    for command in ("gc", "check", "migrate"):
        done = registry.run(command)
        assert done.returncode == 2 and "newer version of Dockboard Registry" in done.stderr, done
    registry.stop()
    with pytest.raises(AssertionError, match="newer version of Dockboard Registry"):
        registry.start()
    registry.process = None
    rows = engine(place(registry)).transact(lambda tx: tx.one("SELECT COUNT(*) FROM later_things"))
    assert rows == (1,), "the refused start changed something"
