"""copy-database: all rows, to the other kind and back, cut short and continued, and never over what is there."""

import asyncio
import contextlib
import re

import pytest

from dockboard_registry import config, maintenance, ownership, startup
from dockboard_registry.config import database_place
from dockboard_registry.db.engines import engine
from dockboard_registry.errors import StartError
from tests.contract.domain.world import World, image, index
from tests.contract.drivers import DATABASES, FilesystemDriver
from tests.support import mariadb
from tests.support.mysql_proxy import MySQLProxy

TABLES = ("repositories", "blobs", "repository_blobs", "manifests", "manifest_blobs", "manifest_children", "tags",
"uploads", "garbage", "jobs", "settings",
          "small_blobs")  # fmt: skip
# Of these any row will do.
ACCOUNTS = ("generations", "namespaces", "users", "organizations", "members", "teams", "team_members", "robots",
"grants", "access_tokens", "signing_keys",
            "one_time_tokens", "failures", "audit", "invitations", "known_networks", "quotas",
            "copied_keys", "deleted_organizations", "deleted_repositories", "unfinished_manifests",
            "browser_sessions", "preferences", "repository_facts", "manifest_facts",
            "stars", "comments", "readmes", "repository_categories")  # fmt: skip
TABLES += ACCOUNTS


def quiet(done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.fixture(params=DATABASES)
def source(request, tmp_path):
    """The URL of a database with something in every table."""
    driver = DATABASES[request.param](tmp_path / "source")
    world = World(driver, FilesystemDriver(tmp_path / "storage"), small=100)
    asyncio.run(fill(world.process()))
    world.close()
    fill_accounts(engine(database_place(url_of(driver))))
    return url_of(driver)


def url_of(driver) -> str:
    return f"sqlite:{driver.path}" if driver.name == "sqlite" else (driver.directory / "url").read_text()


async def fill(process) -> None:
    for data in (b"config", b"layer"):
        await process.push(data)
    for number in range(45):
        await process.put(image(b"config", b"layer", annotations={"n": f"ä{number}'\\%?\"\U0001f4a9"}), f"v{number}")
    await process.put(index(image(b"config", b"layer", annotations={"n": "ä1'\\%?\"\U0001f4a9"})), "all")
    await process.push(b"layer")
    await process.begun(b"unfinished")
    garbage = "INSERT INTO garbage (storage_key, condemned_at) VALUES (?, ?)"
    await process.db.write(lambda tx: [tx.run(garbage, f"key{number}", number) for number in range(1100)])
    await process.db.write(lambda tx: tx.run("INSERT INTO jobs (name, due_at, claimed_by) VALUES ('job', 1, NULL)"))
    await process.db.write(lambda tx: tx.run("INSERT INTO settings (name, value) VALUES ('store_id', 'x')"))


def fill_accounts(database) -> None:
    """A row of ones in each table."""
    for table in database.layout():
        if table.name in ACCOUNTS:
            insert = (
                f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({', '.join('1' * len(table.columns))})"
            )
            database.transact(lambda tx: tx.run(insert))


@pytest.fixture(params=["sqlite", "mysql"])
def target(request, tmp_path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path}/target/new.db"
    return mariadb.shared().url(mariadb.shared().make())


def content(url: str) -> dict:
    """All rows of all tables, but what each database notes of itself."""
    found = engine(database_place(url))
    names = {table.name: ", ".join(sorted(table.columns)) for table in found.layout()}
    assert sorted(names) == sorted(TABLES)
    rows = {name: found.transact(lambda tx: tx.all(f"SELECT {names[name]} FROM {name}")) for name in TABLES}
    rows["settings"] = [row for row in rows["settings"] if row[0] not in ("moved_to", "store_epoch")]
    return {name: sorted(map(repr, found)) for name, found in rows.items()}


def test_all_rows_arrive(source, target):
    report = maintenance.run_copy(source, target, quiet)
    before = content(source)
    assert all(before.values())
    assert content(target) == before
    assert report.rows == sum(map(len, before.values())) and report.tables == len(TABLES)


def test_a_target_with_rows_is_refused_and_untouched(source, target):
    maintenance.run_copy(source, target, quiet)
    before = content(target)
    with pytest.raises(StartError, match="not empty"):
        maintenance.run_copy(source, target, quiet)
    with pytest.raises(StartError, match="same database"):
        maintenance.run_copy(source, source, quiet)
    assert content(target) == before


def test_a_copy_that_was_cut_short_goes_on(source, tmp_path):
    """Somebody stops it again and again, and its connection is cut at COMMITs; the last run finishes, and nobody serves
    it before.
    """
    server = mariadb.shared()
    name, cuts = server.make(), 0
    engine(database_place(server.url(name))).migrate()
    with MySQLProxy(server.port) as proxy:
        while True:
            if cuts < 8:
                proxy.cut(b"COMMIT", "before" if cuts % 2 else "after", cuts)
            with contextlib.suppress(StartError):
                maintenance.run_copy(source, server.url(name, proxy.port), Stop(5 + cuts if cuts < 8 else 10**9))
                break
            cuts += 1
            with pytest.raises(StartError, match="not whole yet"):
                ownership.verify(served(server.url(name), tmp_path))
            assert cuts < 20
    assert cuts == 8 and proxy.cuts >= 3
    assert content(server.url(name)) == content(source)
    assert server.execute("SELECT * FROM settings WHERE name = 'copy_from'", database=name) == []


class Stop:
    """A progress display that fails after so many steps, as somebody who presses Ctrl-C."""

    def __init__(self, steps: int):
        self._left = steps

    def __call__(self, done: int, total: int) -> None:
        self._left -= 1
        if not self._left:
            raise StartError("stopped")


def served(url: str, root):
    return config.load({"storage.root": str(root)}, {"DOCKBOARD_DATABASE_URL": url})


def test_a_copy_of_another_source_is_not_continued(source, target, tmp_path):
    with pytest.raises(StartError, match="stopped"):
        maintenance.run_copy(source, target, Stop(2))
    other = f"sqlite:{tmp_path}/other.db"
    engine(database_place(other)).migrate()
    with pytest.raises(StartError, match="part of a copy"):
        maintenance.run_copy(other, target, quiet)


def test_a_part_of_a_copy_is_not_taken_for_a_whole_database(source, target, tmp_path):
    with pytest.raises(StartError, match="stopped"):
        maintenance.run_copy(source, target, Stop(2))
    third = f"sqlite:{tmp_path}/third.db"
    with pytest.raises(StartError, match="itself a copy"):
        maintenance.run_copy(target, third, quiet)
    assert not any(content(third).values())
    maintenance.run_copy(source, target, quiet)
    maintenance.run_copy(target, third, quiet)
    assert content(third) == content(source)


@pytest.mark.parametrize("newer", ["source", "target"])
def test_of_two_databases_the_one_with_a_newer_schema_is_named(source, target, newer, tmp_path):
    named = {"source": source, "target": target}[newer]
    (tmp_path / "target").mkdir()
    startup.migrate(served(named, "/nowhere"))
    engine(database_place(named)).transact(
        lambda tx: tx.run("INSERT INTO schema_versions (version, name, applied_at) VALUES (9999, 'later', 0)")
    )
    with pytest.raises(StartError, match=re.escape(str(engine(database_place(named))))):
        maintenance.run_copy(source, target, quiet)


def test_rows_that_differ_are_found(source, target):
    """The source was written to behind the copy's back: a row that had been copied has another value now."""
    with pytest.raises(StartError, match="stopped"):
        maintenance.run_copy(source, target, Stop(8))
    changed = engine(database_place(source)).transact(lambda tx: tx.run("UPDATE blobs SET size = size + 1"))
    assert changed
    with pytest.raises(StartError, match="not the same in both databases"):
        maintenance.run_copy(source, target, quiet)
