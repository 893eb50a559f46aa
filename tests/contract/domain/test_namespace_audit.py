"""The changes of one namespace: all of its own, none of others, by the page, with bounded work."""

import asyncio

import pytest

from dockboard_registry.domain import audit, namespace_audit
from dockboard_registry.domain.audit import Actor
from dockboard_registry.domain.namespace_audit import NamespaceAudit, Part, Wanted
from dockboard_registry.errors import AccountUnknown
from tests.contract.aio import asynchronous
from tests.contract.domain.placement import everywhere

ACTOR, ANN = Actor("console", ""), Actor("user ann", "127.0.0.1")
OWN = ["repository acme/app", "repository acme/**", "team acme/dev", "robot acme/ci", "org acme", "namespace acme"]
OTHERS = ["repository acme-2/app", "repository acm/e", "repository acme", "team acme2/dev", "org acme-2", "user acme"]


async def noted(process, actor: Actor, objects: list[str]) -> None:
    for object in objects:
        await process.db.write(lambda tx: audit.note(tx, actor, "test", object))  # noqa: B023


async def objects(process, **wanted) -> list[str]:
    """Of all pages, one after the other."""
    found, before = [], audit.NEWEST
    while before is not None:
        part = await NamespaceAudit(process.db).page("acme", Wanted(**{"limit": 2, "before": before, **wanted}))
        assert len(part.events) <= 2
        found += [event.object for event in part.events]
        before = part.later
    return found


@everywhere
@asynchronous
async def test_a_namespace_has_its_own_changes(process):
    await noted(process, ACTOR, OWN)
    await asyncio.sleep(0.005)  # moments are told by the millisecond
    await process.people("ann")
    await process.organizations.add(ACTOR, "acme", "ann")
    await noted(process, ANN, [each for pair in zip(OWN, OTHERS) for each in pair])
    # What comes before the organization was made belongs to whoever had the name then.
    added = ["org acme"]
    assert await objects(process) == [*OWN[::-1], *added]
    assert await objects(process, actor="ann", action="test") == OWN[::-1]
    assert await objects(process, actor="bob") == [] and await objects(process, action="org.add") == ["org acme"]


@everywhere
@asynchronous
async def test_only_users_and_organizations_have_changes(process):
    for name in ("nobody", "library"):
        with pytest.raises(AccountUnknown):
            await NamespaceAudit(process.db).page(name, Wanted())


@everywhere
@asynchronous
async def test_of_many_changes_a_page_looks_at_so_many(process):
    await process.people("ann")
    await process.organizations.add(ACTOR, "acme", "ann")
    rows = namespace_audit.MOST_LOOKED_AT + 100

    def many(tx) -> None:
        for at in range(rows):
            audit.note(tx, ANN, "test", f"repository {'acme' if at in (0, 1) or at % 2 else 'beta'}/r{at}")

    for _ in range(2):
        await process.db.write(many)
    part = await NamespaceAudit(process.db).page("acme", Wanted("", "nothing"))
    assert part.events == [] and part.later is not None
    again = await NamespaceAudit(process.db).page("acme", Wanted("", "nothing", before=part.later))
    assert again == Part([], None)
    newest = await NamespaceAudit(process.db).page("acme", Wanted(limit=3))
    assert [event.object for event in newest.events] == [f"repository acme/r{rows - at}" for at in (1, 3, 5)]
