"""What happened lately: the newest pushes and deletes that somebody may see, and nothing that is hidden."""

from dockboard_registry.db import now
from dockboard_registry.domain import audit
from dockboard_registry.domain.access import rule
from dockboard_registry.domain.access.rule import USER, Principal
from dockboard_registry.domain.audit import Actor
from dockboard_registry.domain.content import tags
from dockboard_registry.domain.explore.lately import DELETED, LOOKED_AT, MOST, MOVED, PUSHED, Lately
from tests.contract.aio import asynchronous
from tests.contract.domain.placement import everywhere
from tests.contract.domain.test_lists import filled, repository

ANN, ROOT, BOB = Actor("user ann", "127.0.0.1"), Principal(1, USER, "root", True), Principal(3, USER, "bob")
ANONYMOUS = rule.anonymous("pull", open=False)


async def noted(process, action: str, repository: str, **detail) -> None:
    await process.db.write(lambda tx: audit.note(tx, ANN, action, f"repository {repository}", **detail))


async def tagged(process, *places: tuple[int, str]) -> None:
    """places: ids of repositories, in the order in which they were made and from 1 on, with a tag each."""

    def insert(tx) -> None:
        for id, tag in places:
            tags.point(tx, id, tag, "sha256:1")

    await process.db.write(insert)


async def seen(process, principal: Principal) -> list[tuple[str, str, str]]:
    return [(each.deed, each.repository, each.tag) for each in await Lately(process.db).of(principal)]


@everywhere
@asynchronous
async def test_everybody_sees_what_they_may_pull(process):
    await filled(process, [repository("open/app", "public"), repository("bob/app"), repository("ann/app")])
    await tagged(process, (1, "v1"))
    await noted(process, "manifest.push", "open/app", digest="sha256:1", tags=["v1"])
    await noted(process, "manifest.push", "bob/app", digest="sha256:2", tags=["v2", "latest"], moved={"v2": "sha256:1"})
    await noted(process, "tag.delete", "ann/app", digest="sha256:3", tag="old")
    for action, name in (("manifest.push", "open/app"), ("repository.create", "open/app"), ("tag.delete", "gone/app")):
        await noted(process, action, name, digest="sha256:4", tag="x" if action == "tag.delete" else "")
    first, second, third = (PUSHED, "open/app", "v1"), (MOVED, "bob/app", "v2"), (DELETED, "ann/app", "old")
    assert await seen(process, ANONYMOUS) == [first]
    assert await seen(process, BOB) == [second, first]
    assert await seen(process, ROOT) == [third, second, first]
    assert [each.actor for each in await Lately(process.db).of(BOB)] == ["user ann"] * 2
    lately = Lately(process.db)
    assert await lately.of(ANONYMOUS) != []
    await process.db.write(lambda tx: tx.run("UPDATE repositories SET visibility = 'private'"))
    assert await lately.of(ANONYMOUS) == []


@everywhere
@asynchronous
async def test_few_are_shown_however_many_there_are(process):
    made = [repository(f"r{number:03}/app", "public" if number % 40 == 0 else "private") for number in range(160)]
    await filled(process, made)
    await tagged(process, *((id, "v1") for id in range(1, 161)))
    for each in made:
        await noted(process, "manifest.push", each.name, tags=["v1"])
    assert [name for _, name, _ in await seen(process, ANONYMOUS)] == [f"r{at:03}/app" for at in (120, 80, 40, 0)]
    assert [name for _, name, _ in await seen(process, ROOT)] == [f"r{159 - at:03}/app" for at in range(MOST)]


@everywhere
@asynchronous
async def test_changes_that_are_hidden_from_somebody_hide_no_others(process):
    await filled(process, [repository("open/app", "public"), repository("bob/app"), repository("ann/busy")])
    await tagged(process, (1, "v1"), (1, "v2"), (2, "v1"))
    for name, tag in (("open/app", "v1"), ("bob/app", "v1"), ("open/app", "v2")):
        await noted(process, "manifest.push", name, tags=[tag])

    def push(tx) -> None:
        for _ in range(LOOKED_AT + 1):
            audit.note(tx, ANN, "manifest.push", "repository ann/busy", tags=["v1"])

    await process.db.write(push)
    assert await seen(process, ANONYMOUS) == [(PUSHED, "open/app", "v2")]
    assert sorted(await seen(process, BOB)) == [(PUSHED, "bob/app", "v1"), (PUSHED, "open/app", "v2")]
    await noted(process, "manifest.push", "open/app", tags=["v1"])
    assert await seen(process, ANONYMOUS) == [(PUSHED, "open/app", "v1")]


@everywhere
@asynchronous
async def test_what_was_hidden_at_its_time_stays_so(process):
    """A repository that was private, and one that was another one with the same name."""
    await filled(process, [repository("bob/app", "public"), repository("bob/new", "public")])
    await tagged(process, (1, "v1"), (2, "v1"))
    for tag in ("secret", "v1"):
        await noted(process, "manifest.push", "bob/app", digest="sha256:1", tags=[tag])
    await noted(process, "tag.delete", "bob/app", digest="sha256:1", tag="secret")
    await noted(process, "manifest.push", "bob/new", digest="sha256:1", tags=["v1"])
    later = now() + 60_000
    await process.db.write(lambda tx: tx.run("UPDATE repositories SET created_at = ? WHERE id = 2", later))
    assert await seen(process, ANONYMOUS) == [(PUSHED, "bob/app", "v1")]
    assert await seen(process, BOB) == [(DELETED, "bob/app", "secret")]
