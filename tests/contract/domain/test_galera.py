"""Two transactions at two nodes of a Galera cluster: each has done its work before it can see the other's, then both
commit.

Locks do not reach the other node. Certification ends one of the two if both changed a row, and only then; that one is
run again and sees what the other has done. Whoever commits first: what is visible stays whole, and no answer was a lie.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from dockboard_registry.config import database_place
from dockboard_registry.db.mysql import migrate as mysql_migrate
from dockboard_registry.db.mysql.database import MySQLDatabase
from dockboard_registry.domain import job_claims
from dockboard_registry.domain.accounts.accounts import Accounts
from dockboard_registry.domain.accounts.organizations import Organizations
from dockboard_registry.domain.content.blobs import Blobs
from dockboard_registry.domain.content.links import renew
from dockboard_registry.domain.content.manifests import Manifests
from dockboard_registry.domain.garbage.collect import Collector
from dockboard_registry.domain.quotas.quota_settings import QuotaSettings
from dockboard_registry.domain.quotas.quotas import Quotas
from dockboard_registry.domain.rights.grants import Grants
from dockboard_registry.domain.uploads import own_store
from dockboard_registry.domain.uploads.open_uploads import end_all
from dockboard_registry.domain.uploads.uploads import Uploads
from dockboard_registry.errors import (
    AccountUnknown,
    BlobUnknown,
    ChangeRefused,
    InUse,
    ManifestBlobUnknown,
    ManifestUnknown,
    QuotaExceeded,
    StoreMoving,
    UploadUnknown,
)
from dockboard_registry.names import Reference
from dockboard_registry.storage import Saved
from tests.contract.aio import asynchronous
from tests.contract.domain.test_overlap import BODY, Open, pushed, put, whole
from tests.contract.domain.world import LONG, OPERATOR, World, image, index, sha256
from tests.contract.drivers import LOCKS
from tests.support import galera

# Here uploads are recorded that were saved and not finished. Where stores do not lock, those bytes are not in the store
# yet; test_holding is about such stores.
pytestmark = [pytest.mark.galera, pytest.mark.only(LOCKS)]
HONEST = (
    AccountUnknown,
    ChangeRefused,
    BlobUnknown,
    InUse,
    ManifestBlobUnknown,
    ManifestUnknown,
    QuotaExceeded,
    StoreMoving,
    UploadUnknown,
)


class GaleraDriver:
    """One database of the session's cluster; each opening is at the next node."""

    name = "galera"

    def __init__(self):
        cluster = galera.shared()
        self.urls = [database_place(url) for url in cluster.urls(cluster.make())]
        mysql_migrate.migrate(self.urls[0])
        self._turn = itertools.cycle(self.urls)

    def open(self) -> MySQLDatabase:
        return MySQLDatabase(next(self._turn))


@pytest.fixture
def world(storage_driver):
    made = World(GaleraDriver(), storage_driver)
    yield made
    made.close()


@pytest.fixture
def other(world, process):
    """A worker at another node than `process`."""
    return world.process(lease=0, grace=0)


@pytest.fixture(params=["the first", "the second", "at once"])
def commits(request):
    """Who commits first."""
    return request.param


async def meeting(
    commits: str, one: Any, two: Any, first: Callable[[Any], Awaitable], second: Callable[[Any], Awaitable]
) -> list:
    """What both came to: each does its only write unseen by the other, then they commit in the order asked for."""
    held = [Open(one.db), Open(two.db)]
    jobs = [asyncio.ensure_future(work(db)) for work, db in zip((first, second), held)]
    for db in held:
        assert await asyncio.to_thread(db.done.wait, 20)
    order = [1, 0] if commits == "the second" else [0, 1]
    for place in order:
        held[place].commit()
        if commits != "at once":
            await asyncio.wait([jobs[place]])
    outcomes = await asyncio.gather(*jobs, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, HONEST):
            raise outcome
    return outcomes


def unlink(process):
    return lambda db: Collector(db, process.storage, 0, 0, LONG)._unlink()


