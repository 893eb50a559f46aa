"""Users, organizations, members and robot accounts: filtered, sorted, and read by the page in both directions."""

import pytest

from dockboard_registry.domain.accounts.account_lists import ADMINISTRATORS
from dockboard_registry.domain.accounts.profiles import Profile
from dockboard_registry.domain.audit import Actor
from dockboard_registry.domain.rights import effective_rights
from dockboard_registry.errors import AccountUnknown, FieldInvalid
from tests.contract.aio import asynchronous
from tests.contract.domain.placement import everywhere

ACTOR = Actor("console", "")


async def forth_and_back(read, size: int) -> list:
    """All items, read by the page to the end. From there the same pages come in the other direction."""
    pages = [await read("", False, size)]
    while pages[-1].later is not None:
        pages.append(await read(pages[-1].later, False, size))
    again = [pages[-1]]
    while again[0].earlier is not None:
        again.insert(0, await read(again[0].earlier, True, size))
    assert [page.items for page in again] == [page.items for page in pages]
    assert all(len(page.items) <= size for page in pages)
    return [item for page in pages for item in page.items]


async def names(read, size: int) -> list[str]:
    return [item.name for item in await forth_and_back(read, size)]


@everywhere
@asynchronous
async def test_users_are_filtered_and_sorted(process):
    await process.people("ann", "bob", "eve", "zoe")
    await process.accounts.set_administrator(ACTOR, "ann", True)
    await process.accounts.set_profile(ACTOR, "bob", Profile("Robert@Example.org", "Bob 50%_!"))
    await process.accounts.set_state(ACTOR, "eve", False)
    for seen in ("zoe", "bob"):
        await process.logins.seen((await process.accounts.get(seen)).id)
    lists = process.lists

    async def listed(size: int, part: str = "", state: str = "", order: str = "name") -> list[str]:
        return await names(lambda key, before, limit: lists.users(part, state, order, key, before, limit), size)

    for size in (1, 2, 3, 100):
        assert await listed(size) == ["ann", "bob", "eve", "zoe"]
        assert sorted((await listed(size, order="seen"))[:2]) == ["bob", "zoe"]
        assert sorted(await listed(size, order="made")) == ["ann", "bob", "eve", "zoe"]
    assert await listed(10, "robert@EXAMPLE") == ["bob"]
    assert await listed(10, "50%_!") == ["bob"] and await listed(10, "5%") == []
    assert await listed(10, state="disabled") == ["eve"]
    assert await listed(10, state=ADMINISTRATORS) == ["ann"]
    assert await lists.count_users() == 4 and await lists.count_users("b") == 1
    person = (await lists.users("bob")).items[0]
    assert person == await process.accounts.get("bob")


@everywhere
@asynchronous
async def test_a_list_has_its_orders_and_keys_only(process):
    await process.people("ann")
    for wrong in ({"order": "password"}, {"order": "seen", "key": "ann"}, {"order": "seen", "key": "x~ann"}):
        with pytest.raises(FieldInvalid):
            await process.lists.users(**wrong)
    with pytest.raises(AccountUnknown):
        await process.lists.members("acme")


@everywhere
@asynchronous
async def test_members_come_with_role_and_teams(process):
    users = [f"user-{number}" for number in range(5)]
    await process.people(*users, "eve")
    await process.organizations.add(ACTOR, "acme", users[0])
    await process.organizations.add(ACTOR, "other", "eve")
    for user in users[1:]:
        await process.organizations.set_member(ACTOR, "acme", user, "member")
    for team, members in (("dev", users[1:3]), ("ops", users[2:4])):
        await process.teams.add(ACTOR, "acme", team)
        for user in members:
            await process.teams.add_member(ACTOR, "acme", team, user)
    await process.organizations.set_member(ACTOR, "acme", "user-4", "owner")
    lists = process.lists
    for size in (1, 2, 100):
        found = await forth_and_back(lambda *at: lists.members("acme", "", "", "name", *at), size)
        assert [(member.name, member.role, member.teams) for member in found] == [
            ("user-0", "owner", ()),
            ("user-1", "member", ("dev",)),
            ("user-2", "member", ("dev", "ops")),
            ("user-3", "member", ("ops",)),
            ("user-4", "owner", ()),
        ]
        by_role = await names(lambda *at: lists.members("acme", "", "", "role", *at), size)
        assert sorted(by_role[:2]) == ["user-0", "user-4"]
    assert [member.name for member in (await lists.members("acme", "R-3")).items] == ["user-3"]
    assert await lists.count_members("acme", role="owner") == 2


