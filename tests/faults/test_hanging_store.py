"""A store on the network whose server does not answer: its requests wait in threads, and all others go on."""

import os
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.disks import Ramfs, need_disks
from tests.faults.tracing import Strace
from tests.support import mariadb, tools
from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.server import Registry, wait_for

CALLS = "openat,flock,statfs,pread64,pwrite64,fdatasync"
HANGING = "12s"
LAYER, SMALL = os.urandom(40_000), b"a row of the database"


@pytest.fixture
def registry(tmp_path) -> Iterator[Registry]:
    """One worker, on MySQL, with a store that is not known to be on a disk of this machine."""
    need_disks()
    tools.need("strace")
    with Ramfs(tmp_path / "net") as disk:
        # Without this the C library opens a file of /sys in a new thread, and the process waits for that too.
        environment = {"MALLOC_ARENA_MAX": "8"}
        made = Registry(disk.where / "data", workers=1, database="mysql", environment=environment, gc_interval=86400)
        made.log, made.output = tmp_path / "log", tmp_path / "out"
        made.start()
        try:
            yield made
            made.stop()
        finally:
            made.kill()


def ask_in_background(registry: Registry, work) -> threading.Thread:
    def run() -> None:
        with Client(registry.address, timeout=120) as client:
            work(client)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def answered(client: Client) -> float:
    """Seconds that the slowest takes of what needs no store: manifests, tags, small blobs and their push."""
    slowest = 0.0
    for number in range(5):
        data = b"small %d" % number
        for method, path, body in (
            ("GET", "/healthz", None),
            ("GET", "/v2/app/manifests/v1", None),
            ("GET", "/v2/app/tags/list", None),
            ("GET", f"/v2/app/blobs/{digest_of(SMALL)}", None),
            ("POST", f"/v2/app/blobs/uploads/?digest={digest_of(data)}", data),
        ):
            begun = time.monotonic()
            client.request(method, path, {"Content-Type": OCTETS} if body else {}, body).expect(200, 201)
            slowest = max(slowest, time.monotonic() - begun)
    return slowest


def test_a_store_on_the_network_does_all_that_a_disk_does(registry):
    with Client(registry.address) as client:
        client.push_image("app", "v1", [LAYER, SMALL, os.urandom(3_000_000)])
        location = client.start_upload("app")
        for piece in (LAYER[:20_000], LAYER[20_000:] + b"!"):
            location = client.request("PATCH", location, {"Content-Type": OCTETS}, piece).expect(202).location
        client.request("PUT", with_query(location, digest=digest_of(LAYER + b"!"))).expect(201)
        assert client.pull_blob("app", digest_of(LAYER + b"!")) == LAYER + b"!"
        assert client.pull_image("app", "v1")[:2] == [LAYER, SMALL]
        client.get("/readyz").expect(200)
    for order in ("gc", "check"):
        assert registry.run(order).returncode == 0


def test_others_go_on_while_the_store_hangs(registry, tmp_path, figures):
    statuses: list[int] = []
    with Client(registry.address) as client:
        client.push_image("app", "v1", [LAYER, SMALL])
        answered(client)
        wait_for(lambda: has_facts(registry), what="the examination of the image")
        (worker,) = registry.workers()
        strace = Strace(
            worker, tmp_path / "trace", "-e", f"trace={CALLS}", "-e", f"inject={CALLS}:delay_enter={HANGING}"
        )
        strace.start()
        try:
            pulls = [
                ask_in_background(
                    registry, lambda c: statuses.append(c.get(f"/v2/app/blobs/{digest_of(LAYER)}").status)
                )
                for _ in range(3)
            ]
            pushes = [ask_in_background(registry, lambda c: statuses.append(push(c))) for _ in range(3)]
            time.sleep(0.5)
            slowest = answered(client)
            for thread in pulls + pushes:
                thread.join(60)
            slowest = max(slowest, answered(client))
        finally:
            strace.stop()
        figures.most(slowest=slowest)
        print(f"slowest answer of what needs no store: {slowest:.3f} s; what needs it: {sorted(statuses)}")
        assert slowest < 3, "the event loop waited for the store"
        assert statuses == [503] * 6
        assert client.pull_blob("app", digest_of(LAYER)) == LAYER
        client.push_blob("app", os.urandom(50_000))


def has_facts(registry: Registry) -> bool:
    """Whether the pushed image has been examined. Before that asyncio makes its threads: Python counts the
    processors then, in a file of /sys, and with strace all wait for that file too, although it is not in the store.
    """
    return bool(mariadb.shared().execute("SELECT 1 FROM manifest_facts", database=registry.database))


def push(client: Client) -> int:
    data = os.urandom(50_000)
    location = client.request("POST", "/v2/app/blobs/uploads/").expect(202).location
    return client.request("PUT", with_query(location, digest=digest_of(data)), {"Content-Type": OCTETS}, data).status
