"""Lists that are read by the page: the pages together are the list, for any size of page and after any key."""

from dockboard_registry.domain.audit import Actor
from tests.contract.aio import asynchronous
from tests.contract.domain.placement import everywhere

ACTOR = Actor("console", "")


async def whole(read, key, size: int) -> list:
    """All pages, one after the other; read(after, limit)."""
    found, after = [], ""
    while page := await read(after, size):
        assert len(page) <= size
        found += page
        after = key(page[-1])
    return found


@everywhere
@asynchronous
async def test_grants_come_once_and_in_the_order_of_their_keys(process):
    await process.people("ann", "bob", "eve")
    await process.organizations.add(ACTOR, "acme", "ann")
    await process.organizations.add(ACTOR, "acme-two", "ann")
    holders = ["user:ann", "user:bob", "user:eve"]
    for team in ("dev", "ops"):
        await process.teams.add(ACTOR, "acme", team)
        await process.robots.add(ACTOR, f"acme/{team}")
        holders += [f"team:acme/{team}", f"robot:acme/{team}"]
    patterns = ["acme/**", "acme/app", "acme/app-*", "acme-two/app", "app"]
    for pattern in patterns:
        for holder in holders:
            await process.grants.add(ACTOR, pattern, holder, "read")
    everything = {(pattern, holder) for pattern in patterns for holder in holders}
    for size in (1, 2, 5, 100):
        found = [
            (given.pattern, given.holder)
            for given in await whole(process.grants.page, lambda given: f"{given.pattern} {given.holder}", size)
        ]
        assert found == sorted(everything)
        within = await whole(
            lambda after, limit: process.grants.page(after, limit, "acme"),
            lambda given: f"{given.pattern} {given.holder}",
            size,
        )
        assert [(given.pattern, given.holder) for given in within] == sorted(
            each for each in everything if each[0].startswith("acme/")
        )
    assert [given.pattern for given in await process.grants.page("acme/app", 100)][0] == "acme/app"
    assert await process.grants.page("zzz anything", 10) == []


@everywhere
@asynchronous
async def test_members_teams_robots_and_tokens_by_the_page(process):
    users = [f"user-{number}" for number in range(7)]
    await process.people(*users)
    await process.organizations.add(ACTOR, "acme", users[0])
    for user in users[1:]:
        await process.organizations.set_member(ACTOR, "acme", user, "member")
    for number in range(5):
        await process.teams.add(ACTOR, "acme", f"team-{number}")
        await process.robots.add(ACTOR, f"acme/robot-{number}")
        await process.tokens.add(ACTOR, users[0], f"token-{number}")
        await process.robots.rotate(ACTOR, "acme/robot-0", 3600)
    for user in users:
        await process.teams.add_member(ACTOR, "acme", "team-0", user)
    organizations, teams, robots, tokens = process.organizations, process.teams, process.robots, process.tokens
    for size in (1, 2, 100):
        assert [
            each.user
            for each in await whole(lambda *at: organizations.members("acme", *at), lambda each: each.user, size)
        ] == users
        assert await whole(lambda *at: teams.members("acme", "team-0", *at), str, size) == users
        assert [
            each.name for each in await whole(lambda *at: teams.list("acme", *at), lambda each: each.name, size)
        ] == [f"team-{n}" for n in range(5)]
        assert [
            each.name for each in await whole(lambda *at: robots.list("acme", *at), lambda each: each.name, size)
        ] == [f"robot-{n}" for n in range(5)]
        found = await whole(lambda *at: tokens.by_name(users[0], *at), lambda each: each.name, size)
        assert [each.name for each in found] == [f"token-{n}" for n in range(5)]
        secrets = await whole(lambda *at: robots.secrets_by_hint("acme/robot-0", *at), lambda each: each.hint, size)
        assert len(secrets) == 6 and sorted(secrets, key=lambda each: each.hint) == secrets
