"""Three registry nodes, each at another node of a Galera cluster, over one data directory: races between them, and the
loss of nodes.
"""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.crew import a_while, hire, recovery, settle
from tests.faults.journal import Journal
from tests.faults.nodes import must_be_sound, recovered, serving
from tests.faults.test_collection_race import LAYERS, Gc, Racer, forget_unreferenced
from tests.faults.verifier import residue, verify
from tests.faults.workload import Journalled, image
from tests.support import galera
from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.server import Registry

pytestmark = pytest.mark.galera
HOT = 3
"""Tags that all writers move at once."""


@pytest.fixture
def cluster():
    """The session's cluster, whole again afterwards."""
    made = galera.shared()
    yield made
    made.mend()


@pytest.fixture
def start(cluster, tmp_path):
    """start(**settings) is a context manager of three registry nodes on a new database."""
    return lambda **settings: serving(tmp_path / "data", cluster.urls(cluster.make()), **settings)


def test_servers_that_start_at_once_at_different_nodes(cluster, tmp_path):
    """On an empty database: one makes the schema and marks the root, all serve."""
    nodes = []
    for url in cluster.urls(cluster.make()):
        nodes.append(nodes[0].sibling() if nodes else Registry(tmp_path / "data", workers=1, gc_interval=86400))
        nodes[-1].configure(database_url=url)
    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda node: node.start(), nodes))
        assert recovered(nodes) < recovery()
        for node in nodes:
            node.stop()
    finally:
        for node in nodes:
            node.kill()


class Mover(threading.Thread):
    """Moves tags that all movers move, and a tag of its own, which the next node must
    show at once with its new value.
    """

    def __init__(self, number: int, nodes: list, journal: Journal, bodies: list[bytes], moves: int):
        super().__init__()
        self.client = Journalled(nodes[number % len(nodes)].address, journal)
        self.reader = Client(nodes[(number + 1) % len(nodes)].address)
        self.number, self.bodies, self.moves = number, bodies, moves
        self.errors: list[str] = []

    def run(self) -> None:
        for _ in range(self.moves):
            try:
                self.client.put_manifest("moved/app", f"hot-{random.randrange(HOT)}", random.choice(self.bodies))
                digest = self.client.put_manifest("moved/app", f"own-{self.number}", random.choice(self.bodies))
                seen = self.reader.head(f"/v2/moved/app/manifests/own-{self.number}").headers["Docker-Content-Digest"]
                if seen != digest:
                    self.errors.append(f"wrote {digest}, the next node says {seen}")
            except Exception as error:
                self.errors.append(repr(error))


def test_no_move_of_a_contended_tag_is_lost(start, tmp_path, rounds, figures):
    with start() as nodes:
        journal = Journal(tmp_path / "journal")
        client = Journalled(nodes[0].address, journal)
        layer = journal.new_content(1000)[1]
        for data in (layer, b"{}"):
            client.upload("moved/app", data)
        bodies = [image(b"{}", [layer], annotations={"n": str(number)}) for number in range(5)]
        for _ in range(rounds(2, 20)):
            movers = [Mover(number, nodes, journal, bodies, rounds(20, 50)) for number in range(6)]
            for mover in movers:
                mover.start()
            for mover in movers:
                mover.join()
            assert [error for mover in movers for error in mover.errors] == []
            for node in nodes:
                assert verify(node, journal) == []
            figures.add(rounds=1)
        figures.add(acknowledged=journal.acknowledged)


