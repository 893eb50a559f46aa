"""Passwords, tokens, robots' secrets and one-time tokens: what counts, for how long, and what guessing costs."""

import asyncio

import pytest

from dockboard_registry.clients import Client, current_client
from dockboard_registry.db import now
from dockboard_registry.domain.access import rule
from dockboard_registry.domain.accounts.accounts import Accounts
from dockboard_registry.domain.accounts.profiles import Profile
from dockboard_registry.domain.credentials.one_time import LIFE_MS, OneTimeTokens
from dockboard_registry.domain.credentials.throttle import FREE, account_key
from dockboard_registry.errors import AccountUnknown, ChangeRefused, FieldInvalid, TooManyRequests, Unauthorized
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.test_overlap import overlapping
from tests.contract.domain.world import LONG, OPERATOR

ME = OPERATOR
PASSWORD = "staple battery horse"
HERE = "192.0.2.7"


async def stored(process, name: str) -> str | None:
    return (await process.db.read(lambda tx: tx.one("SELECT password FROM users WHERE name = ?", name)))[0]


async def everything(process) -> str:
    """All that the tables of accounts hold, as text."""

    def rows(tx) -> list:
        return [
            *tx.all("SELECT * FROM users"),
            *tx.all("SELECT * FROM access_tokens"),
            *tx.all("SELECT * FROM one_time_tokens"),
            *tx.all("SELECT * FROM failures"),
            *tx.all("SELECT * FROM audit"),
        ]

    return repr(await process.db.scan(rows))


@asynchronous
async def test_a_password_lets_in_until_it_is_another(process, other):
    await process.accounts.add(ME, "bob", PASSWORD)
    id = (await process.accounts.get("bob")).id
    assert (await stored(process, "bob")).startswith("$scrypt$ln=15,r=8,p=3$")
    assert (await other.logins.check("bob", PASSWORD, HERE)).id == id
    before = (await process.principals.named("bob")).credential_generation
    await process.accounts.set_password(ME, "bob", "another battery horse")
    assert (await other.principals.named("bob")).credential_generation == before + 1
    with pytest.raises(Unauthorized):
        await other.logins.check("bob", PASSWORD, HERE)
    await process.accounts.set_state(ME, "bob", False)
    with pytest.raises(Unauthorized, match="this account is disabled"):
        await other.logins.check("bob", "another battery horse", HERE)
    for name, password in (
        ("bob", "another battery horses"),
        ("bob", ""),
        ("nobody", PASSWORD),
        ("", ""),
        ("x" * 5000, "x\0" * 5000),
        ("b\0b", "\ud800"),
    ):
        with pytest.raises(Unauthorized, match="name or password is wrong"):
            await other.logins.check(name, password, f"198.51.100.{len(name) % 200}")
    assert PASSWORD not in await everything(process)


@asynchronous
async def test_an_imported_hash_is_replaced_at_the_first_login(process):
    await process.people("bob")
    assert await process.logins.check("bob", "correct horse", HERE)
    assert (await stored(process, "bob")).startswith("$scrypt$")
    assert await process.logins.check("bob", "correct horse", HERE)


@asynchronous
async def test_more_logins_than_may_wait_are_told_so_and_the_others_get_their_answer(process):
    await process.accounts.add(ME, "bob", PASSWORD)
    release = asyncio.Event()

    async def hold(number: int) -> None:
        current_client.set(Client(f"client {number}"))
        async with process.passwords.slot():
            await release.wait()

    holders = [asyncio.ensure_future(hold(number)) for number in range(2 + 64)]
    await asyncio.sleep(0.05)
    with pytest.raises(TooManyRequests) as refused:
        await process.logins.check("bob", PASSWORD, HERE)
    assert refused.value.headers["Retry-After"]
    release.set()
    await asyncio.gather(*holders)
    assert await process.logins.check("bob", PASSWORD, HERE)


async def guess(process, times: int, address: str = HERE) -> list:
    """What so many wrong passwords are answered."""
    return [
        type(error) for error in await gathered(*(process.logins.check("bob", "wrong", address) for _ in range(times)))
    ]


@asynchronous
async def test_guessing_is_slowed_down_for_all_processes_and_tokens_go_on(process, other):
    await process.people("bob")
    secret = await process.tokens.add(ME, "bob", "ci")
    for _ in range(FREE):
        await process.throttle.failed("bob", HERE)
        await other.throttle.failed("bob", "198.51.100.1")
    for each in (process, other):
        with pytest.raises(TooManyRequests) as refused:
            await each.logins.check("bob", "correct horse", "203.0.113.9")
        assert 1 <= int(refused.value.headers["Retry-After"]) <= 900
    assert (await other.tokens.find(secret))[1] is not None
    assert await guess(process, 2, HERE) == [TooManyRequests] * 2


@pytest.mark.parametrize("name", ["bob ", "Bob", "bob\0", "b\u00f6b", "\ud800", "BOB", "%", "b_b"])
@asynchronous
async def test_no_other_spelling_of_a_name_logs_in(process, name):
    """Else each of them could be tried with ten passwords of its own."""
    await process.people("bob")
    with pytest.raises(Unauthorized):
        await process.logins.check(name, "correct horse", HERE)


