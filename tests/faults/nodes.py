"""Several registry nodes on one MySQL, also with one bucket, and how it is seen that they work again and that nothing
in them is stuck.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.faults.crew import Crew, after_fault, recovery
from tests.faults.report import Figures
from tests.support import mariadb, object_stores
from tests.support.http import Client
from tests.support.server import Registry, wait_for
from tests.support.store_proxy import StoreProxy

CONNECTIONS = 8
"""database.connections of each worker."""
PATIENCE = 60
"""Seconds after which waiting for a node is given up; what is right is `recovery()`."""


@contextmanager
def serving(root: Path, urls: Sequence[str], **settings: object) -> Iterator[list[Registry]]:
    """A node with one worker for each database URL, all over the same data directory; in the end each must stop as it
    should.

    A worker that stops joins all its threads, so a stuck one would fail the stop.
    """
    settings = {"gc_interval": 86400, "database_connections": CONNECTIONS, **settings}
    first = Registry(root, workers=1, database_url=urls[0], **settings)
    nodes = [first, *(first.sibling() for _ in urls[1:])]
    for node, url in zip(nodes, urls):
        node.configure(database_url=url)
    try:
        for node in nodes:
            node.start()
        yield nodes
        for node in nodes:
            node.stop()
            assert "Traceback" not in node.log.read_text(), node.tail()
    finally:
        for node in nodes:
            node.kill()


@contextmanager
def two_nodes(root: Path, **settings: object) -> Iterator[tuple[list[Registry], StoreProxy]]:
    """Two nodes on one MariaDB that keep every blob in a bucket. They reach the bucket through the proxy.

    All clients have one address, and begin uploads again and again while the store is away. So very many may be open.
    """
    store, server = object_stores.shared("versitygw"), mariadb.shared()
    url = server.url(server.make())
    with StoreProxy(store.port) as proxy:
        given = {"database_small_blobs": 0, "storage_redirect": False, "gc_grace": 0}
        given |= {"server_open_uploads": 200_000, **settings}
        with serving(root, [url, url], **given, **store.settings(store.make(), "", proxy.endpoint)) as nodes:
            yield nodes, proxy


def recovered(nodes: Sequence[Registry]) -> float:
    """Seconds until every node reads, lists and writes."""
    began = time.monotonic()
    for node in nodes:
        wait_for(lambda: works(node), PATIENCE, f"an answer of {node.address}\n{node.tail(2000)}")
    return time.monotonic() - began


def works(node: Registry) -> bool:
    """One push, one pull and one list, each within `recovery()`."""
    try:
        with Client(node.address, timeout=recovery()) as client:
            digest = client.push_blob("alive/app", b"alive")
            client.pull_blob("alive/app", digest)
            return client.get("/v2/_catalog").status == 200
    except (OSError, AssertionError):
        return False


def threads(nodes: Sequence[Registry]) -> int:
    """How many threads all workers have."""
    return sum(len(os.listdir(f"/proc/{worker}/task")) for node in nodes for worker in node.workers())


def must_be_sound(crew: Crew, figures: Figures, what: str) -> None:
    """After a fault, during which errors were to be expected: nothing lost, nothing wrong, what got no answer can be
    sent again.
    """
    crew.forget_errors()
    found = after_fault(crew, figures)
    assert not found, f"{what}: {found}"
