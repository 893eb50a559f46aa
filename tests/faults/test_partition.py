"""Three registry nodes, each at another node of a Galera cluster whose nodes lose sight of each other: cut off by Galera itself
(`gmcast.isolate`), while all three go on and their clients reach them."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.faults.crew import RECOVERY, a_while
from tests.faults.nodes import recovered, serving
from tests.faults.racing import Board, Racer, look_at_all
from tests.faults.verifier import own_check, residue
from tests.support import galera
from tests.support.http import Client, Response, digest_of
from tests.support.server import Registry

pytestmark = pytest.mark.galera
CLIENTS = 6
# The pauses keep what a node misses within the cache (gcache.size) that it is brought up to date from.
TAGS_ONLY = {Racer.put: 5, Racer.get_tag: 4, Racer.get_digest: 1, Racer.pause: 10}


@pytest.fixture
def cluster():
    """The session's cluster, whole again afterwards."""
    made = galera.shared()
    yield made
    made.mend()


@pytest.mark.parametrize("alone", [1, 2], ids=["one node is cut off", "no node sees another"])
def test_a_partition_under_load(cluster, tmp_path, alone, rounds, figures):
    """Who is with the majority serves; who is not refuses, and neither acknowledges what is lost nor tells what was once."""
    with serving(tmp_path / "data", cluster.urls(cluster.make())) as nodes:
        for seed in range(rounds(1, 10)):
            board = Board(seed, lease=86400)
            prepare(board, nodes[0])
            with at_work(board, nodes) as racers:
                a_while(0.5, 1.0)
                first = seed % len(nodes)
                partition(cluster, nodes, [(first + n) % len(nodes) for n in range(alone)], board, figures)
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
    """Clients, each at one node; they end with the block."""
    racers = [Racer(n, [nodes[n % len(nodes)].address], board, 1_000_000, TAGS_ONLY) for n in range(CLIENTS)]
    for racer in racers:
        racer.start()
    try:
        yield racers
    finally:
        board.over.set()
        for racer in racers:
            racer.join()


def partition(cluster: galera.Galera, nodes: list[Registry], lost: list[int], board: Board, figures) -> None:
    """Cut these off, see who serves and who refuses, and bring all together again."""
    victims = [cluster.nodes[place] for place in lost]
    for victim in victims:
        victim.cut_off()
    began = time.monotonic()
    serving_on = [node for place, node in enumerate(nodes) if place not in lost] if len(lost) == 1 else []
    refusing = [node for node in nodes if node not in serving_on]
    for place in range(len(nodes)):
        if nodes[place] in refusing:
            cluster.nodes[place].wait_until_refusing()
    if serving_on:
        cluster.wait_for_loss(victims[0])
    figures.most(noticed=round(time.monotonic() - began, 2))
    served = recovered(serving_on)
    with ThreadPoolExecutor(len(refusing)) as pool:
        list(pool.map(lambda node: must_refuse(node, board.repositories[0]), refusing))
    a_while(0.5, 1.5)
    began = time.monotonic()
    cluster.mend()
    figures.most(rejoined=round(time.monotonic() - began, 2))
    again = recovered(nodes)
    figures.most(recovery=round(served, 2), recovery_of_the_lost=round(again, 2))
    a_while(0.2, 0.5)
    assert served <= RECOVERY and again <= RECOVERY


def must_refuse(node: Registry, repository: str) -> None:
    """Nothing is read that may be old, nothing is acknowledged that may be lost; and it is said in words."""
    tag, uploads = f"/v2/{repository}/manifests/one", f"/v2/{repository}/blobs/uploads/"
    requests = [("GET", tag), ("GET", f"/v2/{repository}/tags/list"), ("POST", uploads), ("GET", "/readyz")]
    with ThreadPoolExecutor(len(requests)) as pool:
        answers = list(pool.map(lambda request: ask(node, *request), requests))
    assert [answer.status for answer in answers] == [503] * 4, [(answer.status, answer.body) for answer in answers]
    assert all(answer.json()["errors"][0]["message"] for answer in answers[:3])


def ask(node: Registry, method: str, path: str) -> Response:
    with Client(node.address) as client:
        return client.request(method, path)


def judge(board: Board, racers: list[Racer], nodes: list[Registry], figures) -> None:
    """A last look at each node; then the whole history must be possible."""
    for node in nodes:
        look_at_all(Racer(CLIENTS, [node.address], board, 0), lists=False)
    assert [error for racer in racers for error in racer.errors] == []
    found = board.history.violations(faults=True)
    assert not found, f"seed {board.seed}: {len(found)} violations\n" + "\n".join(map(str, found[:5]))
    statuses = [operation.status for operation in board.history.operations]
    figures.add(rounds=1, operations=len(statuses), acknowledged=statuses.count(201), unanswered=statuses.count(0))