@asynchronous
async def test_many_guesses_at_once_get_no_further_than_the_threads(process):
    await process.people("bob")
    answers = await guess(process, 40)
    assert Unauthorized in answers and answers.count(Unauthorized) <= FREE + 10


@asynchronous
async def test_the_wait_doubles_up_to_a_quarter_of_an_hour_and_success_ends_it(process):
    await process.people("bob")

    async def row() -> tuple:
        return await process.db.read(
            lambda tx: tx.one("SELECT failed, blocked_until - last_at FROM failures WHERE name = ?", account_key("bob"))
        )

    waits = []
    for _ in range(FREE + 12):
        await process.throttle.failed("bob", HERE)
        waits.append((await row())[1])
    assert waits[: FREE - 1] == [0] * (FREE - 1)
    assert waits[FREE - 1 : FREE + 3] == [1000, 2000, 4000, 8000] and waits[-1] == 900_000
    await process.throttle.succeeded((await process.accounts.get("bob")).id, "bob", "192.0.2.8")
    assert await row() is None
    with pytest.raises(TooManyRequests):
        await process.throttle.check("ann", HERE)
    await process.throttle.check("bob", "192.0.2.8")


@asynchronous
async def test_failures_are_forgiven_after_a_while(process):
    for _ in range(FREE - 1):
        await process.throttle.failed("bob", HERE)
    await process.db.write(lambda tx: tx.run("UPDATE failures SET last_at = last_at - ?", 6 * 60_000))
    await process.throttle.failed("bob", HERE)
    await process.throttle.check("bob", HERE)


@asynchronous
async def test_a_token_counts_until_it_is_revoked_or_expires(process, other):
    await process.people("bob")
    with pytest.raises(AccountUnknown):
        await process.tokens.add(ME, "ann", "ci")
    secret = await process.tokens.add(ME, "bob", "ci", "bob/app-*,bob/tool", "pull,push", now() + 60_000)
    value, shown = await other.tokens.find(secret)
    assert (value, shown.holder_kind, shown.holder_id) == (
        await process.principals.access_version(),
        "user",
        (await process.accounts.get("bob")).id,
    )
    await other.tokens.used(shown, HERE)
    (token,) = await process.tokens.list("bob")
    assert (token.name, token.state, token.last_used_from, token.hint) == (
        "ci",
        "active",
        HERE,
        f"{secret[:7]}...{secret[-4:]}",
    )
    with pytest.raises(ChangeRefused):
        await process.tokens.add(ME, "bob", "ci")
    await process.tokens.revoke(ME, "bob", "ci")
    assert (await other.tokens.find(secret))[1] is None
    with pytest.raises(AccountUnknown):
        await process.tokens.revoke(ME, "bob", "ci")
    assert [token.state for token in await process.tokens.list("bob")] == ["revoked"]
    again = await process.tokens.add(ME, "bob", "ci", expires_at=now() - 1)
    assert (await other.tokens.find(again))[1] is None and [
        token.state for token in await process.tokens.list("bob")
    ] == ["expired"]
    text = await everything(process)
    assert secret not in text and again not in text and secret[10:30] not in text


@asynchronous
async def test_actions_that_stand_many_times_are_kept_once(process):
    """A list is as long as who gives it likes, and the column is not."""
    await process.people("bob")
    await process.tokens.add(ME, "bob", "ci", None, ",".join(["push", "pull"] * 100))
    assert [token.actions for token in await process.tokens.list("bob")] == ["push,pull"]


@asynchronous
async def test_a_token_does_what_its_scope_and_its_holder_may(process):
    await process.people("bob")
    _, shown = await process.tokens.find(await process.tokens.add(ME, "bob", "ci", "bob/app-*", "push"))
    known = await process.principals.get("user", shown.holder_id, await process.principals.access_version())
    narrowed = rule.narrowed(known, shown.scope)
    allowed = {
        (action, name)
        for action in rule.ACTIONS
        for name in ("bob/app-1", "bob/tool", "ann/app-1")
        if rule.decide(narrowed, action, rule.repository(name)).allowed
    }
    assert allowed == {("push", "bob/app-1"), ("create", "bob/app-1"), ("overwrite", "bob/app-1")}
    for patterns, actions in (
        ("bob/*,", None),
        ("*", None),
        (None, "everything"),
        (None, ""),
        ("", None),
        (",".join(["bob/application"] * 400), None),
    ):
        with pytest.raises(FieldInvalid):
            await process.tokens.add(ME, "bob", "other", patterns, actions)


@asynchronous
async def test_a_deleted_user_leaves_no_key(process, other):
    await process.people("bob")
    secret = await process.tokens.add(ME, "bob", "ci")
    await process.accounts.delete(ME, "bob")
    assert (await other.tokens.find(secret))[1] is None


