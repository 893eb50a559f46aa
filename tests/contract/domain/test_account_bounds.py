"""How many organizations, teams and robot accounts one account may take."""

import pytest

from dockboard_registry.db import now
from dockboard_registry.domain.accounts import organizations, robots, teams
from dockboard_registry.domain.accounts.organizations import TooMany
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OPERATOR

FIRST = 1000


async def organization(process, name: str = "acme") -> int:
    """The id of an organization that bob owns."""
    await process.organizations.add(OPERATOR, name, "bob")
    return (await process.organizations.get(name)).id


async def user(process, name: str) -> int:
    return (await process.principals.named(name)).id


async def fill(process, count: int, sql: str, *values) -> None:
    """Insert so many rows. A value that is a function makes one of the row's number."""

    def change(tx) -> None:
        for number in range(FIRST, FIRST + count):
            tx.run(sql, *(value(number) if callable(value) else value for value in values))

    await process.db.write(change)


async def join(process, user_id: int, count: int, role: str) -> None:
    """Let the user belong to so many organizations more."""
    made = now()
    await fill(
        process,
        count,
        "INSERT INTO organizations (id, name, created_at) VALUES (?, ?, ?)",
        int,
        lambda number: f"o{number}",
        made,
    )
    await fill(
        process,
        count,
        "INSERT INTO members (organization_id, user_id, role, created_at) VALUES (?, ?, ?, ?)",
        *(int, user_id, role, made),
    )


@asynchronous
async def test_who_owns_many_organizations_makes_no_more(process):
    await process.people("bob", "eve")
    await join(process, await user(process, "bob"), organizations.MOST_OWNED, "owner")
    with pytest.raises(TooMany, match="bob owns 100 organizations already"):
        await process.organizations.add(OPERATOR, "acme", "bob", most=organizations.MOST_OWNED)
    await process.organizations.add(OPERATOR, "acme", "bob")
    await process.organizations.add(OPERATOR, "other", "eve", most=organizations.MOST_OWNED)
    assert {"acme", "other"} <= {each.name for each in await process.organizations.list()}


@asynchronous
async def test_a_user_belongs_to_so_many_organizations_and_teams(process):
    await process.people("bob", "eve")
    acme, eve = await organization(process), await user(process, "eve")
    await process.organizations.set_member(OPERATOR, "acme", "eve", "member")
    await process.teams.add(OPERATOR, "acme", "dev")
    await fill(
        process,
        teams.MOST_JOINED,
        "INSERT INTO teams (id, organization_id, name, created_at) VALUES (?, ?, ?, 1)",
        *(int, acme, lambda number: f"t{number}"),
    )
    await fill(process, teams.MOST_JOINED, "INSERT INTO team_members (team_id, user_id) VALUES (?, ?)", int, eve)
    with pytest.raises(TooMany, match="eve is in 1,000 teams already"):
        await process.teams.add_member(OPERATOR, "acme", "dev", "eve")
    await process.teams.remove_member(OPERATOR, "acme", f"t{FIRST}", "eve")
    await process.teams.add_member(OPERATOR, "acme", "dev", "eve")
    # Whoever is in already changes nothing, and is refused nothing.
    await process.teams.add_member(OPERATOR, "acme", "dev", "eve")
    await join(process, eve, organizations.MOST_JOINED - 1, "member")
    await organization(process, "more")
    with pytest.raises(TooMany, match="1,000 organizations already"):
        await process.organizations.set_member(OPERATOR, "more", "eve", "member")
    await process.organizations.set_member(OPERATOR, "acme", "eve", "owner")
    await process.organizations.remove_member(OPERATOR, f"o{FIRST}", "eve")
    await process.organizations.set_member(OPERATOR, "more", "eve", "member")


@asynchronous
async def test_an_organization_has_so_many_teams_and_robots(process):
    await process.people("bob")
    acme = await organization(process)
    await organization(process, "other")
    await fill(
        process,
        teams.MOST,
        "INSERT INTO teams (id, organization_id, name, created_at) VALUES (?, ?, ?, 1)",
        *(int, acme, lambda number: f"t{number}"),
    )
    await fill(
        process,
        robots.MOST,
        "INSERT INTO robots (id, organization_id, name, state, credential_generation, created_at) VALUES (?, ?, ?,"
        " 'active', 0, 1)",
        *(int, acme, lambda number: f"r{number}"),
    )
    with pytest.raises(TooMany, match="acme has 1,000 teams already"):
        await process.teams.add(OPERATOR, "acme", "dev")
    with pytest.raises(TooMany, match="acme has 1,000 robot accounts already"):
        await process.robots.add(OPERATOR, "acme/ci")
    await process.teams.add(OPERATOR, "other", "dev")
    await process.robots.add(OPERATOR, "other/ci")
    await process.teams.delete(OPERATOR, "acme", f"t{FIRST}")
    await process.teams.add(OPERATOR, "acme", "dev")