def test_pushes_and_deletes_at_three_nodes_against_collectors(start, tmp_path, rounds, figures):
    """Lease and grace 0, and content that all share: what is acknowledged is whole."""
    with start(gc_lease=0, gc_grace=0, gc_interval=1, gc_upload_expiry=86400) as nodes:
        journal, stop = Journal(tmp_path / "journal"), threading.Event()
        shared = [journal.new_content(10_000)[1] for _ in range(LAYERS)]
        racers = [Racer(nodes[number % 3], journal, number, shared) for number in range(6)]
        collectors = [Gc(node, stop) for node in nodes[:2]]
        threads = [*collectors, *(threading.Thread(target=racer.run, args=(stop,)) for racer in racers)]
        for thread in threads:
            thread.start()
        time.sleep(rounds(5, 120))
        stop.set()
        for thread in threads:
            thread.join()
        assert [error for actor in (*racers, *collectors) for error in actor.errors] == []
        forget_unreferenced(journal)
        assert verify(nodes[1], journal) + residue(nodes[2]) + verify(nodes[0], journal) == []
        figures.add(
            rounds=sum(c.runs for c in collectors),
            acknowledged=journal.acknowledged,
            collected=sum(c.blobs for c in collectors),
        )
        figures.add(refused=sum(racer.refused for racer in racers))


def test_an_upload_goes_on_at_every_node(start, rounds, figures):
    with start() as nodes:
        clients = [Client(node.address) for node in nodes]
        for _ in range(rounds(5, 100)):
            data = random.randbytes(random.randint(1, 50) * 10_000)
            location, at = clients[0].start_upload("parts"), 0
            while at < len(data):
                chunk = data[at : at + random.randint(1, 80_000)]
                headers = {"Content-Type": OCTETS, "Content-Range": f"{at}-{at + len(chunk) - 1}"}
                location = random.choice(clients).request("PATCH", location, headers, chunk).expect(202).location
                at += len(chunk)
                assert random.choice(clients).get(location).expect(204).headers["Range"] == f"0-{at - 1}"
                figures.add(chunks=1)
            random.choice(clients).request("PUT", with_query(location, digest=digest_of(data)), {}, b"").expect(201)
            assert random.choice(clients).pull_blob("parts", digest_of(data)) == data
            figures.add(rounds=1)


def test_of_ends_at_three_nodes_exactly_one_wins(start, rounds, figures):
    """The same upload is ended, and the same new content is pushed, at all nodes at once."""
    with start() as nodes, ThreadPoolExecutor(3) as pool:
        clients = [Client(node.address) for node in nodes]
        for _ in range(rounds(5, 100)):
            data = random.randbytes(20_000)
            location = clients[0].start_upload("ends")
            location = clients[0].request("PATCH", location, {"Content-Type": OCTETS}, data).expect(202).location
            end = with_query(location, digest=digest_of(data))
            statuses = sorted(pool.map(lambda client: client.request("PUT", end, {}, b"").status, clients))
            assert statuses[0] == 201 and all(status in (404, 416) for status in statuses[1:]), statuses
            same = random.randbytes(20_000)
            assert set(pool.map(lambda client: client.push_blob("same", same), clients)) == {digest_of(same)}
            assert (
                clients[2].pull_blob("ends", digest_of(data)) == data
                and clients[1].pull_blob("same", digest_of(same)) == same
            )
            figures.add(rounds=1)
        assert residue(nodes[0]) == []


@pytest.mark.parametrize("loss", ["killed", "stopped"])
def test_a_node_of_the_cluster_is_lost_under_load(cluster, start, tmp_path, loss, rounds, figures):
    """The registry nodes at the others go on as soon as these know; the one at the lost node when it is back."""
    with start(gc_grace=0, gc_interval=2) as nodes:
        crew = hire(nodes[0], Journal(tmp_path / "journal"), 6, nodes)
        for number in range(rounds(1, 5)):
            place = random.randrange(len(nodes))
            victim, rest = cluster.nodes[place], [node for node in nodes if node is not nodes[place]]
            with crew:
                a_while(0.5, 1.0)
                victim.kill() if loss == "killed" else victim.pause()
                began = time.monotonic()
                cluster.wait_for_loss(victim)
                figures.most(noticed=round(time.monotonic() - began, 2))
                others = recovered(rest)
                a_while(0.5, 1.0)
                cluster.mend()
                again = recovered(nodes)
                figures.most(recovery=round(others, 2), recovery_of_the_lost=round(again, 2))
                a_while(0.2, 0.5)
            assert max(others, again) <= recovery()
            must_be_sound(crew, figures, f"round {number}")
        assert settle(crew, figures) == []
