"""What lists show of a repository follows each change soon, and the periodic job finds what was missed."""

from dockboard_registry.domain.audit import Actor
from dockboard_registry.domain.explore import newest_layers
from dockboard_registry.domain.explore.newest_layers import Part
from dockboard_registry.domain.inspection.facts_filling import FactsFilling
from dockboard_registry.names import Reference
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OPERATOR, image, index, sha256

BOB = Actor("user bob", "192.0.2.7")
KEPT = "SELECT name, namespace, visibility, tags_count, newest_tag, newest_digest FROM repository_facts ORDER BY name"
FIRST, SECOND = image(b"config"), image(b"config", annotations={"a": "b"})


async def kept(process) -> list[tuple]:
    return await process.db.scan(lambda tx: tx.all(KEPT))


async def pushed_at(process) -> int:
    return await process.count("SELECT MAX(pushed_at) FROM repository_facts")


@asynchronous
async def test_pushes_and_deletions_are_counted_soon_after(process):
    await process.push(b"config", "team/app")
    await process.put(FIRST, "v1", "v2", repository="team/app")
    assert await kept(process) == [("team/app", "team", "public", 0, None, None)]
    await process.repository_facts.finish()
    assert await kept(process) == [("team/app", "team", "public", 2, "v2", sha256(FIRST))]
    assert await pushed_at(process) == await process.count("SELECT MAX(updated_at) FROM tags")
    await process.put(SECOND, "v1", repository="team/app")
    await process.tags.delete("team/app", "v2")
    await process.repository_facts.finish()
    assert await kept(process) == [("team/app", "team", "public", 1, "v1", sha256(SECOND))]
    await process.manifests.delete("team/app", sha256(SECOND))
    await process.repository_facts.finish()
    assert await kept(process) == [("team/app", "team", "public", 0, None, None)]
    assert await pushed_at(process) == await process.count("SELECT MAX(pushed_at) FROM manifests")


@asynchronous
async def test_many_repositories_are_counted_together(process):
    names = [f"team/app-{number:02}" for number in range(45)]
    for name in names:
        await process.push(b"config", name)
        await process.put(FIRST, "v1", repository=name)
    await process.repository_facts.finish()
    assert [row[:5:4] for row in await kept(process)] == [(name, "v1") for name in names]


@asynchronous
async def test_visibility_follows_at_once_and_a_deleted_repository_is_forgotten_at_once(process):
    await process.people("bob")
    await process.push(b"config", "bob/app")
    await process.put(FIRST, "v1", repository="bob/app", maker=BOB)
    await process.repository_facts.finish()
    assert [row[2] for row in await kept(process)] == ["private"]
    await process.repository_settings.set_visibility(OPERATOR, "bob/app", "public")
    assert [row[2] for row in await kept(process)] == ["public"]
    await process.deletion.delete(BOB, "bob/app")
    assert await kept(process) == []


@asynchronous
async def test_the_job_makes_what_is_missing_and_mends_what_is_wrong(process, other):
    for name in ("app", "team/app"):
        await process.push(b"config", name)
        await process.put(FIRST, "v1", repository=name)
    await process.repository_facts.finish()
    before = await kept(process)
    process.pulls.count("app", "v1")
    await process.pulls.save()

    def damage(tx) -> None:
        tx.run("UPDATE repository_facts SET tags_count = 7, newest_tag = NULL WHERE name = 'app'")
        tx.run("UPDATE repository_facts SET repository_id = 1, name = 'gone' WHERE name = 'team/app'")

    await process.db.write(damage)
    await other.repository_facts.reconcile()
    assert (
        await kept(process)
        == before
        == [
            ("app", "library", "public", 1, "v1", sha256(FIRST)),
            ("team/app", "team", "public", 1, "v1", sha256(FIRST)),
        ]
    )
    assert await process.count("SELECT pulls FROM repository_facts WHERE name = 'app'") == 1
    assert (await process.manifest("app", Reference("v1", None))).digest == sha256(FIRST)


@asynchronous
async def test_a_namespace_that_gets_a_holder_hides_what_was_pushed_before_and_a_default_shows_it(process):
    await process.people("bob")
    for name in ("acme/app", "app"):
        await process.push(b"config", name)
    assert [row[2] for row in await kept(process)] == ["public", "public"]
    await process.repository_settings.set_default(OPERATOR, "library", "private")
    assert [row[:3:2] for row in await kept(process)] == [("acme/app", "public"), ("app", "private")]
    await process.organizations.add(OPERATOR, "acme", "bob", adopt=True)
    assert [row[:3:2] for row in await kept(process)] == [("acme/app", "private"), ("app", "private")]


@asynchronous
async def test_the_layers_of_the_newest_image_say_which_no_other_image_has(process):
    async def layers() -> list[Part]:
        await FactsFilling(process.db, process.storage).fill()
        await process.repository_facts.reconcile()
        return newest_layers.read(*await process.db.read(lambda tx: tx.one("SELECT layers FROM repository_facts")))

    for blob in (b"config", b"base", b"of one", b"of another"):
        await process.push(blob, "team/app")
    await process.put(image(b"config", b"base", b"of one"), "v1", repository="team/app")
    assert await layers() == [Part(4, True), Part(6, True)]
    newer = image(b"config", b"base", b"of another")
    await process.put(newer, "v2", repository="team/app")
    assert await layers() == [Part(4, False), Part(10, True)]
    await process.put(index(newer), "v3", repository="team/app")
    assert await layers() == [Part(4, False), Part(10, True)]
    await process.tags.delete("team/app", "v2")
    await process.tags.delete("team/app", "v3")
    assert await layers() == [Part(4, False), Part(6, True)]
