"""Two nodes on one MariaDB and one object store, without a common disk: any of them continues what the other began."""

import random
import threading

import pytest

from tests.support import object_stores
from tests.support.http import Client, digest_of, with_query
from tests.support.server import Registry

pytestmark = [pytest.mark.edge, pytest.mark.nodes]
PART = 8 << 20


def bytes_of(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture(scope="module")
def bucket():
    store = object_stores.shared("versitygw")
    return store, store.make()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory, bucket):
    store, name = bucket
    folder = tmp_path_factory.mktemp("nodes")
    settings = {"auth_anonymous": "push", "gc_grace": 0, "storage_redirect": "false", **store.settings(name)}
    first = Registry(folder / "one" / "data", 1, database="mysql", **settings)
    second = first.sibling()
    second.configure(storage_root=folder / "two" / "data")
    second.root = folder / "two" / "data"
    second.log = folder / "two.log"
    with first, second:
        yield first, second
    for node in (first, second):
        assert not node.root.exists(), "a node with a database and a store of others needs no directory"


@pytest.fixture
def clients(nodes):
    with Client(nodes[0].address) as one, Client(nodes[1].address) as other:
        yield one, other


def uploads(bucket) -> list[str]:
    store, name = bucket
    return [found.name for page in store.bucket(name).uploads("blobs/") for found in page]


@pytest.mark.parametrize(
    "sizes", [(100_000, 7), (5, 6_000_000, 3), (PART + 1, PART, 20), (2 * PART, 5_000_000, 4_000_000)]
)
def test_each_piece_goes_to_another_node(clients, sizes):
    data, at, location = bytes_of(sum(sizes) + 1000, sum(sizes)), 0, clients[0].start_upload("nodes/app")
    for number, size in enumerate(sizes):
        piece, node = data[at : at + size], clients[(number + 1) % 2]
        location = (
            node.request("PATCH", location, {"Content-Range": f"{at}-{at + size - 1}"}, piece).expect(202).location
        )
        at += size
    last = clients[(len(sizes) + 1) % 2]
    last.request("PUT", with_query(location, digest=digest_of(data)), {}, data[at:]).expect(201)
    for client in clients:
        assert client.pull_blob("nodes/app", digest_of(data)) == data


def test_of_two_nodes_that_write_one_wins_and_nothing_is_mixed(clients, nodes):
    for turn in range(4):
        head, tails = bytes_of(40_000, turn), [bytes_of(PART + 3, 100 + turn), bytes_of(PART + 3, 200 + turn)]
        location = clients[0].start_upload("race/app")
        location = clients[0].request("PATCH", location, {}, head).expect(202).location
        answers = [None, None]

        def send(number: int) -> None:
            with Client(nodes[number].address) as client:
                answers[number] = client.request("PATCH", location, {}, tails[number])

        threads = [threading.Thread(target=send, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        won = [number for number in range(2) if answers[number].status == 202]
        assert {answer.status for answer in answers} <= {202, 404, 416}
        if len(won) == 1:
            whole = head + tails[won[0]]
            clients[1].request("PUT", with_query(location, digest=digest_of(whole))).expect(201)
            assert clients[0].pull_blob("race/app", digest_of(whole)) == whole
        else:
            clients[0].delete(location)


def test_what_a_killed_node_had_saved_goes_on_elsewhere(clients, nodes, bucket):
    data = bytes_of(3 * PART, 5)
    location = clients[1].start_upload("killed/app")
    location = clients[1].request("PATCH", location, {}, data[: PART + 10]).expect(202).location
    sent = threading.Event()

    def pieces():
        yield data[PART + 10 : 2 * PART + 20]
        sent.set()
        nodes[1].kill()
        yield data[2 * PART + 20 :]

    with Client(nodes[1].address) as doomed, pytest.raises(OSError):
        doomed.request("PATCH", location, {}, pieces())
    assert sent.is_set()
    state = clients[0].get(location).expect(204).headers["Range"]
    at = int(state.partition("-")[2]) + 1
    assert at >= PART + 10
    clients[0].request("PUT", with_query(location, digest=digest_of(data)), {}, data[at:]).expect(201)
    assert clients[0].pull_blob("killed/app", digest_of(data)) == data
    nodes[1].start()


def test_nothing_stays_of_uploads_that_nobody_finished(clients, nodes, bucket):
    location = clients[0].start_upload("left/app")
    clients[0].request("PATCH", location, {}, bytes_of(2 * PART, 6)).expect(202)
    assert uploads(bucket) != []
    nodes[0].configure(gc_upload_expiry=0, gc_empty_upload_expiry=0)
    done = nodes[0].run("gc")
    nodes[0].configure(gc_upload_expiry=86400, gc_empty_upload_expiry=600)
    assert done.returncode == 0, done.stderr
    assert uploads(bucket) == []
    assert nodes[1].run("check").returncode == 0