def finish(process, session, digest: str):
    return lambda db: Uploads(db, process.storage, "this start", 100).record(session, session.size, digest)


def refused(outcomes: list) -> list[type]:
    return [type(outcome) for outcome in outcomes if isinstance(outcome, Exception)]


@asynchronous
async def test_a_manifest_is_pushed_and_a_blob_that_it_needs_is_deleted(process, other, commits):
    await pushed(process)
    delete = lambda db: Blobs(db, process.storage, LONG).delete("app", sha256(b"layer"))
    outcomes = await meeting(commits, process, other, put(BODY, "v1"), delete)
    await whole(process)
    assert refused(outcomes) in ([InUse], [ManifestBlobUnknown])


@asynchronous
async def test_a_manifest_is_pushed_and_its_blobs_are_collected(process, other, commits):
    await pushed(process)
    await asyncio.sleep(0.01)
    outcomes = await meeting(commits, process, other, put(BODY, "v1"), unlink(process))
    await other.collect()
    await whole(process)
    if not refused(outcomes):
        assert await process.pull(sha256(b"layer")) == b"layer"


@asynchronous
async def test_an_index_is_pushed_and_its_child_is_deleted(process, other, commits):
    await pushed(process)
    child = await process.put(BODY)
    outcomes = await meeting(
        commits, process, other, put(index(BODY), "all"), lambda db: Manifests(db).delete("app", child)
    )
    await whole(process)
    assert refused(outcomes) in ([InUse], [ManifestBlobUnknown])


@pytest.mark.parametrize("body", [BODY, index()], ids=["image", "empty index"])
@asynchronous
async def test_a_manifest_gets_a_tag_and_is_deleted(process, other, commits, body):
    await pushed(process)
    digest = await process.put(body)
    await meeting(commits, process, other, put(body, "late"), lambda db: Manifests(db).delete("app", digest))
    await whole(process)


@asynchronous
async def test_a_tag_moves_and_the_manifest_that_it_named_is_deleted(process, other, commits):
    await pushed(process)
    second = image(b"config", b"layer", annotations={"a": "b"})
    digest = await process.put(BODY, "v1")
    outcomes = await meeting(commits, process, other, put(second, "v1"), lambda db: Manifests(db).delete("app", digest))
    await whole(process)
    assert refused(outcomes) == []
    assert (await process.manifest("app", Reference("v1", None))).body == second


@asynchronous
async def test_the_first_account_is_made_twice(process, other, commits):
    def add(db: Any) -> Awaitable:
        return Accounts(db, process.passwords, LONG).add(OPERATOR, "bob", None)

    assert refused(await meeting(commits, process, other, add, add)) == [ChangeRefused]
    assert await process.principals.access_version() == await other.principals.access_version() == 1


@asynchronous
async def test_the_last_two_owners_leave(process, other, commits):
    await process.people("ann", "bob")
    await process.organizations.add(OPERATOR, "acme", "ann")
    await process.organizations.set_member(OPERATOR, "acme", "bob", "owner")
    leave = [
        lambda db: Organizations(db, LONG).remove_member(OPERATOR, "acme", "ann"),
        lambda db: Organizations(db, LONG).remove_member(OPERATOR, "acme", "bob"),
    ]
    assert refused(await meeting(commits, process, other, *leave)) == [ChangeRefused]
    assert len(await process.organizations.members("acme")) == 1


@asynchronous
async def test_a_user_is_deleted_and_gets_a_grant(process, other, commits):
    await process.people("ann", "bob")
    delete = lambda db: Accounts(db, process.passwords, LONG).delete(OPERATOR, "bob")
    await meeting(commits, process, other, delete, lambda db: Grants(db).add(OPERATOR, "ann/app", "user:bob", "read"))
    assert await process.count("SELECT COUNT(*) FROM grants") == 0


@pytest.mark.parametrize("source", ["app", None])
@asynchronous
async def test_a_blob_is_mounted_and_its_last_link_is_deleted(process, other, commits, source):
    digest = await process.push(b"data")
    await meeting(
        commits,
        *(process, other),
        lambda db: Blobs(db, process.storage, LONG).mount("new", digest, source),
        lambda db: Blobs(db, process.storage, LONG).delete("app", digest),
    )
    await other.collect()
    await whole(process)


