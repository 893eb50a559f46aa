"""Blobs: links with a lease, mounts, deletes, and bytes that heal."""

import asyncio

import pytest

from dockboard_registry.db import now
from dockboard_registry.errors import BlobUnknown, InUse
from dockboard_registry.storage import KeyMissing
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.placement import everywhere
from tests.contract.domain.world import image, sha256

AGE = "UPDATE repository_blobs SET leased_at = leased_at - ? WHERE digest = ?"
LEASED = "SELECT leased_at FROM repository_blobs WHERE digest = ?"


async def leased_at(process, digest: str) -> int:
    return (await process.db.read(lambda tx: tx.one(LEASED, digest)))[0]


@everywhere
@asynchronous
async def test_a_blob_is_known_where_it_was_pushed_only(process):
    digest = await process.push(b"data")
    assert (await process.blob("app", digest)).size == 4
    for repository, wanted in (("other", digest), ("app", sha256(b"other")), ("none", sha256(b"other"))):
        with pytest.raises(BlobUnknown):
            await process.blob(repository, wanted)
        with pytest.raises(BlobUnknown):
            await process.open_blob(repository, wanted)


@everywhere
@asynchronous
async def test_head_renews_the_lease_only_when_a_tenth_has_passed(world):
    process = world.process(lease=1000)
    digest = await process.push(b"data")
    for age, renewed in ((0, False), (99_000, False), (101_000, True), (5_000_000, True)):
        fresh = await leased_at(process, digest)
        await process.db.write(lambda tx: tx.run(AGE, age, digest))
        before = now()
        assert (await process.promise("app", digest)).size == 4
        found = await leased_at(process, digest)
        assert found >= before if renewed else found == fresh - age
        await process.db.write(lambda tx: tx.run("UPDATE repository_blobs SET leased_at = ?", now()))


@everywhere
@asynchronous
async def test_a_get_renews_nothing(world):
    process = world.process(lease=10)
    digest = await process.push(b"data")
    await process.db.write(lambda tx: tx.run(AGE, 9_000, digest))
    before = await leased_at(process, digest)
    await process.pull(digest)
    await process.blob("app", digest)
    assert await leased_at(process, digest) == before


@everywhere
@asynchronous
async def test_what_was_promised_stays_for_the_lease(world):
    process = world.process(lease=10, grace=0)
    digest = await process.push(b"data")
    await process.db.write(lambda tx: tx.run(AGE, 9_000, digest))
    await process.promise("app", digest)
    await process.db.write(lambda tx: tx.run(AGE, 9_000, digest))
    assert (await process.collect()).links == 0
    await process.db.write(lambda tx: tx.run(AGE, 1_100, digest))
    assert (await process.collect()).links == 1
    with pytest.raises(BlobUnknown):
        await process.promise("app", digest)


@everywhere
@asynchronous
async def test_a_mount_links_without_copying(process):
    digest = await process.push(b"data", repository="from")
    assert await process.blobs.mount("to", digest, "from")
    assert await process.pull(digest, repository="to") == b"data"
    assert len(await process.keys()) == 1
    assert await process.blobs.mount("to", digest, "from")
    assert await process.count("SELECT COUNT(*) FROM repository_blobs") == 2


@everywhere
@asynchronous
async def test_a_mount_begins_the_lease_anew(process):
    digest = await process.push(b"data", repository="app")
    await process.db.write(lambda tx: tx.run(AGE, 5_000_000, digest))
    before = now()
    await process.blobs.mount("app", digest, None)
    assert await leased_at(process, digest) >= before


@everywhere
@asynchronous
async def test_a_mount_from_where_the_blob_is_not(process):
    digest = await process.push(b"data", repository="from")
    assert not await process.blobs.mount("to", digest, "elsewhere")
    assert not await process.blobs.mount("to", sha256(b"other"), "from")
    assert not await process.blobs.mount("to", sha256(b"other"), None)
    with pytest.raises(BlobUnknown):
        await process.blob("to", digest)
    assert await process.count("SELECT COUNT(*) FROM repositories") == 1
    assert await process.blobs.mount("to", digest, None)


@asynchronous
async def test_the_newest_bytes_win_and_mend_a_damaged_blob(world, process):
    digest = await process.push(b"good bytes")
    damaged = await process.key(digest)
    world.storage.damage(damaged, b"rotten byte")
    (problem,) = (await process.check()).problems
    assert problem.object == digest
    await process.push(b"good bytes", repository="other")
    assert await process.key(digest) != damaged
    for repository in ("app", "other"):
        assert await process.pull(digest, repository) == b"good bytes"
    assert (await process.check()).problems == []
    report = await world.process(grace=0).collect()
    assert (report.keys, report.strays) == (1, 0)
    assert damaged not in await process.keys()


@asynchronous
async def test_a_blob_whose_bytes_are_gone_is_reported_and_mended_by_a_push(world, process):
    digest = await process.push(b"data")
    world.storage.remove(await process.key(digest))
    with pytest.raises(KeyMissing):
        await process.pull(digest)
    (problem,) = (await process.check()).problems
    assert (problem.kind, problem.object) == ("blob without bytes", digest)
    await process.push(b"data")
    assert await process.pull(digest) == b"data"


@everywhere
@asynchronous
async def test_reading_while_new_pushes_move_the_bytes(world):
    process, hasty = world.process(), world.process(grace=0)
    digest = await process.push(b"the same bytes")

    async def push() -> None:
        for _ in range(25):
            await hasty.push(b"the same bytes")
            await hasty.collect()

    async def pull() -> None:
        for _ in range(150):
            assert await process.pull(digest) == b"the same bytes"

    await asyncio.gather(push(), pull(), pull())


@everywhere
@asynchronous
async def test_a_deleted_blob_leaves_its_repository_only(process):
    digest = await process.push(b"data")
    await process.blobs.mount("other", digest, "app")
    await process.blobs.delete("app", digest)
    for attempt in (
        process.blob("app", digest),
        process.blobs.delete("app", digest),
        process.blobs.delete("none", digest),
    ):
        with pytest.raises(BlobUnknown):
            await attempt
    assert await process.pull(digest, "other") == b"data"


@everywhere
@asynchronous
async def test_a_blob_that_a_manifest_needs_cannot_be_deleted(process):
    config, layer = await process.push(b"config"), await process.push(b"layer")
    manifest = await process.put(image(b"config", b"layer"))
    for digest in (config, layer):
        with pytest.raises(InUse) as refused:
            await process.blobs.delete("app", digest)
        assert refused.value.facts == {"manifest": manifest}
        assert refused.value.status == 409
    await process.blobs.mount("other", layer, "app")
    await process.blobs.delete("other", layer)
    await process.manifests.delete("app", manifest)
    await process.blobs.delete("app", layer)


@everywhere
@asynchronous
async def test_many_pushes_of_one_blob_at_once(world):
    workers = [world.process() for _ in range(3)]
    outcomes = await gathered(*(worker.push(b"data", f"app{number % 4}") for number, worker in enumerate(workers * 6)))
    assert outcomes == [sha256(b"data")] * 18
    for number in range(4):
        assert await workers[0].pull(sha256(b"data"), f"app{number}") == b"data"
    await world.process(grace=0).collect()
    assert len(await workers[0].keys()) == 1
    assert (await workers[0].check()).problems == []
