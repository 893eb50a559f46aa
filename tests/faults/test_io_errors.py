"""A disk that answers EIO: honest errors, nothing acknowledged is lost, and no sync is
tried twice on the same bytes.
"""

import itertools

import pytest

from tests.faults.journal import Journal, Refused
from tests.faults.tracing import Call, Strace, fail_at
from tests.faults.verifier import database, residue, verify
from tests.faults.workload import UPLOADS, Journalled, Unanswered, image
from tests.support import tools
from tests.support.server import Registry

REPOSITORY = "eio/app"
CALLS = {"fdatasync": 1, "fsync": 1, "pwrite64": 30, "write": 2, "ftruncate": 1, "unlink": 1, "openat": 2}
"""What is made to fail, and the stride of short rounds."""


@pytest.fixture
def registry(tmp_path):
    tools.need("strace")
    registry = Registry(tmp_path / "data", workers=1, gc_interval=86400).start()
    yield registry
    registry.kill()


def push(client: Journalled, number: int, style: str) -> None:
    layer = client.journal.new_content(100_000)[1]
    for data in (layer, b"{}"):
        client.upload(REPOSITORY, data, style)
    client.put_manifest(REPOSITORY, "tag", image(b"{}", [layer], annotations={"n": str(number)}))


def refused(client: Journalled, number: int, style: str) -> bool:
    """Whether a push met the error; the answer must be an honest one. A worker that gave up is one, too."""
    try:
        push(client, number, style)
    except (Unanswered, Refused) as error:
        assert error.status in (500, 503), str(error)
        return True
    return False


@pytest.mark.parametrize("call", CALLS)
def test_errors_of_one_call(registry, tmp_path, call, rounds, figures):
    """The Nth call and all after it fail, for growing N, until a whole push comes through."""
    client = Journalled(registry.address, Journal(tmp_path / "journal"))
    for style in UPLOADS[:: rounds(3, 1)]:
        push(client, 0, style)
        for number in itertools.count(1, rounds(CALLS[call], 1)):
            log = tmp_path / "strace.log"
            with Strace(registry.workers()[0], log, *fail_at(call, "EIO", f"{number}+")) as trace:
                failed = refused(client, number, style)
            assert verify(registry, client.journal, 20) == [], f"EIO from {call} number {number}"
            push(client, number, style)
            figures.add(rounds=1)
            if not failed and not any(call.failed and "INJECTED" in call.result for call in trace.calls()):
                break
    assert verify(registry, client.journal) + residue(registry) == []
    figures.add(acknowledged=client.journal.acknowledged)


def test_a_file_whose_sync_failed_is_never_synced_again(registry, tmp_path, figures):
    """The kernel forgets the pages that it could not write, so that a second fdatasync would succeed and lie."""
    client = Journalled(registry.address, Journal(tmp_path / "journal"))
    push(client, 0, "patch")
    seen = "openat,fdatasync,fsync,unlink,unlinkat"
    inject = ["-e", f"trace={seen}", "-e", "inject=fdatasync,fsync:error=EIO:when=1"]
    with Strace(registry.workers()[0], tmp_path / "strace.log", *inject) as trace:
        for number in range(1, 7):  # strace counts the calls of each thread by themselves
            refused(client, number, "patch")
    push(client, 7, "patch")
    blobs = [call for call in trace.calls() if "/blobs/" in call.arguments]
    failed = [call.path for call in blobs if "INJECTED" in call.result and call.name == "fdatasync"]
    assert failed, "no sync of a blob failed"
    for path in failed:
        assert syncs(blobs, path) == 1, f"{path} was synced again"
        assert any(call.name.startswith("unlink") and path in call.arguments for call in blobs), f"{path} was kept"
    assert verify(registry, client.journal) + residue(registry) == []
    figures.add(rounds=len(failed), acknowledged=client.journal.acknowledged)


def syncs(calls: list[Call], path: str) -> int:
    return sum(call.name in ("fsync", "fdatasync") and call.path == path for call in calls)


def test_a_log_whose_sync_failed_is_not_trusted(registry, tmp_path, figures):
    """The write-ahead log holds commits of upload sessions that nobody synced: after an error they may be lost from the
    disk while the kernel calls them clean. What is appended behind them would be lost at a power cut, acknowledged or
    not; so the database file takes all pages of the log, and is synced, before the next answer.
    """
    client = Journalled(registry.address, Journal(tmp_path / "journal"))
    push(client, 0, "patch")
    client.send((202,), "POST", f"/v2/{REPOSITORY}/blobs/uploads/")
    seen = "trace=fdatasync,fsync,pwrite64,ftruncate,sendto,sendmsg"
    with Strace(
        registry.workers()[0], tmp_path / "strace.log", "-e", seen, "-e", "inject=fdatasync,fsync:error=EIO:when=1"
    ) as trace:
        body = image(b"{}", [], annotations={"log": "lost"})
        with pytest.raises(Unanswered) as error:
            client.put_manifest(REPOSITORY, "tag", body)
        assert error.value.status in (500, 503)
        answered_again(client, body)
    calls = trace.calls()
    main, wal = str(database(registry)), f"{database(registry)}-wal"
    failed = next(n for n, call in enumerate(calls) if "INJECTED" in call.result and call.path == wal)
    answer = next(
        n for n, call in enumerate(calls) if call.name in ("sendto", "sendmsg") and "HTTP/1.1 201" in call.arguments
    )
    synced = [
        call
        for call in calls[failed + 1 : answer]
        if call.name in ("fdatasync", "fsync") and call.path == main and not call.failed
    ]
    assert synced, "the next commit was appended to a log whose sync had failed"
    assert verify(registry, client.journal) + residue(registry) == []
    figures.add(rounds=1)


def answered_again(client: Journalled, body: bytes) -> None:
    """The thread that repairs the log may meet an injected error of its own once; then once more."""
    for _ in range(3):
        try:
            client.put_manifest(REPOSITORY, "tag", body)
            return
        except Unanswered as error:
            assert error.status in (500, 503)
    raise AssertionError("the registry did not recover from one failed sync")
