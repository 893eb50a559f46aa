"""Registries whose blobs are in Swift, and in the doubles of OSS, COS and BOS: what clients see."""

import random
import urllib.request

import pytest

from tests.support import swift
from tests.support.clouds import Cloud
from tests.support.http import Client, digest_of, with_query
from tests.support.server import Registry, wait_for

pytestmark = pytest.mark.edge
PART = 8 << 20


@pytest.fixture(scope="module", params=["swift", "oss", "cos", "bos"])
def settings(request):
    store = swift.shared() if request.param == "swift" else Cloud(request.param)
    return store.settings(store.make(), "hub")


@pytest.fixture(scope="module")
def registry(tmp_path_factory, settings):
    directory = tmp_path_factory.mktemp("vendors") / "data"
    with Registry(directory, auth_anonymous="push", gc_grace=0, gc_lease=0, **settings) as running:
        yield running


@pytest.fixture
def client(registry):
    with Client(registry.address) as made:
        yield made


def pushed(client: Client, size: int, pieces: tuple[int, ...]) -> tuple[str, bytes]:
    """A blob that comes in pieces, and then the rest."""
    data, location, at = random.Random(size).randbytes(size), client.start_upload("a/b"), 0
    for piece in pieces:
        fields = {"Content-Range": f"{at}-{at + piece - 1}"}
        location = client.request("PATCH", location, fields, data[at : at + piece]).expect(202).location
        at += piece
    digest = digest_of(data)
    client.request("PUT", with_query(location, digest=digest), {}, data[at:]).expect(201)
    return digest, data


def test_a_small_image_goes_there_and_back(client):
    client.push_image("few/app", "v1", [bytes(1000), b"x" * 30_000])
    client.pull_image("few/app", "v1")


@pytest.mark.parametrize(
    ("size", "pieces"),
    [(100_000, ()), (3 * PART + 1, ()), (3 * PART, (10, 40_000, 5_000_000, 1, 9_000_000, 300))],
)
def test_a_large_blob_goes_there_and_back(client, size, pieces):
    digest, data = pushed(client, size, pieces)
    redirected = False

    def pull() -> bool:
        nonlocal redirected
        answer = client.get(f"/v2/a/b/blobs/{digest}")
        if answer.status == 307:
            redirected = True
            with urllib.request.urlopen(answer.headers["Location"], timeout=30) as found:
                return found.read() == data
        assert answer.expect(200).body == data
        return False

    wait_for(pull, 20)  # a worker that has not asked Swift yet sends the bytes itself
    assert redirected


def test_an_upload_that_is_cancelled_is_gone(client):
    location = client.start_upload("a/b")
    location = client.request("PATCH", location, {}, bytes(2 * PART)).expect(202).location
    client.delete(location).expect(204)
    client.get(location).expect(404)


def test_no_log_has_a_signature_and_no_secret_is_shown(client, registry):
    digest, _ = pushed(client, 200_000, ())
    client.get(f"/v2/a/b/blobs/{digest}")
    log = registry.log.read_text()
    assert "ignature=" not in log and "temp_url_sig" not in log
    assert 'secret_key = "***"' in registry.run("config", "show").stdout
