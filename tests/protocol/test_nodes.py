"""Two servers on one MySQL database and one shared directory: whichever answers, it is one registry."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.images import noise
from tests.support.server import Registry

pytestmark = pytest.mark.nodes


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    first = Registry(tmp_path_factory.mktemp("nodes") / "data", workers=1, database="mysql", gc_interval=86400)
    second = first.sibling()
    with first, second:
        yield first, second
    for node in (first, second):
        assert "Traceback" not in node.log.read_text(), node.tail()


@pytest.fixture
def clients(nodes):
    with Client(nodes[0].address) as one, Client(nodes[1].address) as two:
        yield one, two


def test_what_one_node_has_the_other_serves(clients):
    one, two = clients
    layers = [noise(300_000, 1), b"small"]
    one.push_image("app", "v1", layers)
    assert two.pull_image("app", "v1") == layers
    assert two.get("/v2/app/tags/list").json()["tags"] == ["v1"]
    assert "app" in two.get("/v2/_catalog").json()["repositories"]


def test_an_upload_goes_on_at_any_node(clients):
    content = noise(5 * 100_000, 7)
    location, at = clients[0].start_upload("parts"), 0
    while at < len(content):
        client = clients[(at // 100_000) % 2]
        headers = {"Content-Type": OCTETS, "Content-Range": f"{at}-{at + 99_999}"}
        location = client.request("PATCH", location, headers, content[at : at + 100_000]).expect(202).location
        at += 100_000
        assert clients[(at // 100_000) % 2].get(location).expect(204).headers["Range"] == f"0-{at - 1}"
    clients[1].request("PUT", with_query(location, digest=digest_of(content)), {"Content-Type": OCTETS}, b"").expect(
        201
    )
    assert clients[0].pull_blob("parts", digest_of(content)) == content


def test_a_deleted_manifest_and_tag_are_gone_everywhere_at_once(clients):
    for number in range(20):
        one, two = clients if number % 2 else reversed(clients)
        digest = one.push_image("gone", f"v{number}", [b"layer %d" % number])
        two.pull_image("gone", f"v{number}")
        one.delete(f"/v2/gone/manifests/{digest}").expect(202)
        assert two.get(f"/v2/gone/manifests/v{number}").status == 404
        assert two.get(f"/v2/gone/manifests/{digest}").status == 404


def test_a_tag_that_moves_has_its_new_value_everywhere_at_once(clients):
    images = [clients[0].push_image("moving", f"v{number}", [b"layer %d" % number]) for number in range(5)]
    bodies = {digest: clients[0].pull_manifest("moving", digest).body for digest in images}
    for _ in range(60):
        writer, reader = random.sample(clients, 2)
        digest = random.choice(images)
        writer.push_manifest("moving", "latest", bodies[digest])
        assert reader.head("/v2/moving/manifests/latest").headers["Docker-Content-Digest"] == digest


def test_a_deleted_blob_is_not_promised_by_the_other_node(nodes, clients):
    one, two = clients
    for number in range(10):
        digest = one.push_blob("blobs", b"unneeded %d" % number)
        two.head(f"/v2/blobs/blobs/{digest}").expect(200)
        one.delete(f"/v2/blobs/blobs/{digest}").expect(202)
        assert two.head(f"/v2/blobs/blobs/{digest}").status == 404
        location = f"/v2/other/blobs/uploads/?mount={digest}&from=blobs"
        two.request("POST", location).expect(202)


def test_both_push_the_same_image_at_once(nodes):
    layers = [noise(200_000, 3), noise(1000, 4)]

    def push(number: int) -> str:
        with Client(nodes[number % 2].address) as client:
            return client.push_image("same", f"t{number % 3}", layers)

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(push, range(18)))) == 1
    with Client(nodes[0].address) as client:
        assert client.get("/v2/same/tags/list").json()["tags"] == ["t0", "t1", "t2"]
        assert client.pull_image("same", "t0") == layers


def test_collecting_beside_pushes_at_both_nodes_breaks_nothing(nodes):
    """Two collectors without any grace while both nodes push: every acknowledged image is whole."""

    def push(number: int) -> tuple[str, list[bytes]] | None:
        layers = [b"shared by all", b"of seven %d" % (number % 7), b"own %d" % number]
        with Client(nodes[number % 2].address) as client:
            try:
                return client.push_image("busy", f"v{number}", layers), layers
            except AssertionError:
                return None  # a blob that nothing referred to yet was collected: the push was refused, not broken

    def collect(node: Registry) -> dict:
        done = node.run("gc", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    for node in nodes:
        node.configure(gc_grace=0, gc_lease=0)
    with ThreadPoolExecutor(6) as pool:
        rounds = [pool.submit(collect, nodes[number % 2]) for number in range(4)]
        pushed = [found for found in pool.map(push, range(60)) if found]
        collected = sum(made.result()["links"] for made in rounds)
    assert pushed
    with Client(nodes[0].address) as client:
        for digest, layers in pushed:
            assert client.pull_image("busy", digest) == layers
    checked = nodes[1].run("check", "--json")
    assert checked.returncode == 0, (checked.stdout, collected)


def test_a_node_with_a_root_of_its_own_is_refused(nodes, tmp_path):
    stranger = nodes[0].sibling()
    stranger.configure(storage_root=tmp_path / "own")
    with pytest.raises(AssertionError, match="store-id"):
        stranger.start()
    assert not (tmp_path / "own" / "store-id").exists()


def test_nodes_that_start_at_once_on_an_empty_database(tmp_path):
    """One makes the schema and marks the root, all serve."""
    first = Registry(tmp_path / "data", workers=1, database="mysql", gc_interval=86400)
    started = [first, *(first.sibling() for _ in range(3))]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda node: node.start(), started))
        with Client(started[0].address) as client:
            client.push_image("app", "v1")
        for node in started:
            with Client(node.address) as client:
                client.pull_image("app", "v1")
    finally:
        for node in started:
            node.stop()


def test_of_nodes_that_start_at_once_with_roots_of_their_own_one_serves(tmp_path):
    first = Registry(tmp_path / "one" / "data", workers=1, database="mysql", gc_interval=86400)
    second = first.sibling()
    second.configure(storage_root=tmp_path / "two")

    def start(node: Registry) -> bool:
        try:
            node.start()
            return True
        except AssertionError:
            return False

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(start, [first, second])) == [False, True]
    for node in (first, second):
        if node.process.poll() is None:
            node.stop()
