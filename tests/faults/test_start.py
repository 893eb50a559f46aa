"""Where data is missing, foreign or broken the registry refuses to start, in words, and changes nothing."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.crew import start_again
from tests.faults.disks import Ext4, need_disks
from tests.faults.journal import Journal
from tests.faults.verifier import Verifier, command, database, own_check, stored, verify
from tests.faults.workload import Journalled, Unanswered, image
from tests.support.server import Registry, registry_pyz

REPOSITORY = "start/app"


def fill(registry: Registry, journal: Journal, count: int = 30) -> None:
    """Images enough for the database to have inner pages worth breaking."""
    client = Journalled(registry.address, journal)
    for number in range(count):
        layer = journal.new_content(40_000)[1]  # a file; the configuration is a row
        for data in (layer, b"{}"):
            client.upload(REPOSITORY, data)
        client.put_manifest(REPOSITORY, f"tag-{number}", image(b"{}", [layer], annotations={"padding": "x" * 2000}))
    client.http.close()


def refusal(registry: Registry, *words: str) -> str:
    """Start it: it must end by itself, not 0, and say why without a traceback; what it said."""
    line = [sys.executable, str(registry_pyz()), "serve"]
    process = subprocess.run(
        line, env=registry.environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    assert process.returncode not in (0, -9), process.stdout
    assert "Traceback" not in process.stderr and "Listening" not in process.stdout, process.stderr
    for word in words:
        assert word.lower() in process.stderr.lower(), f"no {word!r} in: {process.stderr}"
    return process.stderr


@pytest.fixture
def stopped(tmp_path):
    """A registry with images in it that has been stopped properly, and the journal of its clients."""
    registry = Registry(tmp_path / "data", workers=2, gc_interval=86400).start()
    journal = Journal(tmp_path / "journal")
    try:
        fill(registry, journal)
        registry.stop()
        empty_the_log(database(registry))
        yield registry, journal
    finally:
        registry.kill()


def empty_the_log(path: Path) -> None:
    """Processes that end at the same moment may leave the write-ahead log behind; here the one file must be the whole
    database.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert not path.with_name(path.name + "-wal").exists()


def overwrite(start: int, data: bytes) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        with open(path, "r+b") as file:
            file.seek(start)
            file.write(data)

    return spoil


