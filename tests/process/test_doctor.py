"""`doctor storage`: what it tries, what it says when something is missing, and that nothing stays of it."""

from __future__ import annotations

import contextlib
import http.server
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import pytest

from dockboard_registry.storage import stores
from tests.support import clouds, object_stores, swift
from tests.support.cloud_double import KEYS
from tests.support.server import Registry, registry_pyz
from tests.support.store_proxy import StoreProxy, answers, send

pytestmark = pytest.mark.edge
USER, PASSWORD = "somebody", "the-secret-of-somebody"
CLOUDS = ("oss", "cos", "bos", "kodo")
STORES = ("versitygw", "minio", "swift", *CLOUDS)


class Found:
    """What `doctor storage --json` found."""

    def __init__(self, tmp_path, settings: dict[str, object]):
        done = Registry(tmp_path / "data", **settings).run("doctor", "storage", "--json")
        assert done.stdout, done.stderr
        document = json.loads(done.stdout)
        (self.area,) = document["areas"]
        self.steps = {step["name"]: step for step in self.area["steps"]}
        self.failed = [step["name"] for step in self.area["steps"] if step["outcome"] == "failed"]
        assert done.returncode == (1 if self.failed else 0)
        assert document["ok"] == self.area["ok"] == (not self.failed)

    def words(self, step: str) -> str:
        return self.steps[step]["words"]


def server_of(name: str):
    if name == "swift":
        return swift.shared()
    return clouds.Cloud(name) if name in CLOUDS else object_stores.shared(name)


def left_in(settings: dict[str, object]) -> list[str]:
    """All objects and uploads of a store."""
    asked = stores.driver(object_stores.options(settings)).requests()
    with contextlib.closing(asked):
        pages = [*asked.objects(""), *asked.uploads("blobs/")]
    return [found.name for page in pages for found in page]


@pytest.mark.parametrize("name", STORES)
def test_a_store_that_has_all_is_well_and_nothing_stays(tmp_path, name):
    server = server_of(name)
    settings = server.settings(server.make(), "a/hub")
    found = Found(tmp_path, settings)
    skipped = {"list uploads"} if name == "kodo" else set()
    assert {name for name, step in found.steps.items() if step["outcome"] == "skipped"} == skipped
    assert {step["outcome"] for step in found.steps.values()} <= {"ok", "skipped"}, found.steps
    assert left_in(settings) == []
    assert not (tmp_path / "data").exists()


def test_it_goes_on_beside_a_registry_and_knows_its_place(tmp_path):
    store = object_stores.shared("versitygw")
    settings = store.settings(store.make())
    registry = Registry(tmp_path / "data", **settings)
    assert registry.run("migrate").returncode == 0
    assert "a registry has this place" in Found(tmp_path, settings).words("marker")
    assert left_in(settings) == ["store-id"]


@pytest.fixture
def store():
    return object_stores.shared("versitygw")


@pytest.fixture
def settings(store):
    return store.settings(store.make(), "hub")


def changed(settings: dict[str, object], **more: object) -> dict[str, object]:
    return {**settings, **more}


@pytest.mark.parametrize(
    ("wrong", "step", "words"),
    [
        ({"storage_access_key": "nobody"}, "sign in", "storage.access_key"),
        ({"storage_secret_key": "wrong"}, "sign in", "storage.secret_key"),
        ({"url": "&region=eu-west-1"}, "sign in", "set region=us-east-1 in storage.url"),
        ({"url": "&redirect_endpoint=http://127.0.0.1:1"}, "signed URL", "redirect_endpoint in storage.url"),
    ],
    ids=["key", "secret", "region", "redirects"],
)
def test_a_wrong_setting_is_named(tmp_path, settings, wrong, step, words):
    more = {name: value for name, value in wrong.items() if name != "url"}
    more["storage_url"] = f"{settings['storage_url']}{wrong.get('url', '')}"
    found = Found(tmp_path, changed(settings, **more))
    assert found.failed == [step]
    assert words in found.words(step)


def test_a_wrong_bucket_is_named(tmp_path, store):
    found = Found(tmp_path, store.settings("not-there"))
    assert found.failed == ["sign in"]
    assert "the bucket does not exist: create it, or correct bucket and region in storage.url" in found.words("sign in")


