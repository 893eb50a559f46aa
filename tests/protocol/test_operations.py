"""What an operator sees: health, metrics, logs, proxies, and starting, stopping and surviving."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest

from tests.protocol.refusal import refused
from tests.protocol.wire import Closed, Connection, request
from tests.support.http import Client, digest_of, with_query
from tests.support.nginx import Nginx
from tests.support.server import Registry, free_port, wait_for

REFUSED = {
    "not here": ((404,), ("UNSUPPORTED",)),
    "cannot serve": ((503,), ("UNAVAILABLE",)),
}
pytestmark = pytest.mark.direct
SAMPLE = re.compile(
    r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*)\})? (NaN|[+-]?Inf|[-+0-9.eE]+)('
    r" \d+)?"
)
NASTY = "/v2/logs/%0d%0aINJECTED%1b[31m%e2%80%a8%c3%a9/tags/list"


@pytest.fixture(scope="module")
def observed(deploy, tmp_path_factory):
    """A registry with JSON log and metrics, behind which 127.0.0.1 is a trusted proxy."""
    metrics = f"127.0.0.1:{free_port()}"
    settings = {
        "log_format": "json",
        "metrics_listen": metrics,
        "server_trusted_proxies": ["127.0.0.1/32"],
        "auth_anonymous": "push",
    }
    registry = deploy(tmp_path_factory.mktemp("observed") / "data", **settings)
    registry.metrics = metrics
    with registry:
        yield registry


def entries(registry: Registry) -> list[dict]:
    return [json.loads(line) for line in registry.log.read_text().splitlines()]


def logged(registry: Registry, request_id: str) -> dict:
    """The access line of a request; it is written shortly after the answer."""
    found: list[dict] = []

    def look() -> bool:
        found[:] = [entry for entry in entries(registry) if entry.get("request_id") == request_id and "status" in entry]
        return bool(found)

    wait_for(look, 5, "the access line")
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health(client, path):
    for method in ("GET", "HEAD"):
        answer = client.request(method, path).expect(200)
        assert bool(answer.body) == (method == "GET")


def test_readiness_is_lost_with_the_store_and_found_again(deploy, tmp_path):
    with deploy(tmp_path / "data") as registry, Client(registry.address) as client:
        client.push_image("ready/app", "latest")
        (registry.root / "blobs").rename(registry.root / "away")
        try:
            refused(client.get("/readyz").expect(503), REFUSED["cannot serve"])
            client.get("/healthz").expect(200)
        finally:
            (registry.root / "away").rename(registry.root / "blobs")
        client.get("/readyz").expect(200)


def samples(text: str) -> dict[str, float]:
    """Prometheus text format 0.0.4, strictly: every sample has a TYPE before it, none comes twice."""
    found, typed = {}, {}
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in ("counter", "gauge", "histogram", "summary", "untyped") and name not in typed, line
            typed[name] = kind
        elif not line.startswith("#"):
            matched = SAMPLE.fullmatch(line)
            assert matched, f"not a sample: {line}"
            family = re.sub(r"_(bucket|sum|count)$", "", matched[1])
            assert matched[1] in typed or family in typed, f"no TYPE: {line}"
            series = line.rsplit(" ", 1)[0]
            assert series not in found, f"twice: {series}"
            found[series] = float(matched[3])
    return found


def scrape(registry: Registry) -> dict[str, float]:
    answer = request(registry.metrics, "GET", "/metrics").expect(200)
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return samples(answer.body.decode())


def test_metrics_parse_and_count_all_workers(observed):
    before = scrape(observed)
    for _ in range(30):
        request(observed.address, "GET", "/v2/").expect(200)
    after = {}

    def grown() -> bool:
        after.update(scrape(observed))
        names = [name for name in after if re.match(r"\w*requests_total", name)]
        return sum(after[name] - before.get(name, 0) for name in names) >= 30

    wait_for(grown, 10, "30 more requests in *_requests_total")
    assert len(after) <= 2000


def test_metrics_name_no_repository(observed):
    with Client(observed.address) as client:
        client.push_image("private-name/app", "secret-tag")
        client.get("/v2/other-private-name/tags/list").expect(404)
        client.get("/made-up-path-by-a-client").expect(404)
    body = request(observed.metrics, "GET", "/metrics").body
    for word in (b"private-name", b"secret-tag", b"made-up-path"):
        assert word not in body


def test_metrics_have_a_listener_of_their_own(observed):
    refused(request(observed.address, "GET", "/metrics"), REFUSED["not here"])
    for path in ("/v2/", "/v2/_catalog", "/"):
        request(observed.metrics, "GET", path).expect(404)
    request(observed.metrics, "POST", "/metrics").expect(405, 404)


def test_metrics_are_off_by_default(client):
    refused(client.get("/metrics"), REFUSED["not here"])


def test_an_access_line_tells_the_request(observed):
    with Client(observed.address) as client:
        client.push_image("logs/app", "latest")
        for method, path, status in (
            ("GET", "/v2/logs/app/manifests/latest", 200),
            ("HEAD", "/v2/logs/app/tags/list", None),
            ("GET", "/v2/none/tags/list", 404),
        ):
            answer = client.request(method, path, {"User-Agent": "test/1"})
            entry = logged(observed, answer.headers["X-Request-Id"])
            assert (entry["method"], entry["path"], entry["status"]) == (method, path, status or answer.status)
            assert entry["bytes"] == len(answer.body)
            assert entry["user_agent"] == "test/1" and entry["remote"] == "127.0.0.1" and entry["ms"] >= 0


def test_the_text_log_has_the_same_id(registry, client):
    answer = client.get("/v2/")
    line_id = answer.headers["X-Request-Id"]
    (line,) = [line for line in registry.logged(line_id).splitlines() if line_id in line]
    assert '"GET /v2/" 200' in line


def test_what_a_client_sends_stays_on_one_line(observed, registry):
    """security X8: CR, LF, ESC, U+2028 in path, agent and referer end no line and steer no terminal."""
    for server in (observed, registry):
        request(server.address, "GET", NASTY, [("User-Agent", '"\\"\t\u00ff" 200'), ("Referer", '"')]).expect(400, 404)
        for agent in ("a\x1b[2J", "a\x0bb", "a\x7fb", "a\x85b"):
            request(server.address, "GET", "/v2/", [("User-Agent", agent)]).expect(200, 400)
        request(server.address, "GET", "/v2/\u00e9\x9b31m", []).expect(400, 404)
        server.logged("INJECTED")
        text = server.log.read_bytes()
        assert not any(bad in text for bad in (b"\x1b", b"\xe2\x80\xa8", b"\x0b", b"\x7f", b"\xc2\x85", b"\xc2\x9b"))
        assert all(not line.startswith(b"INJECTED") and len(line) <= 8192 for line in text.splitlines())
    assert entries(observed), "every line is still JSON"


def test_long_paths_make_short_lines(observed):
    answer = request(observed.address, "GET", "/v2/" + "a/" * 3500, [("User-Agent", "u" * 4000)])
    if answer.headers["X-Request-Id"]:
        logged(observed, answer.headers["X-Request-Id"])
    assert all(len(line) <= 8192 for line in observed.log.read_bytes().splitlines())


def test_forwarded_for_is_believed_from_a_trusted_proxy_only(observed, tmp_path):
    forwarded = {"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.8"}
    with Client(observed.address) as client:
        answer = client.get("/v2/", forwarded)
        assert logged(observed, answer.headers["X-Request-Id"])["remote"] == "192.0.2.7"
    with Registry(tmp_path / "data", workers=1, log_format="json") as registry, Client(registry.address) as client:
        answer = client.get("/v2/", forwarded)
        assert logged(registry, answer.headers["X-Request-Id"])["remote"] == "127.0.0.1"


@pytest.mark.parametrize("value", ["192.0.2.7, 198.51.100.9", "junk, 198.51.100.9", "192.0.2.7,198.51.100.9"])
def test_the_nearest_untrusted_address_counts(observed, value):
    """The client writes the left of X-Forwarded-For, the proxy appends on the right: only the right end can be
    believed.
    """
    answer = request(observed.address, "GET", "/v2/", [("X-Forwarded-For", value)])
    assert logged(observed, answer.headers["X-Request-Id"])["remote"] == "198.51.100.9"


@pytest.mark.parametrize(
    "value",
    [
        "198.51.100.9:5000",
        "192.0.2.7, [::ffff:198.51.100.9]:5000",
        "198.51.100.9, unknown",
        '192.0.2.7,"198.51.100.9:1",,',
    ],
)
def test_forwarded_addresses_in_other_spellings(observed, value):
    answer = request(observed.address, "GET", "/v2/", [("X-Forwarded-For", value)])
    assert logged(observed, answer.headers["X-Request-Id"])["remote"] == "198.51.100.9"


@pytest.mark.edge
def test_a_proxy_that_is_not_trusted_is_named_once(tmp_path):
    """Its operator learns which setting to use. The line is one for all workers, and the counter goes on."""
    with Registry(tmp_path / "data", workers=2, log_access=False, metrics_listen="127.0.0.1:0") as registry:
        for _ in range(6):
            request(registry.address, "GET", "/v2/", [("X-Real-IP", "192.0.2.7")])
        assert "trusted_proxies" not in registry.tail()
        for name in ("X-Forwarded-Proto", "X-Forwarded-For", "Forwarded", "X-Forwarded-For") * 3:
            request(registry.address, "GET", "/v2/", [(name, "https")])
    [line] = [line for line in registry.log.read_text().splitlines() if "trusted_proxies" in line]
    assert (
        "127.0.0.1 sends X-Forwarded-Proto" in line
        and 'server.trusted_proxies = ["127.0.0.1"]' in line
        and "https" not in line
    )


@pytest.mark.parametrize("value", ["", "junk", "a" * 3000, "999.1.1.1", "127.0.0.1\tx", '"><script>'])
def test_a_forwarded_address_that_is_none(observed, value):
    answer = request(observed.address, "GET", "/v2/", [("X-Forwarded-For", value)]).expect(200)
    assert logged(observed, answer.headers["X-Request-Id"])["remote"] == "127.0.0.1"


def test_locations_do_not_follow_the_host_that_a_client_claims(client):
    """security A9: no absolute URL is made from Host or X-Forwarded-Host of an unlisted peer."""
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    started = client.request("POST", "/v2/host/app/blobs/uploads/", headers).expect(202)
    assert "evil" not in str(started.headers)


def test_external_url_is_what_absolute_locations_are_made_of(tmp_path):
    with Registry(tmp_path / "data", workers=1, server_external_url="https://registry.example.org") as registry:
        answer = request(registry.address, "POST", "/v2/host/app/blobs/uploads/").expect(202)
        assert re.match(r"(https://registry\.example\.org)?/v2/host/app/", answer.headers["Location"])


@pytest.mark.parametrize("buffering", [False, True], ids=["streaming", "buffering"])
def test_push_and_pull_through_nginx(observed, tmp_path, buffering):
    layers = [os.urandom(5_000_000), b"small"]
    name = f"nginx/{'buffered' if buffering else 'streamed'}"
    with Nginx(tmp_path / "nginx", observed.address, buffering=buffering) as nginx, Client(nginx.address) as client:
        digest = client.push_image(name, "latest", layers)
        assert client.pull_image(name, "latest") == layers
        data = os.urandom(3_000_000)
        location = client.start_upload(name)
        patched = client.request(
            "PATCH", location, {}, (data[i : i + 100_000] for i in range(0, len(data), 100_000))
        ).expect(202)
        done = client.request("PUT", with_query(patched.location, digest=digest_of(data))).expect(201)
        assert client.get(done.location).expect(200).body == data
        assert client.get(done.location, {"Range": "bytes=100-199"}).expect(206).body == data[100:200]
        assert client.head(f"/v2/{name}/manifests/latest").expect(200).headers["Docker-Content-Digest"] == digest
        answer = client.get("/v2/")
    assert logged(observed, answer.headers["X-Request-Id"])["remote"] == "127.0.0.1"


def test_sigterm_lets_running_requests_finish(deploy, tmp_path):
    registry = deploy(tmp_path / "data").start()
    download = os.urandom(30_000_000)
    upload = os.urandom(2_000_000)
    with Client(registry.address) as client:
        digest = client.push_blob("drain/app", download)
        location = client.start_upload("drain/app")
    with (
        Connection(registry.address, 20) as pull,
        Connection(registry.address, 20) as push,
        Connection(registry.address) as idle,
    ):
        pull.send(pull.head("GET", f"/v2/drain/app/blobs/{digest}"))
        push.send(
            push.head("PUT", with_query(location, digest=digest_of(upload)), [("Content-Length", str(len(upload)))])
        )
        push.send(upload[:1_000_000])
        idle.request("GET", "/v2/").expect(200)
        time.sleep(0.3)
        os.kill(registry.pid, signal.SIGTERM)
        assert idle.closed_within(5), "an idle connection does not delay the end"
        assert_refused_soon(registry.address)
        assert registry.process.poll() is None, "it waits for the running requests"
        push.send(upload[1_000_000:])
        push.reply("PUT").expect(201)
        assert pull.reply().expect(200).body == download
    registry.process.wait(10)
    registry.stop()
    with registry, Client(registry.address) as client:
        assert client.pull_blob("drain/app", digest_of(upload)) == upload


def assert_refused_soon(address: str) -> None:
    def refused_now() -> bool:
        try:
            request(address, "GET", "/v2/", timeout=1)
        except (ConnectionError, Closed, TimeoutError):
            return True
        return False

    wait_for(refused_now, 5, "the end of accepting connections")


def test_the_drain_has_an_end(deploy, tmp_path):
    registry = deploy(tmp_path / "data", server_drain=1).start()
    with Client(registry.address) as client:
        location = client.start_upload("drain/app")
    with Connection(registry.address) as stuck:
        stuck.send(stuck.head("PATCH", location, [("Content-Length", "1000")]) + b"only a little")
        time.sleep(0.2)
        began = time.monotonic()
        registry.stop()
        assert time.monotonic() - began < 6


def test_a_killed_worker_comes_back(deploy, tmp_path):
    with deploy(tmp_path / "data") as registry:
        first = registry.workers()
        assert len(first) == 2
        with Client(registry.address) as client:
            digest = client.push_image("worker/app", "latest")
        for victim in first:
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: len(registry.workers()) == 2 and victim not in registry.workers(), 10, "a new worker")
        assert not set(first) & set(registry.workers())

        def served() -> bool:
            try:
                return request(registry.address, "GET", f"/v2/worker/app/manifests/{digest}").status == 200
            except (OSError, Closed):
                return False

        wait_for(served, 10, "an answer")
        assert all(served() for _ in range(20))


def test_a_killed_supervisor_leaves_no_worker(deploy, tmp_path):
    registry = deploy(tmp_path / "data").start()
    workers = registry.workers()
    registry.kill()
    wait_for(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in workers), 5, "the end of the workers")


def test_the_log_level_is_read_again_on_sighup(tmp_path):
    file = tmp_path / "registry.toml"
    file.write_text('[log]\nlevel = "error"\n')
    with_file = ["sh", "-c", 'exec "$@" --config "$0"', str(file)]
    with Registry(tmp_path / "data", workers=1, prefix=with_file) as registry:
        assert " INFO " not in registry.log.read_text()
        file.write_text('[log]\nlevel = "info"\n')
        os.kill(registry.pid, signal.SIGHUP)
        registry.logged(" INFO ")
        file.write_text("[log]\nlevel = 7\n")
        os.kill(registry.pid, signal.SIGHUP)
        registry.logged("log.level")
        request(registry.address, "GET", "/v2/").expect(200)
