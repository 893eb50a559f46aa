"""Undoing the deletion of an organization: all of it is as it was, as long as its name is nobody's."""

import pytest

from dockboard_registry.domain.accounts import organizations
from dockboard_registry.errors import AccountUnknown, ChangeRefused
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OPERATOR

TABLES = (
    "organizations",
    "members",
    "teams",
    "team_members",
    "robots",
    "access_tokens",
    "grants",
    "quotas",
    "namespaces",
)


async def rows(process) -> dict[str, list]:
    return {
        table: await process.db.scan(lambda tx, table=table: sorted(map(repr, tx.all(f"SELECT * FROM {table}"))))
        for table in TABLES
    }


async def acme(process) -> str:
    """An organization with all that one has; the secret of its robot account."""
    await process.people("ann", "bob", "cid")
    await process.organizations.add(OPERATOR, "acme", "ann")
    await process.organizations.add(OPERATOR, "other", "cid")
    await process.organizations.set_member(OPERATOR, "acme", "bob", "member")
    await process.teams.add(OPERATOR, "acme", "dev")
    await process.teams.add_member(OPERATOR, "acme", "dev", "bob")
    secret = await process.robots.add(OPERATOR, "acme/ci")
    for pattern, holder in (
        ("acme/**", "team:acme/dev"),
        ("acme/app", "user:cid"),
        ("other/app", "robot:acme/ci"),
        ("acme/x", "robot:acme/ci"),
    ):
        await process.grants.add(OPERATOR, pattern, holder, "write")
    return secret


@asynchronous
async def test_all_is_as_it_was(process):
    await acme(process)
    before = await rows(process)
    await process.organizations.delete(OPERATOR, "acme")
    for who, repository in (("user:bob", "acme/app"), ("user:cid", "acme/app")):
        assert not await process.may(who, "push", repository)
    assert await process.count("SELECT COUNT(*) FROM grants") == 0
    await process.organizations.restore(OPERATOR, "acme")
    assert await rows(process) == before
    for who, repository in (("user:bob", "acme/app"), ("user:cid", "acme/app"), ("robot:acme/ci", "other/app")):
        assert await process.may(who, "push", repository)
    assert await process.count("SELECT COUNT(*) FROM deleted_organizations") == 0
    assert [event.action for event in await process.audit.list(object="org acme")][:2] == ["org.restore", "org.delete"]
    with pytest.raises(AccountUnknown):
        await process.organizations.restore(OPERATOR, "acme")


@asynchronous
async def test_who_is_gone_meanwhile_does_not_come_back(process):
    await acme(process)
    await process.organizations.delete(OPERATOR, "acme")
    await process.accounts.set_administrator(OPERATOR, "bob", True)
    await process.accounts.delete(OPERATOR, "ann")
    with pytest.raises(ChangeRefused, match="no owner"):
        await process.organizations.restore(OPERATOR, "acme")
    assert await process.organizations.list() == [await process.organizations.get("other")]
    await process.organizations.restore(OPERATOR, "acme", "bob")
    assert [(member.user, member.role) for member in await process.organizations.members("acme")] == [("bob", "owner")]


@asynchronous
async def test_a_name_that_is_free_again_is_not_given_back(process):
    await acme(process)
    await process.organizations.delete(OPERATOR, "acme")
    impatient = organizations.Organizations(process.db, 0)
    with pytest.raises(ChangeRefused, match="too long ago"):
        await impatient.restore(OPERATOR, "acme")
    await impatient.add(OPERATOR, "acme", "cid")
    with pytest.raises(AccountUnknown):
        await process.organizations.restore(OPERATOR, "acme")
    await impatient.forget()
    assert await process.count("SELECT COUNT(*) FROM deleted_organizations") == 0


@asynchronous
async def test_nothing_but_a_deleted_organization_is_restored(process):
    await acme(process)
    await process.accounts.delete(OPERATOR, "bob")
    for name in ("acme", "bob", "nobody"):
        with pytest.raises(AccountUnknown):
            await process.organizations.restore(OPERATOR, name)


@asynchronous
async def test_rights_in_a_namespace_that_was_given_up_meanwhile_do_not_come_back(process):
    """They would count for the images of whoever has its name next."""
    await acme(process)
    await process.people("eve")
    await process.grants.add(OPERATOR, "eve/app", "team:acme/dev", "write")
    await process.organizations.delete(OPERATOR, "acme")
    await process.accounts.delete(OPERATOR, "eve")
    await process.organizations.restore(OPERATOR, "acme")
    assert await process.count("SELECT COUNT(*) FROM grants WHERE namespace = 'eve'") == 0
    assert await process.count("SELECT COUNT(*) FROM grants") == 4
