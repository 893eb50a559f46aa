"""People, organizations, teams, robots, grants and repositories' settings: what each change does, refuses, and writes
down.
"""

import pytest

from dockboard_registry.domain.access import rule
from dockboard_registry.domain.accounts.accounts import Accounts
from dockboard_registry.domain.accounts.organizations import Organizations
from dockboard_registry.domain.accounts.profiles import Profile
from dockboard_registry.domain.audit import Actor
from dockboard_registry.errors import AccountUnknown, ChangeRefused, FieldInvalid, NameUnknown
from dockboard_registry.names import RESERVED
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.test_overlap import overlapping
from tests.contract.domain.world import LONG, OPERATOR, image

ME = OPERATOR


async def counter(process) -> int:
    return await process.principals.access_version()


@asynchronous
async def test_without_an_account_the_counter_is_zero_and_the_setting_rules(process):
    assert await counter(process) == 0
    assert process.principals.anonymous(0).open
    assert not await process.may("anonymous", "pull", "app")
    assert rule.decide(process.principals.anonymous(0, local=True), "admin", rule.REGISTRY).allowed
    await process.people("bob")
    assert await counter(process) == 1
    assert not process.principals.anonymous(1).open
    assert not rule.decide(process.principals.anonymous(1, local=True), "pull", rule.repository("app")).allowed


@asynchronous
async def test_a_user_is_made_listed_and_deleted(process):
    await process.accounts.add(ME, "ann", None, Profile(email="ann@example.org", full_name="Ann Ä"), administrator=True)
    await process.people("bob", "cid")
    people = await process.accounts.list()
    assert [(person.name, person.email, person.state, person.administrator) for person in people] == [
        ("ann", "ann@example.org", "invited", True),
        ("bob", None, "active", False),
        ("cid", None, "active", False),
    ]
    assert [person.name for person in await process.accounts.list("bob", 1)] == ["cid"]
    await process.accounts.delete(ME, "bob")
    assert [person.name for person in await process.accounts.list()] == ["ann", "cid"]
    with pytest.raises(AccountUnknown):
        await process.accounts.get("bob")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "a",
        "Bob",
        "bob ",
        "bob\n",
        "b..b",
        "-bob",
        "bob-",
        "b/ob",
        "b__b",
        "bób",
        "ＢＯＢ",
        "ｂob",
        "ß",
        "b%b",
        "b\\b",
        "x" * 65,
        *sorted(RESERVED)[:3],
    ],
)
@asynchronous
async def test_names_that_nobody_gets(process, name):
    """Case, spaces, wildcards of LIKE, other alphabets, names of the registry itself: there are no two names that look
    or sort as one.
    """
    for made in (process.accounts.add(ME, name, None), process.organizations.add(ME, name, "bob")):
        with pytest.raises(FieldInvalid):
            await made
    assert await counter(process) == 0


@asynchronous
async def test_users_and_organizations_share_their_names(process):
    await process.people("bob")
    await process.organizations.add(ME, "acme", "bob")
    for made in (
        process.organizations.add(ME, "bob", "bob"),
        process.organizations.add(ME, "acme", "bob"),
        process.accounts.add(ME, "acme", None),
    ):
        with pytest.raises(ChangeRefused):
            await made


@asynchronous
async def test_a_name_that_was_given_up_is_free_only_after_its_quarantine(process):
    await process.people("bob", "ann")
    await process.accounts.delete(ME, "bob")
    with pytest.raises(ChangeRefused, match="not free yet"):
        await process.accounts.add(ME, "bob", None)
    with pytest.raises(ChangeRefused, match="not free yet"):
        await process.organizations.add(ME, "bob", "ann")
    await Accounts(process.db, process.passwords, 0).add(ME, "bob", None)


@asynchronous
async def test_a_namespace_with_repositories_goes_to_nobody_by_accident(process):
    await process.push(b"config", "bob/app")
    await process.put(image(b"config"), "v1", repository="bob/app")
    await process.push(b"config", "bobby/app")
    with pytest.raises(ChangeRefused, match="repositories"):
        await process.accounts.add(ME, "bob", None)
    await process.accounts.add(ME, "bob", None, adopt=True)
    # What was pushed when everyone saw everything is the owner's now, and not everyone's to see; the neighbour's is
    # untouched.
    found = {item.name: item.visibility for item in await process.repository_settings.list()}
    assert found == {"bob/app": "private", "bobby/app": "public"}


