"""v1 images over each database: ids, where they are found, and the bounds."""

import json

import pytest

from dockboard_registry.domain.access import rule
from dockboard_registry.domain.access.rule import USER, Principal
from dockboard_registry.domain.content import repositories
from dockboard_registry.domain.inspection import manifest_content
from dockboard_registry.domain.v1 import derived
from dockboard_registry.domain.v1.images import LONGEST, MOST_LOOKED_AT, MOST_TAGS, V1Images
from dockboard_registry.errors import ManifestInvalid, NotFound
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OPERATOR, image, sha256

ROOT, BOB = Principal(1, USER, "root", True), Principal(3, USER, "bob")
ANONYMOUS = rule.anonymous("pull", open=False)
CONFIG, BASE, MIDDLE, TOP = b'{"os":"linux"}', b"base", b"middle", b"top"
WHOLE = image(CONFIG, BASE, MIDDLE, TOP)
IDS = [
    "cae662172fd450bb0cd710a769079c05f873d5010187ee450e9df4dbb1e0de25",
    "a4888af4e46c129c695ee32775a8c233594fbf1be672a43733c00ab582583d8e",
    "5809269daf2d55e988b09feecc13180c11ec0f7699392a39474397364593fba5",
]


async def pushed(process, repository: str, tag: str, body: bytes = WHOLE) -> str:
    """The id of the last image."""
    for data in (CONFIG, BASE, MIDDLE, TOP):
        await process.push(data, repository)
    await process.put(body, tag, repository=repository)
    return await V1Images(process.db).tag(repository, tag)


@asynchronous
async def test_each_image_is_found_by_its_id(process):
    v1 = V1Images(process.db)
    last = await pushed(process, "app", "v1")
    ancestry = (await v1.within("app", last)).ancestry
    assert len(ancestry) == 3 and ancestry[0] == last and all(map(derived.is_id, ancestry))
    for at, (id, layer) in enumerate(zip(ancestry, (TOP, MIDDLE, BASE))):
        for found in (await v1.within("app", id), await v1.anywhere(ANONYMOUS, id)):
            assert (found.repository, found.ancestry, found.image.layer) == ("app", ancestry[at:], sha256(layer))
            assert found.image.parent == (ancestry[at + 1] if at < 2 else None)
    for id in (last[:-1] + ("0" if last[-1] != "0" else "1"), "0" * 64):
        with pytest.raises(NotFound):
            await v1.within("app", id)
        with pytest.raises(NotFound):
            await v1.anywhere(ROOT, id)


@asynchronous
async def test_what_is_hidden_is_not_found(process):
    await process.people("ann", "bob")
    v1 = V1Images(process.db)
    last = await pushed(process, "bob/app", "v1")
    await pushed(process, "other/none", "v1", image(CONFIG, TOP, BASE))
    await process.repository_settings.set_visibility(OPERATOR, "bob/app", "private")
    for principal in (ROOT, BOB):
        assert (await v1.anywhere(principal, last)).repository == "bob/app"
    with pytest.raises(NotFound):
        await v1.anywhere(ANONYMOUS, last)
    with pytest.raises(NotFound):
        await v1.within("other/none", last)


def test_ids_stay_the_same_in_every_version():
    """Engines keep images by them, so another derivation would bring every layer once more."""
    content = manifest_content.read(WHOLE, json.loads(WHOLE)["mediaType"])
    assert [image.id for image in derived.images(content)] == IDS


@asynchronous
async def test_an_id_is_looked_for_in_so_many_manifests(process):
    last = await pushed(process, "app", "v1")
    id = await process.db.scan(lambda tx: repositories.find(tx, "app"))
    row = "INSERT INTO manifest_blobs (repository_id, manifest_digest, blob_digest) VALUES (?, ?, ?)"

    def before(tx, first: int, end: int) -> None:
        for number in range(first, end):
            tx.insert(row, id, f"sha256:{number:064d}", sha256(CONFIG))

    await process.db.write(lambda tx: before(tx, 0, MOST_LOOKED_AT - 1))
    assert (await V1Images(process.db).within("app", last)).image.id == last
    await process.db.write(lambda tx: before(tx, MOST_LOOKED_AT - 1, MOST_LOOKED_AT))
    with pytest.raises(NotFound):
        await V1Images(process.db).within("app", last)


@asynchronous
async def test_the_newest_thousand_tags_are_listed(process):
    last = await pushed(process, "app", "v0")
    id = await process.db.scan(lambda tx: repositories.find(tx, "app"))
    row = "INSERT INTO tags (repository_id, name, digest, updated_at) VALUES (?, ?, ?, ?)"

    def more(tx) -> None:
        for number in range(1, MOST_TAGS + 1):
            tx.insert(row, id, f"v{number}", sha256(WHOLE), 1 << 42)

    await process.db.write(more)
    found = await V1Images(process.db).tags("app")
    assert len(found) == MOST_TAGS and "v0" not in found and set(found.values()) == {last}
    assert await V1Images(process.db).tag("app", "v0") == last


@asynchronous
async def test_a_long_manifest_is_not_read(process):
    fitting = image(CONFIG, BASE, annotations={"a": "b" * (LONGEST - 600)})
    await pushed(process, "app", "v1", fitting)
    with pytest.raises(ManifestInvalid) as refused:
        await pushed(process, "app", "v2", image(CONFIG, BASE, annotations={"a": "b" * LONGEST}))
    assert str(LONGEST) in refused.value.cause
    assert list(await V1Images(process.db).tags("app")) == ["v1"]
