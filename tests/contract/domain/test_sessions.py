"""Sessions of browsers: what counts, for how long, and what ends them; and the preferences of users."""

import secrets

import pytest

from dockboard_registry.db import now
from dockboard_registry.domain.access.rule import USER, Identity
from dockboard_registry.domain.accounts.preferences import Preferences
from dockboard_registry.domain.audit import Actor
from dockboard_registry.domain.credentials.one_time import RESET
from dockboard_registry.domain.credentials.sessions import CONFIRMED_MS, MOST, SEEN_MS, Sessions
from dockboard_registry.errors import AccountUnknown, FieldInvalid, Unauthorized
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OPERATOR

BOB = Actor("user bob", "192.0.2.7")
HERE, BROWSER = "192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
HOUR, DAY = 3600_000, 86400_000
PASSWORD = "staple battery horse"


async def identity(process, name: str) -> Identity:
    found = await process.principals.named(name)
    return Identity(USER, found.id, found.credential_generation)


async def signed_in(process, name: str = "bob") -> str:
    """The secret of a new session."""
    return await process.sessions.start(await identity(process, name), HERE, BROWSER)


async def moved(process, column: str, milliseconds: int) -> None:
    """Let a time of all sessions be earlier."""
    await process.db.write(
        lambda tx: tx.run(f"UPDATE browser_sessions SET {column} = {column} - ?", milliseconds),
    )


async def rows(process) -> int:
    return (await process.db.read(lambda tx: tx.one("SELECT COUNT(*) FROM browser_sessions")))[0]


@asynchronous
async def test_a_session_says_whose_it_is(process, other):
    await process.people("bob")
    secret = await signed_in(process)
    found = await other.sessions.find(secret)
    assert found.user == "bob" and found.identity == await identity(process, "bob")
    assert found.access_version == await process.principals.access_version()
    assert found.confirmed and process.sessions.seen_lately(found) and found.preferences == Preferences()
    assert abs(found.made_at - now()) < 60_000
    stored = repr(await process.db.scan(lambda tx: tx.all("SELECT * FROM browser_sessions")))
    assert secret not in stored and "Firefox" in stored


@pytest.mark.parametrize("text", ["", "x", "ä" * 43, "a" * 44, "b" * 43, "b" * 43 + "\n"])
@asynchronous
async def test_other_texts_are_no_secrets(process, text):
    await process.people("bob")
    await signed_in(process)
    assert await process.sessions.find(text) is None


@asynchronous
async def test_what_a_browser_says_of_itself_is_cut_and_shown(process):
    await process.people("bob")
    await process.sessions.start(await identity(process, "bob"), HERE, "a\nb\u202e" + "x" * 1000)
    (listed,) = await process.sessions.list("bob")
    assert listed.browser == "a?b?" + "x" * 251 and listed.address == HERE


@asynchronous
async def test_a_session_ends_when_it_is_idle_and_after_a_week(process):
    await process.people("bob")
    secret = await signed_in(process)
    await moved(process, "seen_at", 8 * HOUR - 60_000)
    found = await process.sessions.find(secret)
    assert not process.sessions.seen_lately(found)
    await process.sessions.seen(found)
    await moved(process, "made_at", 7 * DAY - 60_000)
    assert process.sessions.seen_lately(await process.sessions.find(secret))
    await moved(process, "made_at", 60_000)
    assert await process.sessions.find(secret) is None and await process.sessions.list("bob") == []
    secret = await signed_in(process)
    await moved(process, "seen_at", 8 * HOUR)
    assert await process.sessions.find(secret) is None and await process.sessions.list("bob") == []
    assert await rows(process) == 2
    await process.sessions.tidy()
    assert await rows(process) == 0


@asynchronous
async def test_it_is_noted_once_in_five_minutes_that_a_session_was_used(process):
    await process.people("bob")
    secret = await signed_in(process)
    await moved(process, "seen_at", SEEN_MS - 60_000)
    before = await process.sessions.find(secret)
    await process.sessions.seen(before)
    assert (await process.sessions.find(secret)).seen_at == before.seen_at