def test_an_endpoint_where_nobody_answers_is_named(tmp_path, store):
    found = Found(tmp_path, store.settings("bucket", endpoint="http://127.0.0.1:1"))
    assert found.failed == ["reach the server"]
    assert "check endpoint in storage.url" in found.words("reach the server")
    assert {step["outcome"] for name, step in found.steps.items() if name not in found.failed} == {"skipped"}


@contextlib.contextmanager
def web_server(status: int, body: bytes):
    """A server that knows nothing of objects."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads these lines."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<!DOCTYPE html><p>hello"), (403, b"forbidden"), (404, b"not here"), (200, b"")],
)
def test_an_endpoint_that_is_no_object_store_is_named(tmp_path, store, status, body):
    with web_server(status, body) as endpoint:
        found = Found(tmp_path, store.settings("bucket", endpoint=endpoint))
    assert found.failed == ["sign in"]
    assert "check endpoint in storage.url" in found.words("sign in")


def test_a_clock_that_is_20_minutes_off_is_named(tmp_path, store):
    """The proxy tells another time, and refuses what is signed, as stores do."""

    def late(client: socket.socket, ask) -> None:
        status, fields, body = ask()
        send(client, status, {**fields, "Date": formatdate(time.time() - 1200, usegmt=True)}, body)

    with StoreProxy(store.port) as proxy:
        signed = answers(403, "RequestTimeTooSkewed")
        proxy.fault = lambda asked: signed if "authorization" in asked.fields else late
        found = Found(tmp_path, store.settings(store.make(), endpoint=proxy.endpoint))
    assert found.failed == ["clock", "sign in"]
    assert "1,200 seconds ahead" in found.words("clock") or "1,201 seconds ahead" in found.words("clock")
    assert "set the time of this machine" in found.words("clock")
    assert "set the time of this machine" in found.words("sign in")


def test_control_c_in_the_middle_leaves_nothing(tmp_path, store):
    bucket = store.make()
    with StoreProxy(store.port) as proxy:
        registry = Registry(tmp_path / "data", **store.settings(bucket, endpoint=proxy.endpoint))
        command = [sys.executable, str(registry_pyz()), "doctor", "storage"]
        process = subprocess.Popen(command, env=registry.environment(), stdout=subprocess.DEVNULL)

        def interrupt(client: socket.socket, ask) -> None:
            answer = ask()
            process.send_signal(signal.SIGINT)
            send(client, *answer)

        proxy.once("PUT partNumber", interrupt)
        assert process.wait(60) == 130
    assert left_in(store.settings(bucket)) == []


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    """A server with a user who may nothing but what the policy of a bucket says."""
    made = object_stores.versitygw(users=tmp_path_factory.mktemp("users")).start()
    try:
        made.add_user(USER, PASSWORD)
        yield made
    finally:
        made.kill()


RIGHTS = {
    "s3:ListBucket": ["list objects"],
    "s3:ListBucketMultipartUploads": ["list uploads"],
    "s3:GetObject": ["marker", "read", "read a part", "read what was joined", "signed URL"],
    "s3:PutObject": ["write", "upload in parts"],
    "s3:DeleteObject": ["delete", "leave nothing"],
    "s3:AbortMultipartUpload": ["drop an upload", "leave nothing"],
}


def as_user(gateway, tmp_path, without: set[str]) -> Found:
    """What the user finds whom the policy lets in that the command prints, but for some actions."""
    bucket = gateway.make()
    settings = gateway.settings(bucket, "a/hub")
    policy = json.loads(Found(tmp_path, settings).area["advice"])
    for statement in policy["Statement"]:
        statement["Principal"] = {"AWS": [USER]}
        statement["Action"] = [action for action in statement["Action"] if action not in without]
    policy["Statement"] = [statement for statement in policy["Statement"] if statement["Action"]]
    gateway.bucket(bucket).call("PUT", None, (("policy", ""),), json.dumps(policy).encode())
    found = Found(
        tmp_path, changed(settings, storage_access_key=USER, storage_secret_key=PASSWORD, storage_redirect=True)
    )
    if "leave nothing" not in found.failed:
        assert left_in(settings) == []
    return found


def test_the_policy_that_it_prints_is_enough(gateway, tmp_path):
    assert as_user(gateway, tmp_path, set()).failed == []


@pytest.mark.parametrize("action", RIGHTS)
def test_each_action_of_the_policy_is_needed_and_named(gateway, tmp_path, action):
    found = as_user(gateway, tmp_path, {action})
    assert set(found.failed) & set(RIGHTS[action]), found.steps
    assert set(found.failed) <= set(RIGHTS[action]), found.steps
    assert any(action in found.words(step) for step in found.failed)


def test_a_key_that_may_only_read_is_told_what_it_lacks(gateway, tmp_path):
    found = as_user(gateway, tmp_path, {"s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"})
    assert found.failed == ["write", "upload in parts"]
    assert "allow s3:PutObject" in found.words("write")
    assert found.area["is_advised"]


def test_a_user_of_swift_who_may_only_read_is_told_so(tmp_path):
    server = swift.shared()
    container = server.make()
    server.let_read(container)
    account = server.settings(container)
    found = Found(tmp_path, changed(account, storage_access_key=swift.READER, storage_secret_key=swift.READER_KEY))
    assert found.failed == ["write", "upload in parts"]
    assert "rights on the container" in found.words("write")


def test_wrong_keys_for_swift_are_named(tmp_path):
    server = swift.shared()
    found = Found(tmp_path, changed(server.settings(server.make()), storage_secret_key="wrong"))
    assert found.failed == ["sign in"]
    assert "storage.secret_key is wrong" in found.words("sign in")


@pytest.mark.parametrize("vendor", CLOUDS)
def test_a_wrong_secret_for_a_vendor_is_named(tmp_path, vendor):
    cloud = clouds.Cloud(vendor)
    found = Found(tmp_path, changed(cloud.settings(cloud.make()), storage_secret_key=KEYS.secret_key + "x"))
    assert found.failed == ["sign in"]
    assert "check storage.secret_key" in found.words("sign in")


def test_objects_that_everybody_may_read_are_a_warning(gateway, tmp_path):
    bucket = gateway.make()
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [everybody]}).encode()
    gateway.bucket(bucket).call("PUT", None, (("policy", ""),), policy)
    found = Found(tmp_path, gateway.settings(bucket))
    assert found.failed == []
    assert found.steps["closed to others"]["outcome"] == "warning"
    assert "make the bucket private" in found.words("closed to others")


def test_a_directory_is_tried_and_nothing_stays(tmp_path):
    registry = Registry(tmp_path / "data")
    assert registry.run("migrate").returncode == 0
    before = sorted(str(path) for path in registry.root.rglob("*"))
    found = Found(tmp_path, {})
    assert {step["outcome"] for step in found.steps.values()} == {"ok"}, found.steps
    assert sorted(str(path) for path in registry.root.rglob("*")) == before


def test_a_directory_that_is_not_there_is_named_and_not_made(tmp_path):
    found = Found(tmp_path, {})
    assert found.failed == ["directory"]
    assert "--data DIR" in found.words("directory")
    assert not (tmp_path / "data").exists()


def test_a_directory_with_too_little_room_is_named(tmp_path):
    assert Registry(tmp_path / "data").run("migrate").returncode == 0
    found = Found(tmp_path, {"storage_reserve": 1 << 50})
    assert found.failed == ["room", "write"]
    assert "storage.reserve" in found.words("room")


def test_a_directory_that_others_may_write_to_is_named(tmp_path):
    registry = Registry(tmp_path / "data")
    assert registry.run("migrate").returncode == 0
    registry.root.chmod(0o777)
    found = Found(tmp_path, {})
    assert found.failed == ["rights"]
    assert "chmod o-w" in found.words("rights")


def test_the_table_is_for_people(tmp_path, settings):
    done = Registry(tmp_path / "data", **changed(settings, storage_secret_key="wrong")).run("doctor")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("storage: s3://")
    assert any(line.split()[:3] == ["failed", "sign", "in"] for line in lines)
    assert lines[-1] == "1 failure"
    assert object_stores.SECRET_KEY not in done.stdout
    shown = Registry(tmp_path / "data", **settings).run("doctor", "storage", "--policy").stdout
    assert "all is well" in shown and '"s3:AbortMultipartUpload"' in shown


def test_an_area_that_does_not_exist_is_refused(tmp_path):
    done = Registry(tmp_path / "data").run("doctor", "stroage")
    assert (done.returncode, "There is storage" in done.stderr) == (2, True), done.stderr