@pytest.mark.parametrize("source", ["app", None])
@asynchronous
async def test_a_blob_is_mounted_and_its_row_collected_since_its_last_link_is_gone(process, other, commits, source):
    digest = await process.push(b"data")
    mounting = Open(process.db)
    mounted = asyncio.ensure_future(Blobs(mounting, process.storage, LONG).mount("new", digest, source))
    assert await asyncio.to_thread(mounting.done.wait, 20)
    await other.blobs.delete("app", digest)
    dropping = Open(other.db)
    dropped = asyncio.ensure_future(Collector(dropping, process.storage, 0, 0, LONG)._drop_blobs())
    assert await asyncio.to_thread(dropping.done.wait, 20)
    for db in (dropping, mounting) if commits == "the second" else (mounting, dropping):
        db.commit()
        if commits != "at once":
            await asyncio.wait([mounted if db is mounting else dropped])
    await asyncio.gather(mounted, dropped)
    await whole(process)
    if mounted.result():
        assert await process.pull(digest, "new") == b"data"


@asynchronous
async def test_a_lease_is_renewed_within_its_millisecond_and_the_link_deleted(process, other, commits):
    """The row that is guarded changes even where the time does not."""
    digest = await process.push(b"data")
    repository, at = await process.db.read(lambda tx: tx.one("SELECT repository_id, leased_at FROM repository_blobs"))
    runs = []

    def renewing(tx):
        runs.append(1)
        return renew(tx, repository, digest, at)

    def deleting(tx):
        runs.append(1)
        return tx.run("DELETE FROM repository_blobs WHERE digest = ?", digest)

    await meeting(commits, process, other, lambda db: db.write(renewing), lambda db: db.write(deleting))
    assert len(runs) == 3, "both were committed as they were"


@asynchronous
async def test_a_blob_is_mounted_and_collected(process, other, commits):
    """Its last link is gone when the mount has found it: then the row of the blob goes."""
    digest = await process.push(b"data")
    await asyncio.sleep(0.01)
    await meeting(
        commits, process, other, lambda db: Blobs(db, process.storage, LONG).mount("new", digest, None), unlink(process)
    )
    await other.collect()
    await whole(process)


@asynchronous
async def test_a_blob_without_links_is_pushed_again_and_collected(process, other, commits):
    digest = await process.push(b"data")
    await process.blobs.delete("app", digest)
    session = await process.begun(b"data", repository="new")
    session = await process.uploads.find("new", session.id)
    drop = lambda db: Collector(db, process.storage, 0, 0, LONG)._drop_blobs()
    outcomes = await meeting(commits, process, other, finish(process, session, digest), drop)
    assert refused(outcomes) == []
    await other.collector._sweep()
    assert await process.pull(digest, "new") == b"data"
    await whole(process)


@asynchronous
async def test_the_same_blob_is_pushed_twice(process, other, commits):
    digest = await process.push(b"data")
    sessions = [await process.uploads.find("app", (await process.begun(b"data")).id) for _ in range(2)]
    await meeting(commits, process, other, *(finish(process, session, digest) for session in sessions))
    assert await process.key(digest) in {session.storage_key for session in sessions}
    assert await process.count("SELECT COUNT(*) FROM garbage") == 2
    assert (
        await process.count("SELECT COUNT(*) FROM garbage JOIN blobs ON blobs.storage_key = garbage.storage_key") == 0
    )


@asynchronous
async def test_a_new_blob_repository_and_tag_begin_twice(process, other, commits):
    sessions = [await process.begun(b"data", repository="new") for _ in range(2)]
    sessions = [await process.uploads.find("new", session.id) for session in sessions]
    await meeting(commits, process, other, *(finish(process, session, sha256(b"data")) for session in sessions))
    await pushed(process)
    second = image(b"config", b"layer", annotations={"a": "b"})
    assert refused(await meeting(commits, process, other, put(BODY, "v1"), put(second, "v1"))) == []
    assert await process.count("SELECT COUNT(*) FROM repositories") == 2
    assert await process.count("SELECT COUNT(*) FROM tags") == 1
    assert await process.pull(sha256(b"data"), "new") == b"data"
    await whole(process)