@asynchronous
async def test_a_robot_changes_its_secret_with_overlap(process, other):
    await process.people("bob")
    await process.organizations.add(ME, "acme", "bob")
    first = await process.robots.add(ME, "acme/ci")
    with pytest.raises(ChangeRefused):
        await process.robots.add(ME, "acme/ci")
    for name, kind in (
        ("ci", FieldInvalid),
        ("acme/", FieldInvalid),
        ("acme/c i", FieldInvalid),
        ("acme/c$i", FieldInvalid),
        ("none/ci", AccountUnknown),
    ):
        with pytest.raises(kind):
            await process.robots.add(ME, name)
    assert first.startswith("dbk_")
    second = await process.robots.rotate(ME, "acme/ci", 3600)
    assert (await other.tokens.find(first))[1] is not None and (await other.tokens.find(second))[1] is not None
    third = await process.robots.rotate(ME, "acme/ci", 0)
    counts = [(await other.tokens.find(secret))[1] is not None for secret in (first, second, third)]
    assert counts == [False, False, True]
    await process.grants.add(ME, "acme/app", "robot:acme/ci", "write")
    assert await other.may("robot:acme/ci", "push", "acme/app") and not await other.may(
        "robot:acme/ci", "push", "acme/other"
    )
    await process.robots.set_state(ME, "acme/ci", False)
    assert not await other.may("robot:acme/ci", "pull", "acme/app")
    assert [(str(robot), robot.state) for robot in await process.robots.list("acme")] == [("acme/ci", "disabled")]
    await process.robots.delete(ME, "acme/ci")
    assert (await other.tokens.find(third))[1] is None and await process.grants.list() == []


@asynchronous
async def test_an_invitation_makes_an_account_that_counts_once_answered(process, other):
    await process.accounts.add(ME, "bob", None, Profile(email="robert@example.org"))
    with pytest.raises(ChangeRefused):
        await process.accounts.set_state(ME, "bob", True)
    with pytest.raises(ChangeRefused):
        await process.one_time.make(ME, "bob", "reset")
    secret = await process.one_time.make(ME, "bob", "invite")
    assert not await other.may("user:bob", "push", "bob/app")
    with pytest.raises(Unauthorized):
        await other.one_time.redeem(HERE, secret, "reset", PASSWORD)
    with pytest.raises(FieldInvalid):
        await other.one_time.redeem(HERE, secret, "invite", "robert2026!!")
    assert await other.one_time.redeem(HERE, secret, "invite", PASSWORD) == "bob"
    assert await process.logins.check("bob", PASSWORD, HERE)
    assert await process.may("user:bob", "push", "bob/app")
    with pytest.raises(Unauthorized):
        await process.one_time.redeem(HERE, secret, "invite", PASSWORD)
    assert secret not in await everything(process)


@asynchronous
async def test_a_reset_ends_with_the_password_that_it_was_for(process):
    await process.people("bob")
    secret = await process.one_time.make(ME, "bob", "reset")
    newer = await process.one_time.make(ME, "bob", "reset")
    with pytest.raises(Unauthorized):
        await process.one_time.redeem(HERE, secret, "reset", PASSWORD)
    await process.logins.check("bob", "correct horse", HERE)  # the hash is another now, as the imported one was weak
    with pytest.raises(Unauthorized):
        await process.one_time.redeem(HERE, newer, "reset", PASSWORD)
    newest = await process.one_time.make(ME, "bob", "reset")
    await process.db.write(lambda tx: tx.run("UPDATE one_time_tokens SET expires_at = expires_at - ?", LIFE_MS))
    with pytest.raises(Unauthorized):
        await process.one_time.redeem(HERE, newest, "reset", PASSWORD)
    last = await process.one_time.make(ME, "bob", "reset")
    await process.accounts.set_state(ME, "bob", False)
    with pytest.raises(Unauthorized):
        await process.one_time.redeem(HERE, last, "reset", PASSWORD)
    with pytest.raises(ChangeRefused):
        await process.one_time.make(ME, "bob", "reset")


@asynchronous
async def test_of_two_that_redeem_a_token_at_once_one_sets_the_password(process, other):
    await process.people("bob")
    secret = await process.one_time.make(ME, "bob", "reset")
    outcomes = await overlapping(
        process.db,
        lambda db: OneTimeTokens(db, process.passwords).redeem(HERE, secret, "reset", "first battery horse"),
        lambda: other.one_time.redeem(HERE, secret, "reset", "second battery horse"),
    )
    assert outcomes[0] == "bob" and isinstance(outcomes[1], Unauthorized)
    assert await process.logins.check("bob", "first battery horse", HERE)


@asynchronous
async def test_a_user_is_deleted_while_getting_a_token(process, other):
    await process.people("bob", "ann")
    _, refused = await overlapping(
        process.db,
        lambda db: Accounts(db, process.passwords, LONG).delete(ME, "bob"),
        lambda: other.tokens.add(ME, "bob", "ci"),
    )
    assert isinstance(refused, AccountUnknown)
    assert await process.count("SELECT COUNT(*) FROM access_tokens") == 0
