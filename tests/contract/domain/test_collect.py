"""Collecting garbage beside pushes: what is needed stays, what is not goes, whoever races."""

import asyncio
import itertools
import random

import pytest

from dockboard_registry.domain import job_claims
from dockboard_registry.errors import BlobUnknown, ManifestBlobUnknown, RegistryError
from dockboard_registry.names import Reference
from dockboard_registry.storage import Saved, new_key
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.placement import everywhere
from tests.contract.domain.world import LONG, image, index, sha256
from tests.contract.drivers import LOCKS

NOTHING = (0, 0, 0, 0, 0, 0)


@everywhere
@asynchronous
async def test_nothing_to_collect(process, hasty):
    assert tuple(await hasty.collect()) == NOTHING
    for data in (b"config", b"layer"):
        await process.push(data)
    await process.put(image(b"config", b"layer"))
    assert tuple(await hasty.collect()) == NOTHING
    assert await process.pull(sha256(b"layer")) == b"layer"


@pytest.mark.only(LOCKS)
@everywhere
@asynchronous
async def test_a_blob_that_no_manifest_needs_goes_step_by_step(world):
    first = world.process()
    await first.push(b"unused")
    assert tuple(await world.process().collect()) == NOTHING
    report = await world.process(lease=0).collect()
    assert (report.links, report.blobs, report.keys, report.bytes) == (1, 1, 0, 0)
    with pytest.raises(BlobUnknown):
        await first.blob("app", sha256(b"unused"))
    assert len(await first.keys()) == 1
    report = await world.process(grace=0).collect()
    assert (report.keys, report.bytes, report.strays) == (1, 6, 0)
    assert await first.keys() == []
    assert tuple(await world.process(lease=0, grace=0).collect()) == NOTHING


@everywhere
@asynchronous
async def test_a_blob_goes_from_the_repositories_that_do_not_need_it(process, hasty):
    for data in (b"config", b"layer"):
        await process.push(data)
        await process.blobs.mount("other", sha256(data), "app")
    await process.put(image(b"config", b"layer"))
    report = await hasty.collect()
    assert (report.links, report.blobs) == (2, 0)
    assert await process.pull(sha256(b"layer")) == b"layer"
    with pytest.raises(BlobUnknown):
        await process.blob("other", sha256(b"layer"))


@everywhere
@asynchronous
async def test_deleting_a_manifest_begins_the_lease_of_its_blobs(world, process):
    for data in (b"config", b"layer", b"shared"):
        await process.push(data)
    manifest = await process.put(image(b"config", b"layer", b"shared"))
    await process.put(image(b"config", b"shared"))
    await process.db.write(lambda tx: tx.run("UPDATE repository_blobs SET leased_at = 0"))
    await process.manifests.delete("app", manifest)
    assert (await world.process(lease=100).collect()).links == 0
    assert (await world.process(lease=0).collect()).links == 1
    with pytest.raises(BlobUnknown):
        await process.blob("app", sha256(b"layer"))
    assert (await process.check()).problems == []


@everywhere
@asynchronous
async def test_a_pushed_blob_survives_the_late_deletion_of_its_former_bytes(world, process):
    """The key is never used again, so what was condemned can't be what was pushed anew."""
    await process.push(b"again and again")
    await world.process(lease=0).collect()
    await process.push(b"again and again")
    assert (await world.process(grace=0).collect()).keys == 1
    assert await process.pull(sha256(b"again and again")) == b"again and again"


@everywhere
@asynchronous
async def test_a_reader_keeps_what_is_deleted(process, hasty):
    await process.push(b"being read")
    source = await process.open_blob("app", sha256(b"being read"))
    assert (await hasty.collect()).keys == 1
    assert await source.read(0, 100) == b"being read"
    source.close()


@pytest.mark.only(LOCKS)
@everywhere
@asynchronous
async def test_strays_are_removed_and_uploads_under_way_are_not(world, process, hasty):
    """After the grace: they may be newer than a database that was restored from a backup."""
    kept = await process.begun(b"under way")
    await process.push(b"unused but leased")
    strays = [new_key() for _ in range(450)]
    for key in strays:
        upload = process.storage.resume(key, Saved(), 0)
        await upload.hold()
        await upload.write(b"ten bytes!")
        await upload.release()
    assert (await process.collect()).strays == 0
    report = await world.process(grace=0).collect()
    assert (report.strays, report.bytes) == (450, 4500)
    assert set(await process.keys()) == {kept.storage_key, await process.key(sha256(b"unused but leased"))}
    await process.finish(kept, sha256(b"under way"))
    assert (await process.check()).problems == []


@everywhere
@asynchronous
async def test_only_uploads_that_do_not_go_on_expire(world):
    process = world.process(expiry=100)
    sessions = [await process.begun(b"old"), await process.begun(b"old, on"), await process.begun(b"new")]
    await process.db.write(
        lambda tx: tx.run(
            "UPDATE uploads SET updated_at = updated_at - 101000 WHERE size <> 3 OR id = ?", sessions[0].id
        )
    )
    await process.sent(sessions[1], b"more")
    report = await process.collect()
    assert (report.uploads, report.keys, report.strays) == (1, 0, 0)
    for session, data in ((sessions[1], b"old, onmore"), (sessions[2], b"new")):
        await process.finish(session, sha256(data))
    assert (await world.process(grace=0).collect()).bytes == 3


@everywhere
@asynchronous
async def test_an_upload_that_expires_while_it_is_written_brings_nothing_back(process, hasty):
    session = await process.begun(b"begun ")
    writer = await process.writing(session, b"on")
    await hasty.collect()
    with pytest.raises(RegistryError):
        await writer.finish(sha256(b"begun on"))
    with pytest.raises(BlobUnknown):
        await process.blob("app", sha256(b"begun on"))
    await hasty.collect()
    assert await process.keys() == []