@asynchronous
async def test_what_was_said_of_an_empty_repository_ends_with_the_name(process):
    """Else what the next one of that name pushes there would be public without a word, as
    somebody else once wanted it.
    """
    await process.people("bob")
    await process.push(b"config", "bob/app")
    digest = await process.put(image(b"config"), "v1", repository="bob/app")
    await process.repository_settings.set(ME, "bob/app", "public", "Bob's")
    await process.manifests.delete("bob/app", digest)
    await process.accounts.delete(ME, "bob")
    await Accounts(process.db, process.passwords, 0).add(ME, "bob", None)
    found = await process.repository_settings.get("bob/app")
    assert (found.visibility, found.description) == ("private", None)


@asynchronous
async def test_the_last_administrator_stays(process):
    await process.people("bob", "ann")
    await process.accounts.set_administrator(ME, "bob", True)
    for change in (
        process.accounts.delete(ME, "bob"),
        process.accounts.set_state(ME, "bob", False),
        process.accounts.set_administrator(ME, "bob", False),
    ):
        with pytest.raises(ChangeRefused, match="last administrator"):
            await change
    await process.accounts.set_administrator(ME, "ann", True)
    await process.accounts.set_state(ME, "bob", False)
    with pytest.raises(ChangeRefused, match="last administrator"):
        await process.accounts.delete(ME, "ann")
    await process.accounts.delete(ME, "bob")


@asynchronous
async def test_the_last_owner_stays(process):
    await process.people("bob", "ann")
    await process.organizations.add(ME, "acme", "bob")
    for change in (
        process.organizations.remove_member(ME, "acme", "bob"),
        process.organizations.set_member(ME, "acme", "bob", "member"),
        process.accounts.delete(ME, "bob"),
    ):
        with pytest.raises(ChangeRefused, match="last owner"):
            await change
    await process.organizations.set_member(ME, "acme", "ann", "owner")
    await process.organizations.remove_member(ME, "acme", "bob")
    assert [(member.user, member.role) for member in await process.organizations.members("acme")] == [("ann", "owner")]


@asynchronous
async def test_two_owners_leave_at_once_and_one_stays(process, other):
    await process.people("bob", "ann")
    await process.organizations.add(ME, "acme", "bob")
    await process.organizations.set_member(ME, "acme", "ann", "owner")
    left, refused = await overlapping(
        process.db,
        lambda db: Organizations(db, LONG).remove_member(ME, "acme", "bob"),
        lambda: other.organizations.remove_member(ME, "acme", "ann"),
    )
    assert left is None and isinstance(refused, ChangeRefused)
    assert [member.user for member in await process.organizations.members("acme")] == ["ann"]


@asynchronous
async def test_the_same_name_is_taken_twice_at_once(process, other):
    """By the very first account too, when there is no row of the access version yet."""
    made, refused = await overlapping(
        process.db,
        lambda db: Accounts(db, process.passwords, LONG).add(ME, "bob", None),
        lambda: other.accounts.add(ME, "bob", None),
    )
    assert made is None and isinstance(refused, ChangeRefused)
    assert [person.name for person in await process.accounts.list()] == ["bob"]
    assert await counter(process) == 1


@asynchronous
async def test_ten_names_are_taken_by_two_processes(process, other):
    outcomes = await gathered(
        *(each.accounts.add(ME, f"user{number}", None) for number in range(10) for each in (process, other))
    )
    assert sum(outcome is None for outcome in outcomes) == 10
    assert sum(isinstance(outcome, ChangeRefused) for outcome in outcomes) == 10


