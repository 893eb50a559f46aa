"""One upload fed through several worker processes: chunks in turn, and chunks at the same time."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.sockets import one_client_per_worker
from tests.faults.verifier import own_check, residue
from tests.support.http import OCTETS, Client, Response, digest_of, with_query
from tests.support.server import Registry

UPLOADS = "/v2/workers/app/blobs/uploads/"


@pytest.fixture(scope="module", params=[2, 4], ids=["2 workers", "4 workers"])
def registry(request, tmp_path_factory):
    registry = Registry(tmp_path_factory.mktemp("workers") / "data", workers=request.param, gc_interval=86400).start()
    try:
        yield registry
        assert residue(registry) + own_check(registry) == []
        registry.stop()
    finally:
        registry.kill()


@pytest.fixture
def clients(registry):
    """A connection to each of the workers."""
    clients = list(one_client_per_worker(registry).values())
    yield clients
    for client in clients:
        client.close()


def patch(client: Client, location: str, data: bytes, start: int) -> Response:
    headers = {"Content-Type": OCTETS, "Content-Range": f"{start}-{start + len(data) - 1}"}
    return client.request("PATCH", location, headers, data)


@pytest.mark.parametrize("ranges", [True, False], ids=["Content-Range", "no range"])
def test_workers_take_turns(clients, tmp_path, ranges, rounds, figures):
    for _ in range(rounds(5, 200)):
        data = random.randbytes(random.randint(2, 60) * 10_000 + 7)
        location, start, turn = clients[0].request("POST", UPLOADS).expect(202).location, 0, 0
        while start < len(data):
            chunk = data[start : start + random.randint(1, 100_000)]
            client = clients[turn % len(clients)]
            if ranges:
                answer = patch(client, location, chunk, start)
            else:
                answer = client.request("PATCH", location, {"Content-Type": OCTETS}, chunk)
            location, start, turn = answer.expect(202).location, start + len(chunk), turn + 1
            assert answer.headers["Range"] == f"0-{start - 1}"
        last = clients[turn % len(clients)]
        last.request("PUT", with_query(location, digest=digest_of(data)), {}, b"").expect(201)
        assert clients[0].pull_blob("workers/app", digest_of(data)) == data
        figures.add(rounds=1, chunks=turn)


def test_a_wrong_digest_is_noticed_across_workers(clients):
    """The worker that ends the upload has not seen the first bytes itself."""
    location = clients[0].request("POST", UPLOADS).expect(202).location
    location = patch(clients[0], location, b"first", 0).expect(202).location
    location = patch(clients[1], location, b"second", 5).expect(202).location
    answer = clients[0].request("PUT", with_query(location, digest=digest_of(b"firstSECOND")), {}, b"").expect(400)
    assert answer.code() == "DIGEST_INVALID"


def test_of_parallel_chunks_exactly_one_wins(clients, rounds, figures):
    """Each client sends its own bytes for the same range; what the winner sent is the content."""
    with ThreadPoolExecutor(len(clients)) as pool:
        for _ in range(rounds(20, 1000)):
            bodies = [random.randbytes(200_000) for _ in clients]
            head = random.randbytes(1000)
            location = clients[0].request("POST", UPLOADS).expect(202).location
            location = patch(clients[0], location, head, 0).expect(202).location
            answers = list(pool.map(lambda pair: patch(pair[0], location, pair[1], len(head)), zip(clients, bodies)))
            winners = [n for n, answer in enumerate(answers) if answer.status == 202]
            assert len(winners) == 1, [answer.status for answer in answers]
            assert all(answer.status in (202, 416) for answer in answers), [answer.status for answer in answers]
            data = head + bodies[winners[0]]
            end = with_query(answers[winners[0]].location, digest=digest_of(data))
            clients[-1].request("PUT", end, {}, b"").expect(201)
            assert clients[0].pull_blob("workers/app", digest_of(data)) == data
            figures.add(rounds=1)


def test_of_parallel_ends_exactly_one_wins(clients, rounds, figures):
    """Two PUTs end the same upload; a loser is told that it is gone, and the blob is whole."""
    with ThreadPoolExecutor(len(clients)) as pool:
        for _ in range(rounds(20, 1000)):
            data = random.randbytes(50_000)
            location = clients[0].request("POST", UPLOADS).expect(202).location
            location = patch(clients[0], location, data, 0).expect(202).location
            end = with_query(location, digest=digest_of(data))
            statuses = sorted(pool.map(lambda client: client.request("PUT", end, {}, b"").status, clients))
            assert statuses[0] == 201 and all(status in (404, 416) for status in statuses[1:]), statuses
            assert clients[0].pull_blob("workers/app", digest_of(data)) == data
            figures.add(rounds=1)