@pytest.mark.parametrize(
    ("idle", "noted"), [(60, 15_000), (299, 74_750), (1200, SEEN_MS), (1201, SEEN_MS), (28800, SEEN_MS)]
)
@asynchronous
async def test_who_goes_on_stays_signed_in_however_short_sessions_are(process, idle, noted):
    sessions = Sessions(process.db, idle, 7 * DAY / 1000)
    await process.people("bob")
    secret = await signed_in(process)
    await moved(process, "seen_at", noted - 5_000)
    assert sessions.seen_lately(await sessions.find(secret))
    for _ in range(5):
        await moved(process, "seen_at", noted)
        used = await sessions.find(secret)
        assert not sessions.seen_lately(used)
        await sessions.seen(used)
        assert sessions.seen_lately(await sessions.find(secret))
    await moved(process, "seen_at", idle * 1000)
    assert await sessions.find(secret) is None


@asynchronous
async def test_a_password_disabling_and_a_change_of_role_end_every_session(process, other):
    await process.people("ann", "bob")
    await process.accounts.set_administrator(OPERATOR, "ann", True)

    async def ended_by(change) -> None:
        found = [await signed_in(process), await signed_in(process)]
        kept = await signed_in(process, "ann")
        await change
        assert [await other.sessions.find(secret) for secret in found] == [None, None]
        assert await other.sessions.list("bob") == []
        assert (await other.sessions.find(kept)).user == "ann"

    await ended_by(process.accounts.set_password(OPERATOR, "bob", PASSWORD))
    await ended_by(process.accounts.set_state(OPERATOR, "bob", False))
    await process.accounts.set_state(OPERATOR, "bob", True)
    assert await other.sessions.list("bob") == []
    await ended_by(process.accounts.set_administrator(OPERATOR, "bob", True))
    await ended_by(process.accounts.set_administrator(OPERATOR, "bob", False))
    secret = await signed_in(process)
    await process.accounts.delete(OPERATOR, "bob")
    assert await other.sessions.find(secret) is None
    assert await rows(process) == len(await process.sessions.list("ann"))


@asynchronous
async def test_nobody_signs_in_with_a_password_that_was_just_replaced(process):
    await process.people("bob")
    before = await identity(process, "bob")
    await process.accounts.set_password(OPERATOR, "bob", PASSWORD)
    with pytest.raises(Unauthorized, match="changed at this moment"):
        await process.sessions.start(before, HERE, BROWSER)
    await process.accounts.set_state(OPERATOR, "bob", False)
    with pytest.raises(Unauthorized):
        await signed_in(process)


@asynchronous
async def test_the_session_in_which_the_password_was_changed_goes_on_with_a_new_secret(process):
    await process.people("bob")
    secret, stolen = await signed_in(process), await signed_in(process)
    session = await process.sessions.find(secret)
    await process.accounts.set_password(OPERATOR, "bob", PASSWORD)
    renewed = await process.sessions.renew(session)
    found = await process.sessions.find(renewed)
    assert found.id == session.id and found.made_at == session.made_at and found.confirmed
    assert [await process.sessions.find(each) for each in (secret, stolen)] == [None, None]


@asynchronous
async def test_a_session_does_not_go_on_beyond_a_password_that_another_set(process):
    await process.people("bob")
    session = await process.sessions.find(await signed_in(process))
    await process.accounts.set_password(OPERATOR, "bob", PASSWORD)
    await process.accounts.set_password(OPERATOR, "bob", "another battery horse")
    assert await process.sessions.find(await process.sessions.renew(session)) is None


@asynchronous
async def test_a_password_that_was_entered_counts_for_a_quarter_of_an_hour(process):
    await process.people("bob")
    secret = await signed_in(process)
    await moved(process, "confirmed_at", CONFIRMED_MS)
    found = await process.sessions.find(secret)
    assert not found.confirmed
    await process.sessions.confirm(found)
    assert (await process.sessions.find(secret)).confirmed