@asynchronous
async def test_teams_consist_of_members(process):
    await process.people("bob", "ann", "cid")
    await process.organizations.add(ME, "acme", "bob")
    await process.teams.add(ME, "acme", "dev")
    with pytest.raises(ChangeRefused):
        await process.teams.add(ME, "acme", "dev")
    with pytest.raises(AccountUnknown, match="no member"):
        await process.teams.add_member(ME, "acme", "dev", "ann")
    await process.organizations.set_member(ME, "acme", "ann", "member")
    for _ in range(2):
        await process.teams.add_member(ME, "acme", "dev", "ann")
    assert await process.teams.members("acme", "dev") == ["ann"]
    assert [(str(team), team.members) for team in await process.teams.list("acme")] == [("acme/dev", 1)]
    await process.organizations.remove_member(ME, "acme", "ann")
    assert await process.teams.members("acme", "dev") == []
    with pytest.raises(AccountUnknown):
        await process.teams.remove_member(ME, "acme", "dev", "ann")


@asynchronous
async def test_a_change_on_one_process_counts_at_the_next_question_on_another(process, other):
    await process.people("bob", "ann")
    await process.organizations.add(ME, "acme", "ann")
    await process.push(b"config", "acme/app")
    assert not await other.may("user:bob", "pull", "acme/app")
    await process.grants.add(ME, "acme/app", "user:bob", "write")
    assert await other.may("user:bob", "push", "acme/app") and not await other.may("user:bob", "delete", "acme/app")
    await process.grants.add(ME, "acme/app", "user:bob", "read")
    assert not await other.may("user:bob", "push", "acme/app") and await other.may("user:bob", "pull", "acme/app")
    await process.grants.remove(ME, "acme/app", "user:bob")
    assert not await other.may("user:bob", "pull", "acme/app")
    await process.repository_settings.set_visibility(ME, "acme/app", "public")
    assert await other.may("user:bob", "pull", "acme/app") and not await other.may("anonymous", "pull", "acme/app")
    await process.repository_settings.set_visibility(ME, "acme/app", "private")
    assert not await other.may("user:bob", "pull", "acme/app")
    await process.accounts.set_administrator(ME, "bob", True)
    assert await other.may("user:bob", "delete", "acme/app")


@asynchronous
async def test_an_organization_goes_with_all_that_is_its_own(process, other):
    await process.people("bob", "ann")
    await process.organizations.add(ME, "acme", "ann")
    await process.teams.add(ME, "acme", "dev")
    secret = await process.robots.add(ME, "acme/ci")
    await process.grants.add(ME, "acme/app", "user:bob", "read")
    await process.push(b"config", "acme/app")
    await process.organizations.delete(ME, "acme")
    assert (await other.tokens.find(secret))[1] is None
    assert not await other.may("user:bob", "pull", "acme/app") and not await other.may("user:ann", "pull", "acme/app")
    for table_rows in (
        "SELECT COUNT(*) FROM teams",
        "SELECT COUNT(*) FROM robots",
        "SELECT COUNT(*) FROM grants",
        "SELECT COUNT(*) FROM members",
    ):
        assert await process.count(table_rows) == 0


@asynchronous
async def test_the_first_push_makes_a_repository_as_its_namespace_wants_it(process):
    await process.people("bob")
    await process.push(b"one", "bob/private")
    await process.repository_settings.set_default(ME, "bob", "public")
    await process.push(b"two", "bob/public")
    await process.repository_settings.set_default(ME, "bob", "private")
    await process.push(b"three", "app")
    found = {item.name: item.visibility for item in await process.repository_settings.list()}
    assert found == {"bob/private": "private", "bob/public": "public", "app": "public"}
    await process.repository_settings.set_default(ME, "library", "private")
    assert (await process.principals.facts("app")).object.visibility == "private"


@asynchronous
async def test_without_accounts_nobody_shuts_out_everyone_by_a_setting(process):
    await process.push(b"one", "bob/app")
    for change in (
        process.repository_settings.set_visibility(ME, "bob/app", "private"),
        process.repository_settings.set_default(ME, "library", "private"),
    ):
        with pytest.raises(ChangeRefused, match="no accounts"):
            await change
    assert (await process.principals.facts("bob/app")).access_version == 0


