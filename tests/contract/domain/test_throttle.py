"""What guessing a password costs, and that the owner gets in all the same: figures of
domain/credentials/throttle.py.
"""

import pytest

from dockboard_registry.domain.credentials.throttle import (
    FREE,
    KNOWN,
    KNOWN_NETWORKS,
    PERSISTENT,
    STOPPED_MS,
    STRANGERS,
    account_key,
    network_wait_ms,
)
from dockboard_registry.errors import AccountUnknown, TooManyRequests
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OPERATOR

HOME, CAFE = "192.0.2.7", "203.0.113.9"


def stranger(number: int) -> str:
    return f"198.51.100.{number % 256}"


async def logged_in(process, address: str) -> None:
    await process.throttle.succeeded((await process.accounts.get("bob")).id, "bob", address)


async def time_passes(process, milliseconds: int) -> None:
    def back(tx) -> None:
        tx.run(
            "UPDATE failures SET last_at = last_at - ?, blocked_until = blocked_until - ?", milliseconds, milliseconds
        )
        tx.run("UPDATE known_networks SET last_at = last_at - ?", milliseconds)

    await process.db.write(back)


async def may(process, address: str) -> bool:
    try:
        await process.throttle.check("bob", address)
    except TooManyRequests as refused:
        assert int(refused.headers["Retry-After"]) >= 1
        return False
    return True


async def guessed(process, address, times: int = 1000) -> int:
    """How many wrong passwords are taken until nothing but a month is waited for, each of
    the others being waited for.
    """
    taken = 0
    for number in range(times):
        while not await may(process, address(number)):
            state = await process.throttle.state("bob", address(number))
            if not state.known and (state.in_a_row or 0) >= STRANGERS:
                return taken
            await time_passes(process, 15 * 60_000)
        await process.throttle.failed("bob", address(number))
        taken += 1
    return taken


@asynchronous
async def test_strangers_have_fifty_in_a_row_and_the_owner_comes_in_from_home(process, other):
    await process.people("bob")
    await logged_in(process, HOME)
    assert await guessed(process, stranger) == STRANGERS
    assert not await may(other, CAFE) and not await may(other, stranger(99))
    assert await may(other, HOME)
    # The owner's next login at home is a right password: nothing is in a row any more, but strangers still wait as long
    # as before.
    await logged_in(other, HOME)
    await time_passes(process, 15 * 60_000)
    assert await may(other, CAFE)
    await process.throttle.failed("bob", stranger(1))
    assert not await may(other, CAFE)


@asynchronous
async def test_a_hundred_in_a_row_is_all_that_an_account_takes(process):
    await process.people("bob")
    homes = [f"192.0.2.{number}" for number in range(KNOWN_NETWORKS)]
    for home in homes:
        await logged_in(process, home)
    taken = 0
    for home in homes:
        for _ in range(KNOWN):
            assert await may(process, home)
            await process.throttle.failed("bob", home)
            taken += 1
            await time_passes(process, 6 * 60_000)
    taken += await guessed(process, stranger)
    assert taken == STRANGERS + KNOWN * KNOWN_NETWORKS == 100
    assert not any([await may(process, home) for home in homes])


@asynchronous
async def test_a_guess_an_hour_blocks_nobody_at_home(process):
    """Even four an hour would keep all others out for ever, were every network one and the same."""
    await process.people("bob")
    await logged_in(process, HOME)
    for number in range(40):
        await process.throttle.failed("bob", stranger(number))
        await time_passes(process, 15 * 60_000)
        assert await may(process, HOME)


@asynchronous
async def test_a_network_is_the_owners_for_a_while_and_only_the_last_few_are(process):
    await process.people("bob")
    for number in range(KNOWN_NETWORKS + 1):
        await logged_in(process, f"192.0.2.{number}")
        await time_passes(process, 1000)
    for number in range(FREE):
        await process.throttle.failed("bob", stranger(number))
    assert [await may(process, f"192.0.2.{number}") for number in range(KNOWN_NETWORKS + 1)] == [
        False,
        *[True] * KNOWN_NETWORKS,
    ]
    await process.db.write(lambda tx: tx.run("UPDATE known_networks SET last_at = last_at - ?", 90 * 86400_000))
    assert not await may(process, "192.0.2.5")