@everywhere
@asynchronous
async def test_organizations_and_robots(process):
    await process.people("ann", "bob")
    for name in ("acme", "beta"):
        await process.organizations.add(ACTOR, name, "ann")
    await process.organizations.set_member(ACTOR, "beta", "bob", "member")
    lists = process.lists
    for size in (1, 5):
        assert await names(lambda *at: lists.organizations("", "name", *at), size) == ["acme", "beta"]
        assert await names(lambda *at: lists.organizations("", "members", *at), size) == ["beta", "acme"]
    assert [found.members for found in (await lists.organizations("BET")).items] == [2]
    assert await lists.count_organizations() == 2
    for name in ("ci", "deploy"):
        await process.robots.add(ACTOR, f"acme/{name}")
    await process.robots.rotate(ACTOR, "acme/ci", 3600)
    await process.robots.set_state(ACTOR, "acme/deploy", False)
    for size in (1, 5):
        found = await forth_and_back(lambda *at: lists.robots("acme", "", *at), size)
        assert [(robot.name, robot.state, robot.secrets) for robot in found] == [
            ("ci", "active", 2),
            ("deploy", "disabled", 1),
        ]
    assert found[0].ends_at is not None and found[1].ends_at is None


@everywhere
@asynchronous
async def test_what_belongs_to_an_account_is_counted(process):
    await process.people("ann", "bob")
    await process.organizations.add(ACTOR, "acme", "ann")
    await process.organizations.set_member(ACTOR, "acme", "bob", "member")
    await process.teams.add(ACTOR, "acme", "dev")
    await process.teams.add_member(ACTOR, "acme", "dev", "bob")
    await process.robots.add(ACTOR, "acme/ci")
    for pattern in ("acme/**", "acme/app"):
        await process.grants.add(ACTOR, pattern, "team:acme/dev", "write")
    await process.tokens.add(ACTOR, "bob", "laptop")
    lists = process.lists
    assert await lists.contents("acme") == (2, 1, 1, 2)
    assert await lists.holdings("bob") == (1, 0, 1)
    member = await lists.member("acme", "bob")
    assert (member.name, member.role, member.teams) == ("bob", "member", ("dev",))
    assert [grant.pattern for grant in await process.grants.held("team:acme/dev")] == ["acme/**", "acme/app"]
    for unknown in (lists.member("acme", "eve"), lists.contents("none"), lists.holdings("eve")):
        with pytest.raises(AccountUnknown):
            await unknown
    with pytest.raises(AccountUnknown):
        await lists.member("acme", (await another(process)))


async def another(process) -> str:
    """A user who is no member."""
    await process.people("dora")
    return "dora"


@everywhere
@asynchronous
async def test_who_has_rights_to_a_repository(process):
    await process.people("ann", "bob", "eve")
    await process.organizations.add(ACTOR, "acme", "ann")
    await process.organizations.set_member(ACTOR, "acme", "bob", "member")
    for pattern, holder in (("acme/**", "user:bob"), ("acme/app", "user:eve"), ("acme/other", "user:eve")):
        await process.grants.add(ACTOR, pattern, holder, "write")
    found = await effective_rights.access(process.db, "acme/app", "", 1)
    assert (found.owner, found.owners, found.owner_count, found.member_count) == (None, ["ann"], 1, 1)
    assert [grant.holder for grant in found.grants] == ["user:bob"] and found.later == "acme/** user:bob"
    found = await effective_rights.access(process.db, "acme/app", found.later, 5)
    assert [grant.pattern for grant in found.grants] == ["acme/app"] and found.later is None
    assert (await effective_rights.access(process.db, "ann/app", "", 5)).owner == "ann"
    assert (await effective_rights.access(process.db, "app", "", 5)) == (None, [], 0, 0, [], None)
