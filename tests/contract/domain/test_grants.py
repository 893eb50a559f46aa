"""Grants, and what changes of people, teams and organizations do to them."""

import pytest

from dockboard_registry.domain.accounts.accounts import Accounts
from dockboard_registry.domain.rights.grants import MOST
from dockboard_registry.errors import AccountUnknown, ChangeRefused, FieldInvalid
from tests.contract.aio import asynchronous
from tests.contract.domain.test_accounts import ME
from tests.contract.domain.test_overlap import overlapping
from tests.contract.domain.world import LONG, OPERATOR


@asynchronous
async def test_a_user_is_deleted_while_getting_a_grant(process, other):
    await process.people("bob", "ann")
    _, refused = await overlapping(
        process.db,
        lambda db: Accounts(db, process.passwords, LONG).delete(ME, "bob"),
        lambda: other.grants.add(ME, "ann/app", "user:bob", "read"),
    )
    assert isinstance(refused, AccountUnknown)
    assert await process.count("SELECT COUNT(*) FROM grants") == 0


@asynchronous
async def test_leaving_takes_teams_and_grants(process, other):
    await process.people("bob", "ann")
    await process.organizations.add(ME, "acme", "ann")
    await process.organizations.set_member(ME, "acme", "bob", "member")
    await process.teams.add(ME, "acme", "dev")
    await process.teams.add_member(ME, "acme", "dev", "bob")
    await process.grants.add(ME, "acme/app-*", "team:acme/dev", "write")
    await process.grants.add(ME, "acme/tool", "user:bob", "admin")
    assert await other.may("user:bob", "push", "acme/app-1") and await other.may("user:bob", "delete", "acme/tool")
    assert "team:acme/dev" in (await other.asked("user:bob", "push", "acme/app-1")).reason
    await process.organizations.remove_member(ME, "acme", "bob")
    for action, repository in (("push", "acme/app-1"), ("pull", "acme/app-1"), ("delete", "acme/tool")):
        assert not await other.may("user:bob", action, repository)


@asynchronous
async def test_disabled_means_nothing_at_all(process, other):
    await process.people("bob")
    assert await other.may("user:bob", "push", "bob/app")
    await process.accounts.set_state(ME, "bob", False)
    assert not await other.may("user:bob", "push", "bob/app")
    assert "disabled" in (await other.asked("user:bob", "pull", "bob/app")).reason
    await process.accounts.set_state(ME, "bob", True)
    assert await other.may("user:bob", "push", "bob/app")


@asynchronous
async def test_remembered_rights_are_read_again_only_after_a_change(process):
    await process.people("bob")
    known = await process.principals.get("user", (await process.accounts.get("bob")).id, 1)
    assert await process.principals.get("user", known.id, 1) is known
    assert await process.principals.get("user", known.id, 2) is not known
    assert await process.principals.get("user", 1, 2) is None


@asynchronous
async def test_grants_are_for_what_there_is(process):
    await process.people("bob")
    with pytest.raises(AccountUnknown, match="nobody holds"):
        await process.grants.add(ME, "acme/app", "user:bob", "read")
    for holder, kind in (
        ("user:nobody", AccountUnknown),
        ("team:a/b", AccountUnknown),
        ("robot:a/b", AccountUnknown),
        ("bob", FieldInvalid),
        ("team:a", FieldInvalid),
    ):
        with pytest.raises(kind):
            await process.grants.add(ME, "bob/app", holder, "read")
    with pytest.raises(FieldInvalid):
        await process.grants.add(ME, "bob/app", "user:bob", "all")
    with pytest.raises(FieldInvalid):
        await process.grants.add(ME, "*/app", "user:bob", "read")
    with pytest.raises(AccountUnknown):
        await process.grants.remove(ME, "bob/app", "user:bob")
    assert await process.grants.list() == []


@asynchronous
async def test_grants_are_listed_as_they_were_given(process):
    await process.people("bob", "ann")
    await process.organizations.add(ME, "acme", "ann")
    await process.teams.add(ME, "acme", "dev")
    await process.robots.add(ME, "acme/ci")
    given = [
        ("acme/**", "read", "user:bob"),
        ("acme/app", "write", "robot:acme/ci"),
        ("acme/app", "admin", "team:acme/dev"),
        ("app", "read", "user:bob"),
    ]
    for pattern, right, holder in given:
        await process.grants.add(ME, pattern, holder, right)
    assert [(grant.pattern, grant.right, grant.holder) for grant in await process.grants.list()] == given
    assert len(await process.grants.list("acme")) == 3
    await process.organizations.delete(ME, "acme")
    assert [grant.pattern for grant in await process.grants.list()] == ["app"]


@asynchronous
async def test_both_spellings_of_a_pattern_are_one_grant(process):
    """What was given on app is replaced and taken back as library/app, or somebody would keep a right that is thought
    to be gone.
    """
    await process.people("bob")
    for first, second in (("app", "library/app"), ("library/app", "app")):
        await process.grants.add(ME, first, "user:bob", "admin")
        await process.grants.add(ME, second, "user:bob", "read")
        assert [(grant.pattern, grant.right) for grant in await process.grants.list()] == [(second, "read")]
        await process.grants.remove(ME, first, "user:bob")
        assert await process.grants.list() == []
    for near in ("library/bob/app", "library/*"):
        await process.grants.add(ME, near, "user:bob", "read")
    await process.grants.add(ME, "bob/app", "user:bob", "write")
    assert len(await process.grants.list()) == 3


@asynchronous
async def test_nobody_is_given_more_grants_than_their_rights_are_quickly_read_with(process):
    await process.people("bob", "eve")
    await process.grants.add(OPERATOR, "eve/app", "user:bob", "read")
    row = (
        "INSERT INTO grants (id, holder_kind, holder_id, pattern, namespace, permission, created_at) SELECT ?,"
        " holder_kind, holder_id, ?, namespace, permission, 1 FROM grants"
    )

    def fill(tx) -> None:
        for number in range(1, MOST):
            tx.run(f"{row} WHERE pattern = 'eve/app'", number, f"eve/app{number}")

    await process.db.write(fill)
    with pytest.raises(ChangeRefused, match="1000 grants"):
        await process.grants.add(OPERATOR, "eve/more", "user:bob", "read")
    await process.grants.add(OPERATOR, "eve/app", "user:bob", "write")
    await process.grants.add(OPERATOR, "bob/app", "user:bob", "read")
    await process.grants.add(OPERATOR, "eve/more", "user:eve", "read")