DAMAGE = {
    "header": overwrite(0, bytes(100)),
    "first page": overwrite(100, os.urandom(3000)),
    "truncated": lambda path: os.truncate(path, path.stat().st_size // 2),
    "empty": lambda path: os.truncate(path, 0),
    "text": lambda path: path.write_text("this is not a database\n" * 1000),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_database(stopped, damage):
    registry, journal = stopped
    path, kept = database(registry), database(registry).with_name("kept")
    shutil.copy(path, kept)
    DAMAGE[damage](path)
    damaged = path.read_bytes()
    refusal(registry, str(registry.root))
    assert path.read_bytes() == damaged, "the damaged database was changed"
    assert command(registry, "check", "--json").returncode == 2
    shutil.copy(kept, path)
    assert start_again(registry) + verify(registry, journal) == []


def test_damage_inside_the_database(stopped):
    """Where only some rows are hit the registry may serve the others: right bytes or an error, and `check` tells."""
    registry, journal = stopped
    path, kept = database(registry), database(registry).with_name("kept")
    shutil.copy(path, kept)
    for page in range(2, path.stat().st_size // 4096, 7):
        overwrite(page * 4096, os.urandom(4096))(path)
    assert command(registry, "check", "--json").returncode in (1, 2)
    try:
        registry.start()
    except AssertionError:
        assert "Traceback" not in registry.tail()
    else:
        for found in Verifier(registry.address, journal).verify():
            assert found.invariant != "I4", found
        registry.kill()
    for leftover in ("-wal", "-shm"):
        path.with_name(path.name + leftover).unlink(missing_ok=True)
    shutil.copy(kept, path)
    assert start_again(registry) + verify(registry, journal) == []


def test_database_gone(stopped):
    """A store without its database is not an empty registry."""
    registry, journal = stopped
    path = database(registry)
    kept = path.rename(path.with_name("kept"))
    refusal(registry, str(registry.root))
    assert not path.exists() or path.stat().st_size == 0, "a new database was made"
    path.unlink(missing_ok=True)
    kept.rename(path)
    assert start_again(registry) + verify(registry, journal) == []


def test_store_of_another_registry(stopped, tmp_path):
    """The marker in the root must be the one that the database knows."""
    registry, journal = stopped
    with Registry(tmp_path / "other" / "data", workers=1) as other:
        fill(other, Journal(tmp_path / "other-journal"), 1)
    strange = Registry(other.root, database_url=f"sqlite:{database(registry)}")
    refusal(strange, str(other.root))
    assert start_again(registry) + verify(registry, journal) == []


@pytest.mark.parametrize("empty", [False, True], ids=["other database", "empty database"])
def test_collection_with_a_foreign_database(stopped, tmp_path, empty):
    """To a database that does not know the files they all look like strays; `gc` must not believe it."""
    registry, journal = stopped
    with Registry(tmp_path / "other" / "data", workers=1) as other:
        if not empty:
            fill(other, Journal(tmp_path / "other-journal"), 1)
    before = stored(registry)
    for order in ("gc", "check"):
        result = command(registry, order, "--json", gc_grace=0, database_url=f"sqlite:{database(other)}")
        assert result.returncode == 2 and "Traceback" not in result.stderr, result
    assert stored(registry) == before
    assert start_again(registry) + verify(registry, journal) == []


def test_collection_after_a_refused_start(stopped):
    """Started without its database.url a registry refuses; what that leaves may not be
    taken for the database either.
    """
    registry, journal = stopped
    moved = database(registry).rename(registry.root.with_name("moved.db"))
    refusal(registry, str(registry.root))
    before = stored(registry)
    assert command(registry, "gc", "--json", gc_grace=0).returncode == 2
    assert stored(registry) == before
    for leftover in registry.root.glob("registry.db*"):
        leftover.unlink()
    moved.rename(database(registry))
    assert start_again(registry) + verify(registry, journal) == []


def test_store_not_mounted(tmp_path):
    """Database here, blobs on a disk that is not there: refuse, and leave the mount point alone."""
    need_disks()
    with Ext4(tmp_path / "disk") as disk:
        registry = Registry(disk.where / "data", database_url=f"sqlite:{tmp_path}/registry.db", gc_interval=86400)
        registry.log, registry.output = tmp_path / "log", tmp_path / "out"
        registry.start()
        journal = Journal(tmp_path / "journal")
        try:
            fill(registry, journal, 3)
            registry.stop()
            disk.unmount()
            refusal(registry, str(registry.root))
            assert list(disk.where.iterdir()) == [], "something was made below the mount point"
            assert command(registry, "gc", "--json").returncode == 2
            assert command(registry, "check", "--json").returncode == 2
            disk.mount()
            assert start_again(registry) + verify(registry, journal) + own_check(registry) == []
            registry.stop()
        finally:
            registry.kill()


def test_storage_root_gone_while_running(tmp_path):
    """Requests that need it fail honestly, nothing is made anew, and the return of the root mends all."""
    registry = Registry(
        tmp_path / "data", workers=2, database_url=f"sqlite:{tmp_path}/registry.db", gc_interval=86400
    ).start()
    journal = Journal(tmp_path / "journal")
    try:
        fill(registry, journal, 3)
        kept = registry.root.rename(tmp_path / "kept")
        client = Journalled(registry.address, journal)
        large = os.urandom(100_000)
        with pytest.raises(Unanswered) as error:
            client.upload(REPOSITORY, large)
        assert error.value.status in (500, 503)
        assert client.http.get("/readyz").status == 503
        assert command(registry, "gc", "--json", gc_grace=0).returncode != 0
        assert not registry.root.exists()
        kept.rename(registry.root)
        client.http.get("/readyz").expect(200)
        client.upload(REPOSITORY, large)
        assert verify(registry, journal) == []
        registry.stop()
    finally:
        registry.kill()


def test_remounted_read_only(tmp_path):
    """The kernel does that after errors: pulls go on, pushes are refused, and a restart says what is wrong."""
    need_disks()
    with Ext4(tmp_path / "disk") as disk:
        registry = Registry(disk.where / "data", database_url=f"sqlite:{tmp_path}/registry.db", gc_interval=86400)
        registry.log, registry.output = tmp_path / "log", tmp_path / "out"
        registry.start()
        journal = Journal(tmp_path / "journal")
        try:
            fill(registry, journal, 3)
            disk.fail()
            must_only_read(registry, journal)
            registry.stop()
            refusal(registry, "read-only")
            disk.unmount()
            disk.mount()
            assert start_again(registry) + verify(registry, journal) + own_check(registry) == []
            registry.stop()
        finally:
            registry.kill()


def test_database_on_a_read_only_disk(tmp_path):
    """The same with all data on that disk."""
    need_disks()
    with Ext4(tmp_path / "disk") as disk:
        registry = Registry(disk.where / "data", gc_interval=86400)
        registry.log, registry.output = tmp_path / "log", tmp_path / "out"
        registry.start()
        journal = Journal(tmp_path / "journal")
        try:
            fill(registry, journal, 3)
            registry.stop()
            disk.remount("ro")
            refusal(registry, "read-only")
            disk.remount("rw")
            assert start_again(registry) + verify(registry, journal) + own_check(registry) == []
            registry.stop()
        finally:
            registry.kill()


def must_only_read(registry: Registry, journal: Journal) -> None:
    assert Verifier(registry.address, journal).verify() == []
    client = Journalled(registry.address, journal)
    with pytest.raises(Unanswered) as error:
        client.upload(REPOSITORY, journal.new_content(40_000)[1])
    assert error.value.status in (500, 503), str(error.value)