@everywhere
@asynchronous
async def test_more_than_a_batch_goes_in_one_round(process, hasty):
    for start in range(0, 450, 50):
        await asyncio.gather(*(process.push(b"%d" % number) for number in range(start, start + 50)))
    report = await hasty.collect()
    assert (report.links, report.blobs, report.keys) == (450, 450, 450)
    assert await process.keys() == []


@everywhere
@asynchronous
async def test_collectors_at_once_share_the_work(world):
    process = world.process()
    for number in range(40):
        await process.push(b"%02d" % number)
    reports = await gathered(*(world.process(lease=0, grace=0).collect() for _ in range(4)))
    assert not [report for report in reports if isinstance(report, Exception)]
    assert sum(report.links for report in reports) == 40
    assert sum(report.blobs for report in reports) == 40
    await world.process(lease=0, grace=0).collect()
    assert await process.keys() == []
    assert await process.count("SELECT COUNT(*) FROM garbage") == 0


@everywhere
@asynchronous
async def test_pushes_and_collectors_in_several_processes(world):
    """Lease and grace of 0: whatever interleaves, a manifest that was acknowledged is whole until it is deleted."""
    workers, stop = [world.process(lease=0, grace=0, expiry=3600) for _ in range(3)], asyncio.Event()
    acknowledged: list[bytes] = []

    async def collect(process) -> None:
        while not stop.is_set():
            await process.collect()
            await asyncio.sleep(0)

    async def push(process, seed: int) -> None:
        choose = random.Random(seed)
        for turn in range(25):
            layers = [b"layer %d" % choose.randrange(4) for _ in range(2)]
            try:
                for data in (b"config", *layers):
                    await process.push(data)
                body = image(b"config", *layers, annotations={"turn": f"{seed}/{turn}"})
                await process.put(body, f"tag{choose.randrange(3)}")
                acknowledged.append(body)
                if turn % 5 == 4:
                    gone = acknowledged.pop(choose.randrange(len(acknowledged)))
                    await process.manifests.delete("app", sha256(gone))
            except ManifestBlobUnknown:
                pass  # collected between blob and manifest: the client pushes again

    collecting = [asyncio.ensure_future(collect(process)) for process in workers[:2]]
    await asyncio.gather(*(push(process, seed) for seed, process in enumerate(workers * 2)))
    stop.set()
    await asyncio.gather(*collecting)
    await workers[0].collect()
    assert acknowledged
    for body in acknowledged:
        assert (await workers[2].manifest("app", Reference(None, sha256(body)))).body == body
    assert (await workers[0].check()).problems == []
    assert len(await workers[0].keys()) == await workers[0].count("SELECT COUNT(*) FROM blobs")


@everywhere
@asynchronous
async def test_nested_indexes_keep_all_below_them(process, hasty):
    for data in (b"config", b"layer"):
        await process.push(data)
    body = image(b"config", b"layer")
    await process.put(body)
    await process.put(index(body))
    await process.put(index(index(body)), "top")
    assert tuple(await hasty.collect()) == NOTHING
    assert (await process.check()).problems == []


@everywhere
@asynchronous
async def test_of_many_that_claim_a_round_one_gets_it(world):
    workers = [world.process() for _ in range(4)]
    for _ in range(5):
        claims = await gathered(
            *(
                job_claims.claim(worker.db, "collect", LONG, f"worker {number}")
                for number, worker in enumerate(workers * 4)
            )
        )
        assert sorted(claims) == [False] * 15 + [True]
        assert not await job_claims.claim(workers[0].db, "collect", LONG, "again")
        await workers[0].db.write(lambda tx: tx.run("UPDATE jobs SET due_at = 0"))
    assert await workers[0].count("SELECT COUNT(*) FROM jobs") == 1


@everywhere
@asynchronous
async def test_a_claim_says_who_and_until_when(process):
    assert await job_claims.claim(process.db, "collect", LONG, "me")
    name, due, holder = await process.db.read(lambda tx: tx.one("SELECT name, due_at, claimed_by FROM jobs"))
    assert (name, holder) == ("collect", "me")
    await process.db.write(lambda tx: tx.run("UPDATE jobs SET due_at = due_at - 86401000"))
    assert await job_claims.claim(process.db, "collect", LONG, "other")
    assert (await process.db.read(lambda tx: tx.one("SELECT due_at, claimed_by FROM jobs")))[1] == "other"


def insert(tx, into: str, rows: list[tuple]) -> None:
    """Insert many rows with few statements."""
    for first in range(0, len(rows), 200):
        part = rows[first : first + 200]
        row = f"({', '.join('?' * len(part[0]))})"
        tx.run(f"INSERT INTO {into} VALUES {', '.join([row] * len(part))}", *itertools.chain(*part))


@everywhere
@asynchronous
async def test_pages_of_links_and_blobs_leave_nothing_out(process, hasty):
    """More rows than one page has, in one repository and in many."""
    places = [(1, number) for number in range(2100)] + [(number, number) for number in range(2, 2100)]

    def fill(tx) -> None:
        links = [(repository_id, sha256(b"%d" % number), 0) for repository_id, number in places]
        insert(tx, "repository_blobs (repository_id, digest, leased_at)", links)
        blobs = [(sha256(b"%d" % number), new_key(), 9, 0) for number in range(2100)]
        insert(tx, "blobs (digest, storage_key, size, created_at)", blobs)

    await process.db.write(fill)
    report = await hasty.collect()
    assert (report.links, report.blobs, report.keys) == (len(places), 2100, 2100)
    assert (
        await process.count("SELECT COUNT(*) FROM repository_blobs")
        == await process.count("SELECT COUNT(*) FROM garbage")
        == 0
    )
