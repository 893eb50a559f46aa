"""The database's part of /metrics, as Prometheus scrapes it from a server with two workers."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.protocol.test_operations import scrape
from tests.support import mariadb
from tests.support.http import Client
from tests.support.server import Registry, free_port, wait_for

WORKERS = 2
CONNECTIONS = 8


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def scraped(request, tmp_path_factory):
    metrics = f"127.0.0.1:{free_port()}"
    registry = Registry(
        tmp_path_factory.mktemp(request.param) / "data",
        WORKERS,
        database=request.param,
        metrics_listen=metrics,
        database_connections=CONNECTIONS,
    )
    registry.metrics, registry.kind = metrics, request.param
    with registry:
        yield registry


def of_database(registry: Registry) -> dict[str, float]:
    return {
        name.removeprefix("dockboard_database_"): value
        for name, value in scrape(registry).items()
        if name.startswith("dockboard_database_")
    }


def test_reads_scans_and_writes_are_timed(scraped):
    before = of_database(scraped)
    with Client(scraped.address) as client:
        client.push_image("app", "v1")
        for _ in range(20):
            client.pull_manifest("app", "v1")
            client.get("/v2/app/tags/list").expect(200)
    after = of_database(scraped)
    for kind, count in (("read", 20), ("scan", 20), ("write", 4)):
        name = f'seconds_count{{kind="{kind}"}}'
        assert after[name] - before[name] >= count
        assert after[f'seconds_sum{{kind="{kind}"}}'] > before[f'seconds_sum{{kind="{kind}"}}']
    assert after["unknown_outcomes_total"] == 0


def test_pools_are_shown_where_there_are_any(scraped):
    with Client(scraped.address) as client:
        client.push_image("app", "v2")
    if scraped.kind == "sqlite":
        assert not [name for name in of_database(scraped) if "pool=" in name]
        return
    limits = [value for name, value in of_database(scraped).items() if name.startswith("connections_limit{")]
    assert sum(limits) == WORKERS * CONNECTIONS
    wait_for(
        lambda: of_database(scraped)['connections_open{pool="write"}'] >= 1, 10, "an open connection among the metrics"
    )


def test_work_that_waits_for_a_lock_is_seen(tmp_path):
    """Somebody holds the tags: a delete keeps its connection busy, and is run again when its wait was too long."""
    server = mariadb.shared()
    name = server.make()
    registry = Registry(tmp_path / "data", 1, database_url=server.url(name), metrics_listen=f"127.0.0.1:{free_port()}")
    registry.metrics = registry._settings["metrics_listen"]
    with (
        registry,
        Client(registry.address) as client,
        contextlib.closing(server.admin(name)) as holder,
        ThreadPoolExecutor(1) as pool,
    ):
        client.push_image("app", "held")
        holder.begin()
        holder.cursor().execute("SELECT * FROM tags FOR UPDATE")
        deleting = pool.submit(client.delete, "/v2/app/manifests/held")
        wait_for(
            lambda: of_database(registry)['connections_busy{pool="write"}'] == 1,
            10,
            "a busy connection among the metrics",
        )
        wait_for(lambda: of_database(registry)['retries_total{cause="conflict"}'] >= 1, 20, "a retry among the metrics")
        holder.rollback()
        deleting.result(30).expect(202)
        wait_for(
            lambda: of_database(registry)['connections_busy{pool="write"}'] == 0,
            10,
            "no busy connection among the metrics",
        )
