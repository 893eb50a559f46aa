"""Two nodes on one MariaDB and one object store, without a common disk: any of them continues what the other began."""

import http.client
import random
import threading

import pytest

from tests.support import mariadb, object_stores
from tests.support.http import Client, digest_of, with_query
from tests.support.server import Registry
from tests.support.store_proxy import StoreProxy, cut

pytestmark = [pytest.mark.edge, pytest.mark.nodes]
PART = 8 << 20


def bytes_of(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture(scope="module")
def bucket():
    store = object_stores.shared("versitygw")
    return store, store.make()


@pytest.fixture(scope="module")
def proxy(bucket):
    """It stands between the second node and the store."""
    with StoreProxy(bucket[0].port) as made:
        yield made


@pytest.fixture(scope="module")
def nodes(tmp_path_factory, bucket, proxy):
    store, name = bucket
    folder = tmp_path_factory.mktemp("nodes")
    settings = {"auth_anonymous": "push", "gc_grace": 0, "storage_redirect": "false", **store.settings(name)}
    first = Registry(folder / "one" / "data", 1, database="mysql", **settings)
    second = first.sibling()
    second.configure(storage_root=folder / "two" / "data", **store.settings(name, endpoint=proxy.endpoint))
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


def pushed_as_docker(client: Client, data: bytes) -> None:
    location = client.start_upload("any/app")
    location = client.request("PATCH", location, {}, data).expect(202).location
    client.request("PUT", with_query(location, digest=digest_of(data))).expect(201)


@pytest.mark.parametrize("request_number", range(5))
@pytest.mark.parametrize("done", [True, False], ids=["after it was done", "before it was done"])
def test_a_node_may_be_killed_at_any_request_of_a_push(clients, nodes, proxy, request_number, done):
    """Of the requests that begin the upload, send its three parts and put them together."""
    data = bytes_of(2 * PART + 100, 40 + 2 * request_number + done)
    left = request_number

    def fault(asked):
        nonlocal left
        left -= 1
        if left >= 0:
            return None
        proxy.fault = lambda asked: None
        return killing

    def killing(client, ask) -> None:
        if done:
            ask()
        nodes[1].kill()
        cut(client, ask)

    proxy.fault = fault
    with Client(nodes[1].address) as doomed, pytest.raises((OSError, http.client.HTTPException)):
        pushed_as_docker(doomed, data)
    assert clients[0].head(f"/v2/any/app/blobs/{digest_of(data)}").status == 404
    pushed_as_docker(clients[0], data)
    assert clients[0].pull_blob("any/app", digest_of(data)) == data
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
    store, name = bucket
    stored = [found for page in store.bucket(name).objects("blobs/") for found in page]
    blobs = int(mariadb.query(mariadb.shared().url(nodes[0].database), "SELECT COUNT(*) FROM blobs")[0][0])
    assert len(stored) == blobs
    assert nodes[1].run("check").returncode == 0
