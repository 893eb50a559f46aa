"""What is done from time to time: signing keys that grow old, and changes that are old enough to be forgotten."""

import time

import pytest

from dockboard_registry.db import now
from dockboard_registry.domain.access.rule import Identity
from dockboard_registry.domain.credentials import signed_tokens
from dockboard_registry.domain.credentials.signed_tokens import (
    ACCESS,
    ACCESS_SECONDS,
    REFRESH,
    REFRESH_SECONDS,
)
from dockboard_registry.domain.credentials.signing_keys import SigningKeys
from dockboard_registry.errors import Unauthorized
from tests.contract.aio import asynchronous, gathered
from tests.contract.domain.test_overlap import overlapping
from tests.contract.domain.world import OPERATOR

ME = OPERATOR
DAY = 86400
PERIOD = 90 * DAY


async def age(process, seconds: float) -> None:
    """Keys have been there for so much longer."""
    await process.db.write(
        lambda tx: tx.run("UPDATE signing_keys SET created_at = created_at - ?", int(seconds * 1000))
    )


async def keys(process) -> SigningKeys:
    """Those of a registry with an account, and a first key."""
    await process.people("bob")
    made = SigningKeys(process.db)
    await made.newest(await process.principals.access_version())
    return made


async def valid(process, made: SigningKeys) -> tuple:
    return await made.valid(await process.principals.access_version())


@asynchronous
async def test_a_key_signs_for_its_time_and_counts_for_as_long_again(process):
    made = await keys(process)
    (first,) = await valid(process, made)
    assert not await made.rotate_old(PERIOD)
    await age(process, PERIOD - 60)
    assert not await made.rotate_old(PERIOD)
    access, refresh = (signed_tokens.make(first, "here", use, Identity("user", 1), []) for use in (ACCESS, REFRESH))
    await age(process, 60)
    assert await made.rotate_old(PERIOD) and not await made.rotate_old(PERIOD)
    second, kept = await valid(process, made)
    assert kept == first != second
    for token, use in ((access, ACCESS), (refresh, REFRESH)):
        assert signed_tokens.read(token, (second, kept), "here", use)[1] == first
    await age(process, PERIOD)
    assert await made.rotate_old(PERIOD)
    third, kept = await valid(process, made)
    assert kept == second and first not in (third, kept)
    with pytest.raises(Unauthorized):
        signed_tokens.read(access, (third, kept), "here", ACCESS)
    assert [(event.actor, event.action) for event in await process.audit.list(action="key.rotate")] == [
        ("registry", "key.rotate")
    ] * 2


def test_what_docker_keeps_lives_no_longer_than_the_key_before_the_newest_counts():
    """The default period: who logged in with a key on its last day has the whole time of a refresh token."""
    from dockboard_registry.config import AuthConfig

    assert AuthConfig().key_rotation >= REFRESH_SECONDS


@asynchronous
async def test_no_period_is_so_short_that_it_ends_tokens_of_minutes(process):
    made = await keys(process)
    for passed in (0, ACCESS_SECONDS, 400 - ACCESS_SECONDS):
        await age(process, passed)
        assert not await made.rotate_old(0.001)
    await age(process, 400)
    assert await made.rotate_old(0.001)


@asynchronous
async def test_where_nothing_was_ever_signed_nothing_is_rotated(process):
    assert not await SigningKeys(process.db).rotate_old(0.001)
    assert await process.principals.access_version() == 0


@asynchronous
async def test_of_many_processes_one_rotates(process, other):
    made, others = await keys(process), SigningKeys(other.db)
    await age(process, PERIOD)
    assert await overlapping(
        process.db, lambda db: SigningKeys(db).rotate_old(PERIOD), lambda: others.rotate_old(PERIOD)
    ) == [True, False]
    await age(process, PERIOD)
    assert sorted(await gathered(*(each.rotate_old(PERIOD) for each in (made, others) for _ in range(4)))) == [
        False
    ] * 7 + [True]


@asynchronous
async def test_old_changes_are_forgotten_and_others_not(process):
    await process.people("bob")

    def fill(tx) -> None:
        for number in range(2500):
            at = int(time.time() * 1000) - 40 * DAY * 1000 - number
            event = ((at * 1000 << 11) + number, at, "console", "local", "old", "user bob", "{}")
            tx.run(
                "INSERT INTO audit (id, happened_at, actor, address, action, object, detail) VALUES (?, ?, ?, ?, ?,"
                " ?, ?)",
                *event,
            )

    await process.db.write(fill)
    assert await process.audit.forget(0) == 0 and await process.audit.forget(41) == 0
    assert await process.audit.forget(30) == 2500 and await process.audit.forget(30) == 0
    assert [event.action for event in await process.audit.list()] == ["user.add"]
    assert (await process.audit.list())[0].happened_at > now() - DAY * 1000


@asynchronous
async def test_a_user_is_seen_once_in_five_minutes(process, other):
    await process.people("bob")
    id = (await process.accounts.get("bob")).id
    await process.logins.seen(id)
    first = (await process.accounts.get("bob")).last_seen_at
    await process.db.write(lambda tx: tx.run("UPDATE users SET last_seen_at = ?", first - 290_000))
    await other.logins.seen(id)
    assert (await process.accounts.get("bob")).last_seen_at == first - 290_000
    await process.db.write(lambda tx: tx.run("UPDATE users SET last_seen_at = ?", first - 310_000))
    await other.logins.seen(id)
    assert (await process.accounts.get("bob")).last_seen_at >= first
