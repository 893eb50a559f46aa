"""Clients at several nodes race for few tags, blobs and uploads while collectors run; the history of all answers must
be possible.
"""

import threading

import pytest

from tests.faults.nodes import serving
from tests.faults.racing import Board, Racer, look_at_all
from tests.faults.test_collection_race import Gc
from tests.faults.verifier import own_check, residue
from tests.support import galera, mariadb, object_stores

CLIENTS = 6
LEASE = 1
"""Seconds; long enough for most questions to be asked within it, short enough for content to be collected."""


def urls(database: str, nodes: int) -> list[str]:
    """Where each node has its database: an SQLite file in its root, one new database on the session's MariaDB, or at
    the three Galera nodes.
    """
    if database == "sqlite":
        return [""]
    if database == "galera":
        return galera.shared().urls(galera.shared().make())
    server = mariadb.shared()
    return [server.url(server.make())] * nodes


@pytest.mark.parametrize("lease", [0, LEASE], ids=["no lease", "lease"])
@pytest.mark.parametrize(
    "database", ["sqlite", "mysql", "mysql and objects", pytest.param("galera", marks=pytest.mark.galera)]
)
def test_every_answer_of_a_race_is_possible(tmp_path, database, lease, rounds, figures):
    """SQLite: one node of 2 or 4 processes; MariaDB: 2 or 4 nodes, also with all blobs in an object store; Galera: 3
    nodes.
    """
    size = 2 if lease else 4
    operations = rounds(400 if database == "galera" else 1_000, 10_000)
    settings = {
        "gc_lease": lease,
        "gc_grace": 0,
        "gc_interval": 1,
        "server_workers": size if database == "sqlite" else 1,
    }
    if database == "mysql and objects":
        store = object_stores.shared("versitygw")
        settings |= {"database_small_blobs": 0, "storage_redirect": False, **store.settings(store.make())}
    with serving(tmp_path / "data", urls(database, size), **settings) as registries:
        addresses = [registry.address for registry in registries] * (
            4 // len(registries)
        )  # connections, so that all processes are asked
        stop = threading.Event()
        collector = Gc(registries[0], stop)
        collector.start()
        try:
            for seed in range(rounds(1, 10)):
                board = Board(seed + 100 * lease, lease)
                race(addresses, board, operations, figures)
        finally:
            stop.set()
            collector.join()
        figures.add(collections=collector.runs, collected=collector.blobs)
        assert collector.errors == [] and collector.runs
        assert own_check(registries[0]) + residue(registries[0]) + own_check(registries[0]) == []


def race(addresses: list[str], board: Board, operations: int, figures) -> None:
    """One seed: the clients at work, a last look, and the checker."""
    racers = [Racer(number, addresses, board, operations // CLIENTS) for number in range(CLIENTS)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    look_at_all(racers[0])
    found = board.history.violations()
    assert [error for racer in racers for error in racer.errors] == []
    assert not found, f"seed {board.seed}: {len(found)} violations\n" + "\n".join(map(str, found[:5]))
    figures.add(rounds=1, operations=len(board.history.operations))
    figures.add(acknowledged=sum(op.status in (201, 202, 204) for op in board.history.operations))
