"""The database that a copy was made of: it may not touch the store any more, which belongs to the copy."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dockboard_registry.storage import Marker, filesystem
from tests.faults.test_start import refusal
from tests.faults.verifier import command, database, stored
from tests.support.http import Client
from tests.support.server import Registry

REFUSED = ("copied to", "take-store")
QUICK = {"gc_interval": 86400, "gc_grace": 0, "gc_lease": 0}


@pytest.fixture
def registry(tmp_path):
    made = Registry(tmp_path / "data", workers=1, **QUICK)
    yield made
    made.kill()


def push(registry: Registry, tag: str) -> list[bytes]:
    layers = [os.urandom(50_000), tag.encode()]
    with Client(registry.address) as client:
        client.push_image("app", tag, layers)
    return layers


def copy(registry: Registry, target: str, **settings: object) -> subprocess.CompletedProcess[str]:
    return command(
        registry, "copy-database", "--from", f"sqlite:{registry.root}/registry.db", "--to", target, **settings
    )


def moved(registry: Registry) -> Registry:
    """Push an image, copy the database to another file, and push another image there; the
    server of the copy, stopped.
    """
    with registry:
        push(registry, "old")
    target = f"sqlite:{registry.root.parent}/other/new.db"
    done = copy(registry, target)
    assert done.returncode == 0, done.stderr
    return Registry(registry.root, workers=1, database_url=target, **QUICK)


def must_refuse(registry: Registry, *words: str) -> None:
    refusal(registry, *words)
    before = stored(registry)
    for order in ("gc", "check"):
        result = command(registry, order, "--json")
        assert result.returncode == 2 and all(word in result.stderr for word in words), result
    assert stored(registry) == before


def test_the_old_database_is_refused_and_takes_nothing_from_the_new_one(registry):
    new = moved(registry)
    with new:
        layers = push(new, "new")
        must_refuse(registry, *REFUSED)
        with Client(new.address) as client:
            assert client.pull_image("app", "new") == layers
    must_refuse(registry, *REFUSED)
    assert command(new, "check").returncode == 0


def test_a_backup_of_the_old_database_is_refused_too(registry):
    with registry:
        push(registry, "before")
    backup = Path(shutil.copy(database(registry), registry.root.parent / "backup.db"))
    new = moved(registry)
    with new:
        push(new, "new")
    must_refuse(
        Registry(registry.root, workers=1, database_url=f"sqlite:{backup}", **QUICK), "later copy", "take-store"
    )


def test_a_store_that_the_copying_did_not_see_is_taken_by_the_first_start(registry, tmp_path):
    kept = tmp_path / "elsewhere.db"
    apart = Registry(registry.root, workers=1, database_url=f"sqlite:{kept}", **QUICK)
    with apart:
        push(apart, "old")
    done = command(
        registry,
        "copy-database",
        "--from",
        f"sqlite:{kept}",
        "--to",
        f"sqlite:{tmp_path}/new.db",
        storage_root=tmp_path / "none",
    )
    assert done.returncode == 0, done.stderr
    must_refuse(apart, *REFUSED)
    assert filesystem.marker(registry.root).epoch == 0
    assert command(Registry(registry.root, database_url=f"sqlite:{tmp_path}/new.db"), "gc").returncode == 0
    assert filesystem.marker(registry.root).epoch == 1


def test_going_back_is_a_deliberate_step(registry):
    new = moved(registry)
    done = command(registry, "take-store")
    assert done.returncode == 0 and "check" in done.stdout, done
    with registry:
        with Client(registry.address) as client:
            assert client.pull_image("app", "old")
    must_refuse(new, "later copy", "take-store")
    assert command(new, "take-store").returncode == 0
    must_refuse(registry, "later copy", "take-store")


def test_nothing_is_copied_beside_a_running_server(registry, tmp_path):
    target = f"sqlite:{tmp_path}/new.db"
    with registry:
        push(registry, "old")
        done = copy(registry, target)
        assert done.returncode == 2 and "stop it first" in done.stderr, done
    assert copy(registry, target).returncode == 0
    new = Registry(registry.root, workers=1, database_url=target, **QUICK)
    with new:
        back = command(registry, "copy-database", "--from", target, "--to", f"sqlite:{tmp_path}/back.db")
        assert back.returncode == 2 and "stop it first" in back.stderr, back
        again = copy(registry, f"sqlite:{tmp_path}/third.db")
        assert again.returncode == 2 and "copied to" in again.stderr, again


def test_nothing_is_copied_beside_a_server_on_mysql(tmp_path):
    registry = Registry(tmp_path / "data", workers=1, database="mysql", **QUICK)
    url = registry.environment()["DOCKBOARD_DATABASE_URL"]
    with registry:
        push(registry, "old")
        done = command(registry, "copy-database", "--from", url, "--to", f"sqlite:{tmp_path}/new.db")
        assert done.returncode == 2 and "stop it first" in done.stderr, done
    done = command(registry, "copy-database", "--from", url, "--to", f"sqlite:{tmp_path}/new.db")
    assert done.returncode == 0, done.stderr
    must_refuse(registry, *REFUSED)


def test_a_worker_that_runs_on_the_old_database_deletes_nothing(registry):
    """However the store went to another database: the collector asks the store before it deletes."""
    registry.configure(gc_interval=1)
    with registry:
        push(registry, "old")
        known = filesystem.marker(registry.root)
        filesystem.write_marker(registry.root, Marker(known.id, known.epoch + 1))
        before = stored(registry)
        with Client(registry.address) as client:
            digest = client.pull_manifest("app", "old").headers["Docker-Content-Digest"]
            client.delete(f"/v2/app/manifests/{digest}").expect(202)
        stray = registry.root / "blobs" / "ab" / ("ab" + "0" * 38)
        stray.write_bytes(b"of the new database")
        os.utime(stray, (1, 1))
        registry.logged("does not own the store", seconds=30)
        assert stored(registry) == before | {stray.name}
