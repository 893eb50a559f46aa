"""What happens between a collector's look and its deed: each step is decided again, so the deed does not follow an old
look.
"""

import asyncio

import pytest

from dockboard_registry.domain.garbage.collect import Collector
from dockboard_registry.errors import BlobUnknown
from tests.contract.aio import asynchronous
from tests.contract.domain.world import LONG, Between, full_round, image, sha256


async def collect_during(process, act, before: str = "write", lease: float = 0, grace: float = 0, expiry: float = LONG):
    """A round of a collector, with `act` between its first look and its first deed (or before the look, for "scan")."""
    between = Between(process.db, before, act)
    report = await full_round(Collector(between, process.storage, grace, lease, expiry))
    assert between.acted, "the collector saw nothing to do"
    assert (await process.check()).problems == []
    return report


@asynchronous
async def test_a_manifest_that_needs_the_blob_by_now(process):
    for data in (b"config", b"layer"):
        await process.push(data)
    body = image(b"config", b"layer")
    report = await collect_during(process, lambda: process.put(body, "v1"))
    assert (report.links, report.blobs, report.keys) == (0, 0, 0)
    for data in (b"config", b"layer"):
        assert await process.pull(sha256(data)) == data


@asynchronous
async def test_a_promise_given_meanwhile(world):
    process = world.process(lease=0)
    digest = await process.push(b"data")

    async def promise() -> None:
        await asyncio.sleep(0.005)
        await process.promise("app", digest)

    assert (await collect_during(process, promise)).links == 0
    assert await process.pull(digest) == b"data"


@asynchronous
async def test_a_push_or_mount_meanwhile_renews_the_lease(process):
    digest = await process.push(b"data")

    async def push() -> None:
        await asyncio.sleep(0.005)
        await process.push(b"data")

    async def mount() -> None:
        await asyncio.sleep(0.005)
        await process.blobs.mount("app", digest, "app")

    for act in (push, mount):
        await asyncio.sleep(0.005)
        assert (await collect_during(process, act)).links == 0
        assert await process.pull(digest) == b"data"


@asynchronous
async def test_a_blob_that_is_in_a_repository_again(process):
    """Its last link is gone and its row is about to go, when the same bytes are pushed."""
    digest = await process.push(b"data")
    await process.blobs.delete("app", digest)
    report = await collect_during(process, lambda: process.push(b"data", "other"), lease=LONG)
    assert report.blobs == 0
    assert await process.pull(digest, "other") == b"data"
    with pytest.raises(BlobUnknown):
        await process.blob("app", digest)


@asynchronous
async def test_a_blob_that_is_in_a_repository_again_under_its_old_key(process):
    """A push whose transaction comes between two looks: the row that lost its link gets one again without new bytes."""
    digest = await process.push(b"data")
    await process.blobs.delete("app", digest)

    def relink(tx) -> None:
        (repository_id,) = tx.one("SELECT id FROM repositories WHERE name = 'app'")
        tx.run(
            "INSERT INTO repository_blobs (repository_id, digest, leased_at) VALUES (?, ?, ?)",
            repository_id,
            digest,
            2**50,
        )

    async def act() -> None:
        await process.db.write(relink)

    assert (await collect_during(process, act)).blobs == 0
    assert await process.pull(digest) == b"data"


@asynchronous
async def test_an_upload_that_goes_on_when_it_was_about_to_expire(process):
    session = await process.begun(b"slow ")
    await process.db.write(lambda tx: tx.run("UPDATE uploads SET updated_at = updated_at - 101000"))
    report = await collect_during(process, lambda: process.sent(session, b"client"), expiry=100)
    assert (report.uploads, report.keys) == (0, 0)
    await process.finish(session, sha256(b"slow client"))
    assert await process.pull(sha256(b"slow client")) == b"slow client"


@asynchronous
async def test_an_upload_that_is_finished_when_it_was_about_to_expire(process):
    session = await process.begun(b"last moment")
    report = await collect_during(
        process, lambda: process.finish(session, sha256(b"last moment")), lease=LONG, expiry=0
    )
    assert (report.uploads, report.keys, report.strays) == (0, 0, 0)
    assert await process.pull(sha256(b"last moment")) == b"last moment"


@asynchronous
async def test_an_upload_that_becomes_a_blob_while_strays_are_looked_for(process):
    """The keys are listed first and looked up then, in one snapshot: a key is named by its upload or by its blob."""
    sessions = [await process.begun(b"%03d" % number) for number in range(40)]

    async def finish() -> None:
        for number, session in enumerate(sessions):
            await process.finish(session, sha256(b"%03d" % number))

    async def collect() -> None:
        for _ in range(10):
            assert (await process.collect()).strays == 0

    await asyncio.gather(finish(), collect(), collect())
    for number in range(40):
        assert await process.pull(sha256(b"%03d" % number)) == b"%03d" % number


@asynchronous
async def test_a_blob_that_is_pushed_again_while_its_old_bytes_are_deleted(world, process):
    digest = await process.push(b"data")
    await world.process(lease=0).collect()
    report = await collect_during(process, lambda: process.push(b"data"), lease=LONG)
    assert (report.keys, report.strays) == (1, 0)
    assert await process.pull(digest) == b"data"
