"""What a database tells whoever counts: times of every kind, causes of retries, unknown
outcomes, the use of its pools.
"""

import asyncio
import contextlib
import mmap
import time

import pytest

from dockboard_registry.config import database_place
from dockboard_registry.db import DatabaseFailed, OutcomeUnknown
from dockboard_registry.db.engines import engine
from dockboard_registry.db.mysql.migrate import migrate
from dockboard_registry.db.observer import PoolUse
from dockboard_registry.metrics import BOARD_SIZE, Metrics
from tests.contract.aio import asynchronous
from tests.support import mariadb
from tests.support.mysql_proxy import MySQLProxy

INSERT = "INSERT INTO settings (name, value) VALUES (?, ?)"
KINDS = ("read", "scan", "write")


@pytest.fixture
def metrics():
    """One worker's metrics, as the server has them."""
    return Metrics(mmap.mmap(-1, BOARD_SIZE), 0)


def figures(metrics: Metrics) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in metrics.text().splitlines() if line.startswith("dockboard_database_")]
    return {name.removeprefix("dockboard_database_"): float(value) for name, value in lines}


@contextlib.contextmanager
def opened(url: str, metrics: Metrics):
    database = engine(database_place(url)).open(8, metrics.database)
    try:
        yield database
    finally:
        database.close()


@pytest.fixture
def place(database_driver) -> str:
    return (
        f"sqlite:{database_driver.path}"
        if database_driver.name == "sqlite"
        else (database_driver.directory / "url").read_text()
    )


@pytest.fixture
def behind_proxy(metrics):
    """A database behind a proxy, and the proxy."""
    server = mariadb.shared()
    name = server.make()
    migrate(database_place(server.url(name)))
    with MySQLProxy(server.port) as proxy, opened(server.url(name, proxy.port), metrics) as database:
        yield database, proxy
    server.execute(f"DROP DATABASE `{name}`")


def slow(tx) -> None:
    tx.one("SELECT 1")
    time.sleep(0.06)


def failing(tx) -> None:
    raise KeyError


@asynchronous
async def test_every_kind_of_work_is_timed_whatever_comes_of_it(place, metrics):
    with opened(place, metrics) as database:
        for way in (database.read, database.scan, database.write):
            await way(slow)
            with pytest.raises(KeyError):
                await way(failing)
        await database.write(lambda tx: tx.run(INSERT, "a", "x"), durable=False)
        found = figures(metrics)
    assert [found[f'seconds_count{{kind="{kind}"}}'] for kind in KINDS] == [2, 2, 3]
    for kind in KINDS:
        assert found[f'seconds_bucket{{kind="{kind}",le="0.02"}}'] < found[f'seconds_count{{kind="{kind}"}}']
        assert 0.06 <= found[f'seconds_sum{{kind="{kind}"}}'] < 30
    assert not any(found[name] for name in found if "retries" in name or "unknown" in name)


@asynchronous
async def test_waiting_counts_as_time(place, metrics):
    """Twenty at once: the last of them waited for most of the others' work."""
    with opened(place, metrics) as database:
        await asyncio.gather(*(database.write(lambda tx: time.sleep(0.02)) for _ in range(20)))
        found = figures(metrics)
    assert found['seconds_count{kind="write"}'] == 20
    assert found['seconds_sum{kind="write"}'] > 20 * 0.05


@pytest.mark.parametrize(
    ("beginning", "when", "cause"),
    [
        (b"COMMIT", 1213, "conflict"),
        (b"INSERT", 1205, "conflict"),
        (b"INSERT", "before", "lost_connection"),
        (b"INSERT", "after", "lost_connection"),
        (b"SET NAMES", 1040, "too_many_connections"),
    ],
)
@asynchronous
async def test_what_is_run_again_is_counted_by_its_cause(behind_proxy, metrics, beginning, when, cause):
    database, proxy = behind_proxy
    proxy.cut(beginning, when)
    await database.write(lambda tx: tx.run(INSERT, "a", "x"))
    assert proxy.cuts == 1
    counted = {name: value for name, value in figures(metrics).items() if "retries" in name and value}
    assert counted == {f'retries_total{{cause="{cause}"}}': 1}


@asynchronous
async def test_unknown_outcomes_are_counted(behind_proxy, metrics):
    database, proxy = behind_proxy
    proxy.cut(b"COMMIT", "after")
    with pytest.raises(OutcomeUnknown):
        await database.write(lambda tx: tx.run(INSERT, "a", "x"))
    assert figures(metrics)["unknown_outcomes_total"] == 1
    with pytest.raises(DatabaseFailed):
        await database.write(lambda tx: tx.run(INSERT, "b" * 70, "too long"))
    assert figures(metrics)["unknown_outcomes_total"] == 1


def pools(database, metrics: Metrics, name: str) -> dict[str, float]:
    metrics.database.pools(database.pools())
    return {kind: figures(metrics)[f'{name}{{pool="{kind}"}}'] for kind in KINDS}


@asynchronous
async def test_the_use_of_the_pools_is_told(behind_proxy, metrics):
    """Writers that wait for a row that somebody holds: all connections for writing are busy, the rest of the work
    waits.
    """
    database, _ = behind_proxy
    await database.write(lambda tx: tx.run(INSERT, "held", "x"))
    limits = pools(database, metrics, "connections_limit")
    assert sum(limits.values()) == 8 and min(limits.values()) >= 1
    held, free = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(tx) -> None:
        tx.lock("SELECT value FROM settings WHERE name = 'held'")
        loop.call_soon_threadsafe(held.set)
        asyncio.run_coroutine_threadsafe(free.wait(), loop).result(30)

    holding = database.write(hold)
    await held.wait()
    others = [
        database.write(lambda tx: tx.run("UPDATE settings SET value = 'y' WHERE name = 'held'")) for _ in range(10)
    ]
    writers = limits["write"]
    while (
        pools(database, metrics, "connections_open")["write"] < writers
        or pools(database, metrics, "connections_busy")["write"] < writers
    ):
        await asyncio.sleep(0.01)
    assert pools(database, metrics, "waiting") == {"read": 0, "scan": 0, "write": 1 + len(others) - writers}
    free.set()
    await asyncio.gather(holding, *others)
    while pools(database, metrics, "connections_busy")["write"]:
        await asyncio.sleep(0.01)
    assert pools(database, metrics, "waiting")["write"] == 0
    assert pools(database, metrics, "connections_open")["write"] == writers


def test_workers_are_summed_and_one_that_was_started_again_has_no_connections_at_first():
    board = mmap.mmap(-1, BOARD_SIZE)
    workers = [Metrics(board, slot) for slot in (0, 7)]
    for worker in workers:
        worker.database.pools([PoolUse("write", limit=4, open=3, busy=2, waiting=1)])
        worker.database.retried("conflict")
        worker.database.timer("write")(0.3)
    gauges = {"connections_limit": 4, "connections_open": 3, "connections_busy": 2, "waiting": 1}
    for running in (2, 1):
        found = figures(workers[0])
        assert {name: found[f'{name}{{pool="write"}}'] for name in gauges} == {
            name: running * value for name, value in gauges.items()
        }
        assert found['retries_total{cause="conflict"}'] == 2
        assert found['seconds_bucket{kind="write",le="0.1"}'] == 0
        assert found['seconds_bucket{kind="write",le="0.5"}'] == found['seconds_bucket{kind="write",le="+Inf"}'] == 2
        Metrics(board, 7)
