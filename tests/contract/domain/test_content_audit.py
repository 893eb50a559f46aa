"""What is noted of content: in the transaction of the deed, so that none is without the other, and once."""

import pytest

from dockboard_registry.domain import audit
from dockboard_registry.domain.audit import Actor
from dockboard_registry.domain.content.manifests import Manifests
from dockboard_registry.errors import InUse, ManifestUnknown
from dockboard_registry.names import Reference
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.test_overlap import overlapping
from tests.contract.domain.world import image, index, sha256

BOB = Actor("user bob", "192.0.2.7")


async def noted(process) -> list[tuple]:
    return [(event.action, event.object, event.detail) for event in reversed(await process.audit.list(actor=BOB.name))]


async def pushed(process, *tags: str) -> str:
    await process.push(b"config")
    return await process.put(image(b"config"), *tags)


@asynchronous
async def test_deletes_are_noted_and_add_nothing_to_the_counter_of_changes(process):
    await process.people("bob")
    digest, before = await pushed(process, "a", "b"), await process.principals.access_version()
    await process.tags.delete("app", "b", BOB)
    await process.manifests.delete("app", digest, BOB)
    await process.blobs.delete("app", sha256(b"config"), BOB)
    assert await noted(process) == [
        ("tag.delete", "repository app", {"tag": "b", "digest": digest}),
        ("manifest.delete", "repository app", {"digest": digest, "tags": ["a"]}),
        ("blob.delete", "repository app", {"digest": sha256(b"config")}),
    ]
    assert await process.principals.access_version() == before


@asynchronous
async def test_pushes_that_change_something_are_noted_with_what_tags_pointed_to(process):
    await process.people("bob")
    await process.push(b"config")
    await process.push(b"other")
    # As long as tags and digests can be: no entry is cut.
    names = [f"{number:03d}".ljust(128, "x") for number in range(30)]
    before = await process.principals.access_version()
    first = await process.put(image(b"config"), *names, maker=BOB)
    assert await process.put(image(b"config"), *names, maker=BOB) == first
    second = await process.put(image(b"other"), *names, "new", maker=BOB)
    assert await process.put(image(b"other"), maker=BOB) == second
    found = [(action, detail) for action, _, detail in await noted(process)]
    assert {action for action, _ in found} == {"manifest.push"}
    assert [tag for _, detail in found for tag in detail["tags"]] == [*names, *names, "new"]
    assert {detail["digest"] for _, detail in found[:2]} == {first} and {
        detail["digest"] for _, detail in found[2:]
    } == {second}
    assert {tag: old for _, detail in found for tag, old in detail.get("moved", {}).items()} == dict.fromkeys(
        names, first
    )
    assert await process.principals.access_version() == before


@asynchronous
async def test_who_may_not_move_tags_is_noted_for_those_that_are_new(process):
    await process.people("bob")
    await process.push(b"config")
    body = image(b"config")
    digest = await process.put(body, "a")
    for _ in range(2):
        await process.manifests.put("app", Reference("a", None), body, "", ["b"], False, BOB)
    assert await noted(process) == [("manifest.push", "repository app", {"digest": digest, "tags": ["b"]})]


@asynchronous
async def test_what_can_not_be_noted_is_not_done(process, monkeypatch):
    digest = await pushed(process, "a")

    def fail(*_: object, **__: object) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(audit, "note", fail)
    for deed in (
        process.tags.delete("app", "a", BOB), process.manifests.delete("app", digest, BOB), process.blobs.delete("app",
        sha256(b"config"), BOB),
        process.put(index(), repository="new", maker=BOB), process.blobs.mount("new", sha256(b"config"), "app", BOB),
        process.push(b"config", "new", BOB),
    ):  # fmt: skip
        with pytest.raises((ValueError, InUse)):
            await deed
    assert (await process.manifest("app", Reference("a", None))).digest == digest
    await process.blob("app", sha256(b"config"))
    assert not await process.count("SELECT COUNT(*) FROM repositories WHERE name = 'new'")


@asynchronous
async def test_a_tag_that_a_push_moves_meanwhile_is_not_noted_as_deleted(process, other):
    first, second = await pushed(process, "a", "b"), await process.put(image(b"config", annotations={"a": "b"}))

    def move(db):
        return Manifests(db).put("app", Reference("a", None), image(b"config", annotations={"a": "b"}), "", [])

    _, gone = await overlapping(process.db, move, lambda: other.manifests.delete("app", first, BOB))
    assert gone is None
    assert await noted(process) == [("manifest.delete", "repository app", {"digest": first, "tags": ["b"]})]
    assert (await process.manifest("app", Reference("a", None))).digest == second
    with pytest.raises(ManifestUnknown):
        await process.manifest("app", Reference("b", None))


@asynchronous
async def test_of_many_first_pushes_one_is_noted(process, other):
    await gathered(
        *(each.push(data, "acme/app", BOB) for each in (process, other) for data in (b"one", b"two", b"three"))
    )
    await process.push(b"four", "acme/app", BOB)
    assert await noted(process) == [("repository.create", "repository acme/app", {})]
