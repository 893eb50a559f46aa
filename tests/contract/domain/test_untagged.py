"""Manifests that no tag points to and no index holds: which are listed, and that only these are deleted."""

import pytest

from dockboard_registry.domain.content import repositories, untagged
from dockboard_registry.domain.content.untagged import UntaggedPage
from dockboard_registry.errors import ChangeRefused, InUse
from tests.contract.aio import asynchronous
from tests.contract.domain.test_manifest_facts import config, multi_platform, pushed
from tests.contract.domain.world import OCI_MANIFEST, descriptor, image

CROWD = (
    "INSERT INTO manifests (repository_id, digest, media_type, size, pushed_at, body) VALUES (?, ?, 'x', 2, 1, '{}')"
)
TAG = "INSERT INTO tags (repository_id, name, digest, updated_at) VALUES (?, ?, ?, 1)"


async def page(process, after: str = "", limit: int = 10) -> UntaggedPage:
    return await process.db.scan(lambda tx: untagged.page(tx, repositories.find(tx, "app") or 0, after, limit))


async def listed(process, **asked) -> set[str]:
    return {each.digest for each in (await page(process, **asked)).manifests}


@asynchronous
async def test_what_has_no_tag_and_is_in_no_index(process):
    assert (await page(process)) == ([], None, True)
    whole, arm, amd = await multi_platform(process, "v1")
    assert await listed(process) == set()
    alone = await pushed(process, config(), b"alone")
    assert await listed(process) == {alone}
    body = image(config(), b"alone")
    signature = await process.put(image(config(), subject=descriptor(body, OCI_MANIFEST), note="signature"))
    assert await listed(process) == {alone}, "what refers to a manifest belongs to it"
    await process.manifests.delete("app", alone)
    assert await listed(process) == {signature}
    await process.tags.delete("app", "v1")
    assert await listed(process) == {signature, whole}
    await process.manifests.delete("app", whole)
    assert {arm, amd} < await listed(process)


@asynchronous
async def test_pages_of_untagged_manifests(process):
    digests = sorted([await pushed(process, config(), bytes([number])) for number in range(5)])
    first = await page(process, limit=2)
    second = await page(process, after=first.after, limit=2)
    last = await page(process, after=second.after, limit=2)
    shown = [[each.digest for each in part.manifests] for part in (first, second, last)]
    assert shown == [digests[:2], digests[2:4], digests[4:]] and last.after is None


@asynchronous
async def test_a_page_looks_at_so_many_manifests(process):
    await pushed(process, config(), b"tagged", tag="v1")
    place = await process.db.read(lambda tx: repositories.find(tx, "app"))
    before = [f"sha256:{0:056x}{number:08x}" for number in range(untagged.MOST_LOOKED_AT)]

    def crowd(tx):
        for digest in before:
            tx.run(CROWD, place, digest)
            tx.run(TAG, place, digest[-20:], digest)

    await process.db.write(crowd)
    alone = await pushed(process, config(), b"alone")
    first = await page(process)
    assert first == ([], before[-1], False)
    assert await listed(process, after=first.after) == {alone}


@asynchronous
async def test_only_what_has_no_tag_is_deleted(process):
    digest = await pushed(process, config(), b"layer", tag="v1")
    with pytest.raises(ChangeRefused):
        await process.manifests.delete("app", digest, untagged=True)
    await process.tags.delete("app", "v1")
    await process.manifests.delete("app", digest, untagged=True)
    _, arm, _ = await multi_platform(process)
    with pytest.raises(InUse):
        await process.manifests.delete("app", arm, untagged=True)
    assert digest not in await listed(process)
