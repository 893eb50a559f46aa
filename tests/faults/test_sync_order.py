"""Durable before acknowledged, read from the system calls of a push: a power cut finds a missing sync only by luck."""

import pytest

from tests.faults.journal import Journal
from tests.faults.tracing import Call, Strace
from tests.faults.verifier import database
from tests.faults.workload import UPLOADS, Journalled, image
from tests.support import tools
from tests.support.server import Registry

WATCHED = (
    "openat,write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,mkdir,mkdirat,rename,renameat,renameat2,link,"
    "linkat,sendto,sendmsg"
)
WRITES = {"write", "pwrite64", "writev", "pwritev", "ftruncate"}
SYNCS = {"fsync", "fdatasync"}
ANSWERS = {"sendto", "sendmsg", "write", "writev"}


class Order:
    """Follows a log of calls; at each 201, and each 202 to a delete, nothing below `root` may be unsynced.

    Transactions that nobody waits for are written without a sync, also between the sync of a push and its answer. So
    of the log of the database, a sync since the answer before is enough. One client asks, one thing after the other.
    """

    def __init__(self, root: str, wal: str):
        self.root = root
        self.wal = wal
        self.dirty: set[str] = set()
        self.entries: set[str] = set()
        self.answers = 0
        self.wal_synced = False
        self.written: set[str] = set()
        self.violations: list[str] = []

    def follow(self, calls: list[Call], answer: str) -> None:
        for call in calls:
            if not call.failed:
                self._one(call, answer)

    def _one(self, call: Call, answer: str) -> None:
        if call.name in ANSWERS and call.path.startswith(("socket:", "TCP")) and answer in call.arguments:
            self._acknowledged(call)
        elif call.name in WRITES and self._ours(call.path):
            self.dirty.add(call.path)
            self.written.add(call.path)
        elif call.name in SYNCS:
            self.dirty.discard(call.path)
            self.wal_synced |= call.path == self.wal
            self.entries = {path for path in self.entries if parent(path) != call.path}
        elif call.name == "openat" and "O_CREAT" in call.arguments and self._stored(opened(call)):
            self.entries.add(opened(call))
        elif call.name.startswith(("mkdir", "rename", "link")) and self.root in call.arguments:
            self.entries.add(call.arguments.split('"')[-2])

    def _ours(self, path: str) -> bool:
        return self._stored(path) or path == self.wal

    def _stored(self, path: str) -> bool:
        """Not the log: it is there before the trace begins, and each new connection opens it with O_CREAT."""
        return path.startswith(self.root + "/blobs/")

    def _acknowledged(self, call: Call) -> None:
        self.answers += 1
        if self.wal_synced:
            self.dirty.discard(self.wal)
        self.wal_synced = False
        if self.dirty or self.entries:
            self.violations.append(f"unsynced at {call.arguments[:80]}: {sorted(self.dirty | self.entries)}")


def parent(path: str) -> str:
    return path.rpartition("/")[0]


def opened(call: Call) -> str:
    """The path behind the descriptor that openat returned: `7</data/x>`."""
    return call.result.partition("<")[2].rpartition(">")[0]


def finish_the_log(client: Journalled) -> None:
    """Another answer: strace, when it is stopped as the last one arrives, has not seen the call that sent it return."""
    client.send((200,), "GET", "/v2/")


@pytest.fixture
def registry(tmp_path):
    """One worker, so that one trace sees all; nothing is pushed before the trace, so that
    directories are new as well.
    """
    tools.need("strace")
    registry = Registry(tmp_path / "data", workers=1, gc_interval=86400).start()
    yield registry
    registry.kill()


@pytest.mark.parametrize("style", UPLOADS)
def test_everything_is_synced_before_201(registry, tmp_path, style, figures):
    client = Journalled(registry.address, Journal(tmp_path / "journal"))
    with Strace(registry.workers()[0], tmp_path / "strace.log", "-e", f"trace={WATCHED}") as trace:
        for number in range(10):
            layers = [client.journal.new_content(100_000)[1] for _ in range(2)]
            config = b"%d" % number
            for data in [*layers, config]:
                client.upload("order/app", data, style)
            client.put_manifest("order/app", f"tag-{number}", image(config, layers))
        finish_the_log(client)
    order = Order(str(registry.root), f"{database(registry)}-wal")
    order.follow(trace.calls(), "HTTP/1.1 201")
    assert order.violations == []
    assert order.answers == client.journal.acknowledged
    assert order.wal in order.written and len(order.written) >= 21, "the trace missed the writes that it is about"
    figures.add(rounds=1, acknowledged=order.answers)


def test_deletes_are_synced_before_202(registry, tmp_path, figures):
    client = Journalled(registry.address, Journal(tmp_path / "journal"))
    blobs = [client.upload("order/app", client.journal.new_content(1000)[1]) for _ in range(10)]
    client.upload("order/app", b"{}")
    for digest in blobs:
        client.put_manifest("order/app", digest[-8:], image(b"{}", []))
    with Strace(registry.workers()[0], tmp_path / "strace.log", "-e", f"trace={WATCHED}") as trace:
        for digest in blobs:
            client.delete_tag("order/app", digest[-8:])
            client.delete_blob("order/app", digest)
        finish_the_log(client)
    order = Order(str(registry.root), f"{database(registry)}-wal")
    order.follow(trace.calls(), "HTTP/1.1 202")
    assert order.violations == []
    assert order.answers == 20 and order.wal in order.written
    figures.add(rounds=1, acknowledged=order.answers)