@asynchronous
async def test_repositories_are_described(process):
    await process.people("bob")
    await process.push(b"one", "bob/app")
    await process.repository_settings.set_description(ME, "bob/app", "What it is: ä")
    assert (await process.repository_settings.list())[0].description == "What it is: ä"
    for change in (
        process.repository_settings.set_visibility(ME, "bob/none", "public"),
        process.repository_settings.set_description(ME, "bob/none", ""),
    ):
        with pytest.raises(NameUnknown):
            await change
    with pytest.raises(FieldInvalid):
        await process.repository_settings.set_visibility(ME, "bob/app", "secret")
    with pytest.raises(FieldInvalid):
        await process.repository_settings.set_description(ME, "bob/app", "x" * 4001)


@pytest.mark.parametrize(
    "profile",
    [*(Profile(url=url) for url in ("http:", "https://", "ftp://example.org", "https://a b", "//example.org",
     "https://[", "https://x:y", "https:\\\\x", "https://x/\n", "https://" + "x" * 1000)),
     Profile(email="nobody"), Profile(email="a@b\n"), Profile(full_name="a\u202eb"), Profile(company="\x1b[1m"),
     Profile(url="javascript:alert(1)"), Profile(location="x" * 256)],
)  # fmt: skip
@asynchronous
async def test_what_a_profile_may_not_say(process, profile):
    with pytest.raises(FieldInvalid):
        await process.accounts.add(ME, "bob", None, profile)


@asynchronous
async def test_a_profile_is_changed_field_by_field(process):
    await process.people("bob")

    async def changed(**fields) -> tuple:
        await process.accounts.change(ME, "bob", fields)
        person = await process.accounts.get("bob")
        return person.email, person.full_name, person.company, person.location, person.url, person.avatar_hash

    of_bob = "686b5e4cf4f963adf8f51468a48028ef8d15bd02fa335f821279a3d1678c9615"  # SHA-256 of bob@example.org
    whole = await changed(
        email="Bob@example.org", full_name="Bob Ä", company="Acme", location="Here", url="https://example.org/~bob?x=1"
    )
    assert whole == ("Bob@example.org", "Bob Ä", "Acme", "Here", "https://example.org/~bob?x=1", of_bob)
    assert (await changed(avatar_hash="0" * 32, company=""))[2::3] == (None, "0" * 32)
    assert (await changed(location=None))[3::2] == (None, "0" * 32)
    assert (await changed(avatar_hash=""))[-1] == of_bob
    assert (await changed(email=""))[::5] == (None, None)
    for wrong in ("0" * 31, "F" * 64, "<script>"):
        with pytest.raises(FieldInvalid):
            await changed(avatar_hash=wrong)


@asynchronous
async def test_every_change_is_written_down_and_nothing_that_failed(process):
    await process.people("bob", "ann")
    await process.organizations.add(ME, "acme", "bob")
    with pytest.raises(ChangeRefused):
        await process.organizations.remove_member(ME, "acme", "bob")
    await process.grants.add(ME, "acme/app", "user:ann", "read")
    events = await process.audit.list()
    assert [event.action for event in events] == ["grant.add", "org.add", "user.add", "user.add"]
    assert (events[0].actor, events[0].address, events[0].object) == ("console", "local", "repository acme/app")
    assert events[0].detail == {"to": "user:ann", "right": "read"}
    assert [event.object for event in await process.audit.list(action="user.add")] == ["user ann", "user bob"]
    assert await process.audit.list(object="org acme", actor="console") == [events[1]]
    for name, actor, role in (("user ann", "ann", "owner"), ("robot acme/ci", "acme/ci", "member")):
        await process.organizations.set_member(Actor(name, "here"), "acme", "ann", role)
        assert (
            [event.actor for event in await process.audit.list(actor=actor)]
            == [event.actor for event in await process.audit.list(actor=name)]
            == [name]
        )
    assert await process.audit.list(before=events[1].id, limit=1) == [events[2]]
    assert await process.audit.list(since=events[0].happened_at + 60_000) == []


@asynchronous
async def test_what_people_ask_about_is_found_by_its_words(process):
    found = await process.principals.named("anonymous")
    assert found.open
    await process.people("bob")
    assert (await process.principals.named("bob")).name == "bob"
    for who, kind in (
        ("nobody", AccountUnknown),
        ("robot:acme", FieldInvalid),
        ("", AccountUnknown),
        ("alien:bob", FieldInvalid),
    ):
        with pytest.raises(kind):
            await process.principals.named(who)
