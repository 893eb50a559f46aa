"""Three registry nodes, each at another node of a Galera cluster whose nodes lose sight of each other: cut off by
Galera itself (`gmcast.isolate`), while all three go on and their clients reach them.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.crew import a_while, recovery
from tests.faults.nodes import PATIENCE, recovered, serving
from tests.faults.racing import Board, Racer, look_at_all
from tests.faults.verifier import own_check, residue
from tests.support import galera
from tests.support.http import Client, digest_of
from tests.support.server import Registry, wait_for

pytestmark = pytest.mark.galera
# The pauses keep what a node misses within the cache (gcache.size) that it is brought up to date from.
WRITER = {Racer.put: 1, Racer.pause: 1}
READER = {Racer.get_tag: 4, Racer.get_digest: 1, Racer.pause: 5}


@pytest.fixture
def cluster():
    """The session's cluster, whole again afterwards."""
    made = galera.shared()
    yield made
    made.mend()


@pytest.mark.parametrize("alone", [1, 2], ids=["one node is cut off", "no node sees another"])
def test_a_partition_under_load(cluster, tmp_path, alone, rounds, figures):
    """Who is with the majority serves; who is not refuses, and neither acknowledges what is lost nor tells what was
    once.
    """
    with serving(tmp_path / "data", cluster.urls(cluster.make())) as nodes:
        for seed in range(rounds(1, 10)):
            board = Board(seed, lease=86400)
            prepare(board, nodes[0])
            with at_work(board, nodes) as racers:
                a_while(0.5, 1.0)
                first = seed % len(nodes)
                partition(cluster, nodes, [(first + n) % len(nodes) for n in range(alone)], racers, figures)
            judge(board, racers, nodes, figures)
        assert own_check(nodes[1]) + residue(nodes[2]) + own_check(nodes[0]) == []


def prepare(board: Board, node: Registry) -> None:
    """The blobs that the manifests refer to."""
    with Client(node.address) as client:
        for repository in board.repositories:
            for data in board.blobs:
                with board.history.operation("push", repository, digest_of(data)) as operation:
                    client.push_blob(repository, data)
                    operation.status = 201


@contextmanager
def at_work(board: Board, nodes: list[Registry]) -> Iterator[list[Racer]]:
    """A writer and a reader at each node, in the order of the nodes; they end with the block."""
    kinds = [(node, weights) for node in nodes for weights in (WRITER, READER)]
    racers = [Racer(n, [node.address], board, 1_000_000, weights) for n, (node, weights) in enumerate(kinds)]
    for racer in racers:
        racer.start()
    try:
        yield racers
    finally:
        board.over.set()
        for racer in racers:
            racer.join()


def partition(cluster: galera.Galera, nodes: list[Registry], lost: list[int], racers: list[Racer], figures) -> None:
    """Cut these off, see who serves and who refuses, and bring all together again.

    A node alone is no majority, cut off or left over.
    """
    refusing = lost if len(lost) == 1 else range(len(nodes))
    began = time.monotonic()
    for place in lost:
        cluster.nodes[place].cut_off()
    for place in refusing:
        cluster.nodes[place].wait_until_refusing()
    rest = [node for place, node in enumerate(nodes) if place not in refusing]
    if rest:
        cluster.wait_for_loss(cluster.nodes[lost[0]])
    figures.most(noticed=round(time.monotonic() - began, 2))
    served = recovered(rest)
    refused = [racer for place in refusing for racer in racers[2 * place : 2 * place + 2]]
    wait_for(
        lambda: all(racer.unanswered for racer in refused),
        PATIENCE,
        "a refusal for each client of a node that is alone",
    )
    figures.most(refused=round(time.monotonic() - began, 2))
    began = time.monotonic()
    cluster.mend()
    figures.most(rejoined=round(time.monotonic() - began, 2))
    again = recovered(nodes)
    figures.most(recovery=round(served, 2), recovery_of_the_lost=round(again, 2))
    a_while(0.2, 0.5)
    assert max(served, again) <= recovery()


def judge(board: Board, racers: list[Racer], nodes: list[Registry], figures) -> None:
    """A last look at each node; then the whole history must be possible."""
    for node in nodes:
        look_at_all(Racer(len(racers), [node.address], board, 0), lists=False)
    assert [error for racer in racers for error in racer.errors] == []
    assert {str(operation.seen)[:4] for operation in board.history.operations if not operation.status} == {"503 "}
    found = board.history.violations(faults=True)
    assert not found, f"seed {board.seed}: {len(found)} violations\n" + "\n".join(map(str, found[:5]))
    statuses = [operation.status for operation in board.history.operations]
    figures.add(rounds=1, operations=len(statuses), acknowledged=statuses.count(201), unanswered=statuses.count(0))