@asynchronous
async def test_two_pushes_of_which_the_quota_has_room_for_one(process, other, commits):
    await process.people("bob")
    for piece in (b"0", b"1", b"2"):
        await process.push(piece * 1000, "elsewhere/app")
    await QuotaSettings(process.db, Quotas()).set(OPERATOR, "user", "bob", bytes=2500)
    await process.blobs.mount("bob/kept", sha256(b"0" * 1000), "elsewhere/app")

    def mount(piece):
        return lambda db: Blobs(db, process.storage, LONG).mount("bob/app", sha256(piece * 1000), "elsewhere/app")

    outcomes = await meeting(commits, process, other, mount(b"1"), mount(b"2"))
    assert refused(outcomes) == [QuotaExceeded]
    assert (await QuotaSettings(process.db, Quotas()).show("user", "bob")).bytes == 2000


@asynchronous
async def test_an_upload_is_finished_and_cancelled(process, other, commits):
    session = await process.begun(b"data")
    session = await process.uploads.find("app", session.id)
    cancel = lambda db: Uploads(db, process.storage, "this start", 100).cancel(session)
    outcomes = await meeting(commits, process, other, finish(process, session, sha256(b"data")), cancel)
    assert refused(outcomes) == [UploadUnknown]
    await other.collect()
    await whole(process)


@asynchronous
async def test_an_upload_is_finished_and_ended_because_the_blobs_move(process, other, commits):
    session = await process.begun(b"data")
    session = await process.uploads.find("app", session.id)
    end = lambda db: db.write(lambda tx: end_all(tx, [session.id]), brings=0)
    outcomes = await meeting(commits, process, other, finish(process, session, sha256(b"data")), end)
    assert outcomes[1] == (1 if refused(outcomes) else 0)
    assert (await process.key(sha256(b"data")) is None) == (refused(outcomes) == [UploadUnknown])


@asynchronous
async def test_a_session_that_missed_the_freezing_of_the_store_makes_no_blob(process, other, commits):
    session = await process.uploads.find("app", (await process.begun(b"data")).id)
    freeze = lambda db: db.write(lambda tx: own_store.freeze(tx, 1 << 50, "token"), brings=0)
    save = lambda db: Uploads(db, process.storage, "this start", 100).save(session, 4, Saved(), None)
    outcomes = await meeting(commits, process, other, save, freeze)
    assert refused(outcomes) in ([], [StoreMoving])
    for node in (process, other):
        with pytest.raises(StoreMoving):
            await node.finish(session, sha256(b"data"))


@asynchronous
async def test_a_periodic_job_is_claimed_once(process, other, commits):
    for _ in range(2):
        claims = await meeting(
            commits,
            process,
            other,
            *((lambda db, name=name: job_claims.claim(db, "collect", LONG, name)) for name in "ab"),
        )
        assert sorted(claims) == [False, True]
        await process.db.write(lambda tx: tx.run("UPDATE jobs SET due_at = 0"))


@asynchronous
async def test_what_one_node_committed_every_other_reads_at_once(process, other):
    for number in range(200):
        await process.db.write(lambda tx: tx.insert("INSERT INTO settings (name, value) VALUES (?, 'x')", f"{number}"))
        ways = (other.db.read, other.db.scan, other.db.write)
        assert [await way(lambda tx: tx.one("SELECT COUNT(*) FROM settings")) for way in ways] == [(number + 1,)] * 3


@asynchronous
async def test_nodes_that_migrate_at_once_at_different_nodes_of_the_cluster():
    cluster = galera.shared()
    for _ in range(3):
        urls = [database_place(url) for url in cluster.urls(cluster.make())]
        applied = await asyncio.gather(*(asyncio.to_thread(mysql_migrate.migrate, url) for url in urls * 2))
        assert sum(map(len, applied)) == len(mysql_migrate.files())
