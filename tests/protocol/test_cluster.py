"""Two nodes behind nginx as a user runs them: which node a request reaches, and one that dies or is restarted."""

from __future__ import annotations

import pytest

from tests.support.cluster import Cluster
from tests.support.http import OCTETS, Client, Response, digest_of, with_query
from tests.support.images import noise
from tests.support.server import wait_for

pytestmark = pytest.mark.nodes


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path / "data") as cluster:
        yield cluster


def test_requests_of_one_connection_reach_each_node_in_turn(cluster):
    with Client(cluster.address) as client:
        for _ in range(10):
            client.get("/v2/").expect(200)
    wait_for(lambda: len(cluster.served()) == 10, 5, "nginx's log")
    first, second = cluster.served()[:2]
    assert {first, second} == {node.address for node in cluster.nodes}
    assert cluster.served() == [first, second] * 5


def test_what_an_upload_began_goes_on_when_its_node_is_killed(cluster):
    """nginx answers 502 for the dead node, the client asks again and reaches the other."""
    data = noise(400_000, 5)
    with Client(cluster.address) as client:
        location = client.start_upload("app")
    for number, offset in enumerate(range(0, len(data), 100_000)):
        if number == 2:
            cluster.nodes[0].kill()
        chunk = data[offset : offset + 100_000]
        headers = {"Content-Type": OCTETS, "Content-Range": f"{offset}-{offset + len(chunk) - 1}"}
        location = ask_until_answered(cluster, "PATCH", location, headers, chunk).expect(202).location
    ask_until_answered(
        cluster, "PUT", with_query(location, digest=digest_of(data)), {"Content-Type": OCTETS}, b""
    ).expect(201)
    cluster.nodes[0].start()
    with Client(cluster.address) as client:
        for _ in range(4):
            assert client.pull_blob("app", digest_of(data)) == data


def ask_until_answered(cluster: Cluster, *request) -> Response:
    """The answer of a node that lives.

    Each try has its own connection: nginx ends one whose body it left unread, unannounced.
    """
    for _ in range(4):
        with Client(cluster.address) as client:
            answer = client.request(*request)
        if answer.status != 502:
            break
    return answer


def test_nodes_restarted_one_after_the_other_lose_nothing(cluster):
    """A rolling update: what was pushed before, between and after is served by all."""
    with Client(cluster.address) as client:
        for number, node in enumerate(cluster.nodes):
            client.push_image("app", f"v{number}", [b"layer %d" % number])
            node.stop()
            node.start()
        for number in range(len(cluster.nodes)):
            for _ in range(2):
                client.pull_image("app", f"v{number}")
    done = cluster.run("check", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