@asynchronous
async def test_of_ipv6_a_network_is_a_64(process):
    await process.people("bob")
    await logged_in(process, "2001:db8::1")
    for number in range(FREE):
        await process.throttle.failed("bob", stranger(number))
    assert await may(process, "2001:db8::ffff:1") and not await may(process, "2001:db8:0:1::1")
    await process.throttle.failed("ann", "::ffff:192.0.2.99")
    for _ in range(FREE - 1):
        await process.throttle.failed("ann", "192.0.2.99")
    assert not await may(process, "192.0.2.99")


@asynchronous
async def test_a_stop_ends_with_another_password_an_administrators_word_or_a_month(process):
    await process.people("bob")

    async def end_by(what) -> None:
        await guessed(process, stranger)
        assert not await may(process, CAFE)
        await what
        assert await may(process, CAFE)

    await end_by(process.accounts.set_password(OPERATOR, "bob", "staple battery horse"))
    await end_by(process.accounts.unlock(OPERATOR, "bob"))
    await end_by(time_passes(process, STOPPED_MS + 1000))
    with pytest.raises(AccountUnknown):
        await process.accounts.unlock(OPERATOR, "nobody")


@asynchronous
async def test_an_unknown_name_is_treated_as_a_known_one_and_forgotten_in_time(process):
    for name in ("nobody", "Nobody ", "n\0"):
        for number in range(FREE):
            await process.throttle.failed(name, stranger(number))
        with pytest.raises(TooManyRequests):
            await process.throttle.check(name, CAFE)
    await time_passes(process, 2 * 86400_000)
    await process.throttle.tidy()
    rows = await process.db.scan(lambda tx: tx.all("SELECT name FROM failures"))
    assert (account_key("nobody"),) in rows and all(name.startswith("account ") for (name,) in rows)
    await time_passes(process, STOPPED_MS)
    await process.throttle.tidy()
    assert await process.count("SELECT COUNT(*) FROM failures") == 0


@asynchronous
async def test_many_networks_at_once_count_together_for_all_processes(process, other):
    await process.people("bob")
    for number in range(FREE):
        await (process, other)[number % 2].throttle.failed("bob", stranger(number))
    assert not await may(process, CAFE) and not await may(other, CAFE)


@asynchronous
async def test_others_behind_the_same_address_wait_seconds_and_who_was_there_before_not_at_all(process):
    """NAT, or one host for all builds: wrong passwords of one account, or for many names, are not those of others
    there.
    """
    await process.people("bob")
    for number in range(PERSISTENT - 1):
        await process.throttle.failed(f"name{number}", CAFE)
    with pytest.raises(TooManyRequests) as refused:
        await process.throttle.check("bob", CAFE)
    assert 1 <= int(refused.value.headers["Retry-After"]) <= 8
    await time_passes(process, 8000)
    assert await may(process, CAFE)
    await logged_in(process, CAFE)
    await process.throttle.failed("name", CAFE)
    assert await may(process, CAFE)
    with pytest.raises(TooManyRequests) as refused:
        await process.throttle.check("ann", CAFE)
    assert int(refused.value.headers["Retry-After"]) > 8


def test_the_wait_of_a_network_grows_where_guessing_goes_on():
    waits = [
        network_wait_ms(failed) // 1000
        for failed in (FREE - 1, FREE, FREE + 1, FREE + 3, FREE + 4, PERSISTENT - 1, PERSISTENT, PERSISTENT + 1, 10_000)
    ]
    assert waits == [0, 1, 2, 8, 8, 8, 16, 32, 900]
