"""Registries whose blobs are in an object store: what clients see, and how many requests the store gets."""

import contextlib
import os
import random
import re
import socket
import urllib.error
import urllib.request

import pytest

from tests.protocol.test_operations import scrape
from tests.support import object_stores
from tests.support.http import Client, digest_of, with_query
from tests.support.server import Registry, free_port, wait_for
from tests.support.store_proxy import StoreProxy, answers, cut, half_answer, lost_answer, wrong_etag
from tests.support.v1 import Engine

pytestmark = pytest.mark.edge
PART = 8 << 20


def bytes_of(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture(scope="module", params=["versitygw", "minio"])
def store(request):
    return object_stores.shared(request.param)


@pytest.fixture(scope="module")
def proxy(store):
    with StoreProxy(store.port) as made:
        yield made


@pytest.fixture(scope="module")
def settings(store, proxy):
    return store.settings(store.make(), "hub", proxy.endpoint)


@pytest.fixture(scope="module")
def registry(tmp_path_factory, settings):
    """It gives clients URLs of the store."""
    metrics, root = f"127.0.0.1:{free_port()}", tmp_path_factory.mktemp("objects") / "data"
    made = Registry(root, auth_anonymous="push", gc_grace=0, gc_lease=0, metrics_listen=metrics, **settings)
    made.metrics = metrics
    with made as running:
        yield running


@pytest.fixture
def client(registry, proxy):
    proxy.settle()
    proxy.asked.clear()
    with Client(registry.address) as made:
        yield made
    proxy.fault = lambda asked: None


def push_as_docker(client: Client, repository: str, data: bytes) -> str:
    """All bytes in one PATCH, then a PUT without any."""
    digest, location = digest_of(data), client.start_upload(repository)
    location = (
        client.request("PATCH", location, {"Content-Type": "application/octet-stream"}, data).expect(202).location
    )
    client.request("PUT", with_query(location, digest=digest)).expect(201)
    return digest


def fetched(client: Client, repository: str, digest: str) -> bytes:
    """The bytes from where the registry sends the client."""
    answer = client.get(f"/v2/{repository}/blobs/{digest}").expect(307)
    with urllib.request.urlopen(answer.headers["Location"], timeout=30) as found:
        return found.read()


def test_a_push_of_a_small_image_asks_the_store_nothing(client, proxy):
    client.push_image("few/app", "v1", [bytes_of(1000), bytes_of(30_000), bytes_of(12)])
    client.pull_image("few/app", "v1")
    assert proxy.settle() == []


@pytest.mark.parametrize("size", [100_000, PART - 1, PART, 3 * PART + 1, 5 * PART + 6_000_000])
def test_a_push_of_a_large_blob_asks_for_its_parts_and_two_more(client, proxy, size):
    data = bytes_of(size, size)
    digest = push_as_docker(client, "large/app", data)
    parts = -(-size // PART)
    asked = proxy.verbs()
    assert len(asked) <= parts + 2, asked
    assert fetched(client, "large/app", digest) == data


def test_a_pull_and_a_head_ask_the_store_nothing(client, proxy):
    data = bytes_of(200_000, 7)
    digest = client.push_blob("pulled/app", data)
    proxy.asked.clear()
    answer = client.get(f"/v2/pulled/app/blobs/{digest}").expect(307)
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.head(f"/v2/pulled/app/blobs/{digest}").expect(200).headers["Content-Length"] == "200000"
    client.get(f"/v2/pulled/app/blobs/{digest}", {"If-None-Match": f'"{digest}"'}).expect(304)
    assert proxy.settle() == []


def test_a_url_gives_any_part_and_nothing_once_it_was_changed(client):
    data = bytes_of(300_000, 8)
    url = client.get(f"/v2/a/b/blobs/{client.push_blob('a/b', data)}").expect(307).headers["Location"]
    request = urllib.request.Request(url, headers={"Range": "bytes=1000-1999"})
    with urllib.request.urlopen(request, timeout=30) as found:
        assert (found.status, found.read()) == (206, data[1000:2000])
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(url.replace("X-Amz-Expires=1200", "X-Amz-Expires=1201"), timeout=30)


def test_no_log_has_a_signature_or_a_secret(client, registry):
    client.get(f"/v2/a/b/blobs/{client.push_blob('a/b', bytes_of(300_000, 8))}").expect(307)
    log = registry.log.read_text()
    assert "X-Amz-Signature" not in log and object_stores.SECRET_KEY not in log
    shown = registry.run("config", "show").stdout
    assert object_stores.SECRET_KEY not in shown and 'secret_key = "***"' in shown


def test_an_upload_goes_on_in_pieces_of_any_size(client):
    data, location, at = bytes_of(3 * PART, 9), client.start_upload("pieces/app"), 0
    for size in (10, 40_000, 5_000_000, 1, 9_000_000, 300, 3_000_000):
        piece = data[at : at + size]
        fields = {"Content-Range": f"{at}-{at + size - 1}"}
        location = client.request("PATCH", location, fields, piece).expect(202).location
        at += size
        assert client.get(location).expect(204).headers["Range"] == f"0-{at - 1}"
    digest = digest_of(data)
    client.request("PUT", with_query(location, digest=digest), {}, data[at:]).expect(201)
    assert fetched(client, "pieces/app", digest) == data


def test_an_upload_with_another_digest_leaves_nothing(client, registry):
    location = client.start_upload("wrong/app")
    location = client.request("PATCH", location, {}, bytes_of(2 * PART, 10)).expect(202).location
    answer = client.request("PUT", with_query(location, digest=digest_of(b"other")))
    assert (answer.status, answer.code()) == (400, "DIGEST_INVALID")
    client.get(location).expect(404)


def test_an_upload_that_is_cancelled_leaves_nothing(client, store, settings):
    location = client.start_upload("cancelled/app")
    location = client.request("PATCH", location, {}, bytes_of(2 * PART, 11)).expect(202).location
    client.delete(location).expect(204)
    bucket = store.bucket(re.search("s3://([^/]+)", settings["storage_url"])[1])
    assert [found for page in bucket.uploads("hub/blobs/") for found in page] == []


FAULTS = {
    "500": answers(500, "InternalError"),
    "503": answers(503, "SlowDown", Retry_After="1"),
    "429": answers(429, "TooManyRequests"),
    "cut before": cut,
    "cut after": lost_answer,
    "half": half_answer,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", ["POST uploads", "PUT partNumber", "POST uploadId"])
def test_a_push_survives_what_happens_once_to_a_request(client, proxy, verb, fault):
    data = bytes_of(2 * PART + 1000, hash((verb, fault)))
    proxy.once(verb, FAULTS[fault])
    digest = push_as_docker(client, "faults/app", data)
    proxy.fault = lambda asked: None
    assert fetched(client, "faults/app", digest) == data


def test_a_200_with_an_error_inside_is_an_error(client, proxy):
    data = bytes_of(PART + 1, 12)
    location = client.start_upload("inside/app")
    location = client.request("PATCH", location, {}, data).expect(202).location
    proxy.once("POST uploadId", answers(200, "InternalError"))
    assert client.request("PUT", with_query(location, digest=digest_of(data))).status == 503
    client.request("PUT", with_query(location, digest=digest_of(data))).expect(201)
    assert fetched(client, "inside/app", digest_of(data)) == data


def test_a_part_that_the_store_has_otherwise_fails_the_push(client, proxy):
    data = bytes_of(PART + 1, 13)
    proxy.once("PUT partNumber", wrong_etag)
    location = client.start_upload("etag/app")
    location = client.request("PATCH", location, {}, data).expect(202).location
    assert client.request("PUT", with_query(location, digest=digest_of(data))).status == 404
    assert client.head(f"/v2/etag/app/blobs/{digest_of(data)}").status == 404


def test_garbage_is_collected_with_few_requests(client, proxy, registry):
    digests = [client.push_blob("garbage/app", bytes_of(40_000, seed)) for seed in range(30)]
    for digest in digests:
        client.delete(f"/v2/garbage/app/blobs/{digest}").expect(202)
    proxy.settle()
    proxy.asked.clear()
    done = registry.run("gc")
    assert done.returncode == 0, done.stderr
    assert proxy.verbs().count("POST delete") <= 3
    assert len([verb for verb in proxy.verbs() if verb.startswith("GET")]) <= 12
    assert registry.run("check").returncode == 0


def test_requests_to_the_store_are_counted_for_prometheus(client, registry, proxy):
    before = scrape(registry)
    proxy.once("PUT", answers(503, "SlowDown"))
    client.push_blob("counted/app", bytes_of(100_000, 20))
    after = scrape(registry)
    names = [name for name in after if name.startswith("dockboard_store_") and after[name] != before[name]]
    grown = {name.removeprefix("dockboard_"): after[name] - before[name] for name in names}
    assert grown.pop('store_seconds_total{method="PUT"}') > 0
    assert grown == {
        'store_requests_total{method="PUT",answer="5xx"}': 1,
        'store_requests_total{method="PUT",answer="2xx"}': 1,
        'store_sent_bytes_total{method="PUT"}': 200_000,
        "store_retries_total": 1,
    }


def test_another_registry_is_refused_on_the_same_prefix(registry, tmp_path, settings):
    done = Registry(tmp_path / "other", auth_anonymous="push", **settings).run("migrate")
    assert done.returncode == 2
    assert "holds the files of a registry, but its database" in done.stderr


def test_a_bucket_that_is_not_there_is_said_in_words(store, tmp_path):
    done = Registry(tmp_path / "data", **store.settings("not-there")).run("migrate")
    assert done.returncode == 2
    assert re.search("can't use the store s3://not-there at .*: the bucket does not exist", done.stderr), done.stderr


def test_a_wrong_secret_is_said_in_words(store, tmp_path):
    settings = {**store.settings(store.make()), "storage_secret_key": "wrong"}
    done = Registry(tmp_path / "data", **settings).run("migrate")
    assert (done.returncode, "check storage.secret_key" in done.stderr) == (2, True), done.stderr


@pytest.fixture(scope="module")
def sending(tmp_path_factory, store):
    """A registry that sends all bytes itself, with its proxy."""
    with StoreProxy(store.port) as before:
        settings = store.settings(store.make(), "", before.endpoint)
        root = tmp_path_factory.mktemp("sending") / "data"
        with Registry(root, auth_anonymous="push", storage_redirect="false", **settings) as running:
            yield running, before


def test_bytes_go_through_us_where_clients_cannot_reach_the_store(sending):
    registry, proxy = sending
    with Client(registry.address) as client:
        data = bytes_of(3 * PART + 5, 14)
        digest = push_as_docker(client, "sent/app", data)
        proxy.asked.clear()
        assert client.pull_blob("sent/app", digest) == data
        assert proxy.verbs() == ["GET"]
        for first, last in ((0, 9), (5_000_000, 20_000_000), (len(data) - 7, len(data) - 1)):
            answer = client.get(f"/v2/sent/app/blobs/{digest}", {"Range": f"bytes={first}-{last}"}).expect(206)
            assert answer.body == data[first : last + 1]


def test_a_body_that_breaks_off_is_asked_for_again_from_there(sending):
    registry, proxy = sending
    with Client(registry.address) as client:
        data = bytes_of(PART, 15)
        digest = push_as_docker(client, "broken/app", data)
        proxy.once("GET", half_answer, times=2)
        assert client.pull_blob("broken/app", digest) == data


def test_a_body_that_cannot_be_had_is_never_a_short_200(sending):
    registry, proxy = sending
    data = bytes_of(PART, 16)
    with Client(registry.address) as client:
        digest = push_as_docker(client, "short/app", data)
        proxy.fault = lambda asked: half_answer
        try:
            with pytest.raises((ConnectionError, OSError, Exception), match="IncompleteRead|reset"):
                client.get(f"/v2/short/app/blobs/{digest}")
        finally:
            proxy.fault = lambda asked: None
    with Client(registry.address) as client:
        assert client.pull_blob("short/app", digest) == data


def pipes(registry: Registry) -> int:
    """How many ends of pipes the workers have open."""
    found = 0
    for worker in registry.workers():
        for descriptor in os.listdir(f"/proc/{worker}/fd"):
            with contextlib.suppress(FileNotFoundError):
                found += os.readlink(f"/proc/{worker}/fd/{descriptor}").startswith("pipe:")
    return found


def test_clients_that_leave_in_the_middle_leave_no_pipe_behind(sending):
    registry, _ = sending
    with Client(registry.address) as client:
        digest = client.push_blob("left/app", bytes_of(PART, 19))
    before = pipes(registry)
    request = f"GET /v2/left/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    clients = [socket.create_connection(("127.0.0.1", registry.port)) for _ in range(20)]
    for each in clients:
        each.sendall(request)
    wait_for(lambda: pipes(registry) == before + 40, 10, "a pipe with two ends for each client")
    for each in clients:
        each.close()
    wait_for(lambda: pipes(registry) == before, 10, "the end of all pipes")


def test_a_client_that_stops_reading_is_cut(tmp_path, store):
    settings = {**store.settings(store.make()), "storage_redirect": "false", "server_body_timeout": 1}
    with Registry(tmp_path / "data", auth_anonymous="push", **settings) as registry:
        with Client(registry.address) as client:
            digest = client.push_blob("stuck/app", bytes_of(3 * PART, 20))
        before = pipes(registry)
        with socket.create_connection(("127.0.0.1", registry.port)) as stuck:
            stuck.sendall(f"GET /v2/stuck/app/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            wait_for(lambda: pipes(registry) == before + 2, 10, "a pipe for the client")
            wait_for(lambda: pipes(registry) == before, 20, "the end of the pipe")


def test_clients_of_named_networks_get_the_bytes_from_us(tmp_path, store):
    settings = store.settings(store.make())
    with Registry(
        tmp_path / "data", auth_anonymous="push", storage_no_redirect_networks="127.0.0.0/8", **settings
    ) as registry:
        with Client(registry.address) as client:
            data = bytes_of(100_000)
            assert client.pull_blob("near/app", client.push_blob("near/app", data)) == data


def test_a_store_that_is_away_refuses_what_needs_it_and_nothing_else(sending):
    registry, proxy = sending
    with Client(registry.address) as client:
        client.push_image("away/app", "v1", [b"small"])
        digest = client.push_blob("away/app", bytes_of(100_000, 17))
        location = client.start_upload("away/app")
        location = client.request("PATCH", location, {}, bytes_of(100_000, 18)).expect(202).location
        proxy.fault = lambda asked: cut
        try:
            for _ in range(3):
                answer = client.get(f"/v2/away/app/blobs/{digest}")
                assert (answer.status, answer.code()) == (503, "UNAVAILABLE")
            finish = with_query(location, digest=digest_of(bytes_of(100_000, 18)))
            assert client.request("PUT", finish).status == 503
            client.pull_image("away/app", "v1")
            client.push_image("away/app", "v2", [b"small too"])
        finally:
            proxy.fault = lambda asked: None
        wait_for(lambda: client.get(f"/v2/away/app/blobs/{digest}").status == 200, 30, "the store's return")
        wait_for(lambda: client.request("PUT", finish).status == 201, 30, "the store's return for the other worker")


def test_engines_of_v1_get_layers_from_the_registry(registry, client):
    """They are not sent to the store, because some of them show it the registry's token."""
    layers = [bytes_of(3_000_000, 41), bytes_of(200_000, 42)]
    client.push_image("v1/app", "v1", layers)
    engine = Engine(registry.address, "1.4.1")
    assert [layer for _, layer in reversed(engine.pull("v1/app", "v1"))] == layers
    path = f"/v1/images/{engine.tag('v1/app', 'v1')}/layer"
    assert engine.get(path, Range="bytes=100000-200000").expect(206).body == layers[1][100_000:]