@asynchronous
async def test_a_user_has_fifty_sessions_at_most(process):
    await process.people("ann", "bob")
    kept = await signed_in(process, "ann")
    first = await signed_in(process)
    await moved(process, "seen_at", 60_000)
    second = await signed_in(process)
    await moved(process, "seen_at", 60_000)
    for _ in range(MOST - 2):
        await signed_in(process)
    assert await process.sessions.find(first) and len(await process.sessions.list("bob")) == MOST
    await signed_in(process)
    assert await process.sessions.find(first) is None and await process.sessions.find(second)
    assert len(await process.sessions.list("bob")) == MOST and await process.sessions.find(kept)


@asynchronous
async def test_sessions_are_listed_and_ended_one_by_one_and_together(process):
    await process.people("ann", "bob")
    foreign = await process.sessions.find(await signed_in(process, "ann"))
    found = [await process.sessions.find(await signed_in(process)) for _ in range(4)]
    assert {each.id for each in await process.sessions.list("bob")} == {each.id for each in found}
    await process.sessions.end(found[0].id)
    await process.sessions.revoke(OPERATOR, "bob", found[1].id)
    for id in (found[1].id, foreign.id, 7):
        with pytest.raises(AccountUnknown):
            await process.sessions.revoke(OPERATOR, "bob", id)
    assert await process.sessions.revoke_all(OPERATOR, "bob", found[2].id) == 1
    assert [each.id for each in await process.sessions.list("bob")] == [found[2].id]
    assert await process.sessions.revoke_all(OPERATOR, "bob") == 1
    assert await process.sessions.revoke_all(OPERATOR, "bob") == 0
    assert [each.id for each in await process.sessions.list("ann")] == [foreign.id]
    noted = [event.detail for event in await process.audit.list(action="session.end")]
    assert noted == [{"sessions": 1}] * 3


@asynchronous
async def test_preferences_are_kept_with_the_account(process, other):
    await process.people("ann", "bob")
    secret = await signed_in(process)
    assert await process.preferences.get("bob") == Preferences()
    await process.preferences.change(OPERATOR, "bob", {"zone": "Europe/Berlin", "shortcuts": False})
    await process.preferences.change(OPERATOR, "bob", {"language": "zh", "theme": "dark", "client": "podman"})
    chosen = Preferences("Europe/Berlin", "zh", "dark", False, "podman")
    assert await other.preferences.get("bob") == (await other.sessions.find(secret)).preferences == chosen
    await process.preferences.change(OPERATOR, "bob", dict.fromkeys(("zone", "language", "client"), ""))
    assert await other.preferences.get("bob") == Preferences(theme="dark", shortcuts=False)
    assert await other.preferences.get("ann") == Preferences()
    with pytest.raises(AccountUnknown):
        await process.preferences.get("eve")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("zone", "Europe/Atlantis"),
        ("zone", "../../etc/passwd"),
        ("zone", "x" * 65),
        ("language", "de"),
        ("theme", "pink"),
        ("theme", ""),
        ("client", "Docker!"),
        ("client", "x" * 17),
    ],
)
@asynchronous
async def test_what_no_preference_is(process, field, value):
    await process.people("bob")
    with pytest.raises(FieldInvalid, match=field):
        await process.preferences.change(OPERATOR, "bob", {field: value})


@asynchronous
async def test_a_session_knows_whether_somebody_else_set_the_password(process):
    async def given() -> bool:
        return (await process.sessions.find(await signed_in(process))).given

    await process.people("bob")
    assert not await given()
    await process.accounts.set_password(OPERATOR, "bob", PASSWORD)
    assert await given()
    for active in (False, True):
        await process.accounts.set_state(OPERATOR, "bob", active)
    assert await given()
    await process.accounts.set_password(BOB, "bob", PASSWORD)
    assert not await given()
    await process.accounts.set_password(Actor("user ann", HERE), "bob", PASSWORD)
    assert await given()
    await process.one_time.redeem(HERE, await process.one_time.make(OPERATOR, "bob", RESET), RESET, PASSWORD)
    assert not await given()


@asynchronous
async def test_whoever_makes_an_account_may_say_that_its_user_chose_the_password(process):
    await process.accounts.add(OPERATOR, "bob", PASSWORD)
    await process.accounts.add(OPERATOR, "ann", PASSWORD, own=True)
    for name, given in (("bob", True), ("ann", False)):
        assert (await process.sessions.find(await signed_in(process, name))).given is given
