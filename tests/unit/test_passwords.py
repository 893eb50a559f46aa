"""Passwords: which may be chosen, which hashes count, and that checking one costs the same for everyone."""

import asyncio
import base64
import hashlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dockboard_registry.clients import Client, current_client
from dockboard_registry.domain.credentials import passwords, scrypt
from dockboard_registry.errors import FieldInvalid, TooManyRequests
from tests.contract.aio import asynchronous, turns_during
from tests.contract.domain.world import QUICK_HASH

PASSWORD = "staple battery horse"


@pytest.fixture
def hashing():
    """The threads of one process."""
    made = passwords.Passwords()
    yield made
    made.close()


@pytest.mark.parametrize(
    "password", ["short", "eleven char", "password1234", "Passw0rd!!!!!!", "123456789012", "012345678901",
    "qwertyuiop12", "aaaaaaaaaaaaaa", "abcabcabcabcabc",
                 "bobbobbob2026", "Welcome-2026-2026", "x" * 1025, "ä" * 600, "correct\0horse battery",
                 "correct horse \ud800 battery", "adminadminadmin"]
)  # fmt: skip
def test_passwords_that_nobody_gets(password):
    with pytest.raises(FieldInvalid):
        passwords.check_choice(password, "bob")


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery",
        PASSWORD,
        "тринадцать слов",
        "🐎🔋📎 ist gut, ja",
        " leading and trailing ",
        "830174920561",
        "Xq7$kLm2!vRz",
        "w o r d s" * 100,
    ],
)
def test_passwords_of_any_characters_and_of_great_length_are_good(password):
    assert passwords.check_choice(password, "bob", "bob@example.org") == password


@asynchronous
async def test_every_byte_of_a_password_counts(hashing):
    """73 bytes and more that differ in the last one only (bcrypt would not tell them apart)."""
    for length in (73, 1024):
        long = ("correct horse battery " * 50)[: length - 1]
        hash = await hashing.hash(long + "a")
        assert (await hashing.verify(long + "a", hash)).right
        assert not (await hashing.verify(long + "b", hash)).right
    assert not (await hashing.verify("x" * 5000, hash)).right


@asynchronous
async def test_who_is_not_there_is_not_found_out_by_the_clock(hashing):
    """The least processor time of a few: a user with a password, nobody, a user with an imported hash, and a password
    that can't be one.
    """
    await hashing.prepare()
    hash = await hashing.hash(PASSWORD)
    cases = [(PASSWORD + "x", hash), (PASSWORD, None), (PASSWORD, QUICK_HASH), ("x\0", hash)]
    quickest = [10.0] * len(cases)
    for _ in range(4):
        for number, case in enumerate(cases):
            begun = time.process_time()
            assert not (await hashing.verify(*case)).right
            quickest[number] = min(quickest[number], time.process_time() - begun)
    assert min(quickest) > 0.6 * max(quickest)


@asynchronous
async def test_hashing_leaves_the_loop_alone(hashing):
    assert await turns_during(hashing.hash(PASSWORD)) > 5


def test_a_hash_of_earlier_versions_counts_and_one_of_another_cost_is_replaced():
    """Versions before had these computed by passlib, with the same words."""
    stored = "$scrypt$ln=15,r=8,p=3$IASgVAphTAmBEELoPUeI0Q$thOxoxaNuMcYclOo083tNY2tZgJO+wEvBVtV192jTmM"
    assert scrypt.verify(b"x" * 20, stored) and not scrypt.verify(b"x" * 19, stored) and not scrypt.is_outdated(stored)
    cheap = "$scrypt$ln=4,r=16,p=9$" + stored.split("$", 3)[3]
    assert not scrypt.verify(b"x" * 20, cheap) and scrypt.is_outdated(cheap)
    for damaged in ("", "$scrypt$", stored[:40], stored.replace("ln=15", "ln=x")):
        with pytest.raises(ValueError):
            scrypt.verify(b"x", damaged)


@asynchronous
async def test_a_login_whose_hash_is_of_another_cost_brings_a_better_one(hashing):
    key = hashlib.scrypt(PASSWORD.encode(), salt=b"s" * 16, n=1 << 10, r=8, p=1, dklen=32)
    salt, sealed = (base64.b64encode(each).decode().rstrip("=") for each in (b"s" * 16, key))
    stored = f"$scrypt$ln=10,r=8,p=1${salt}${sealed}"
    verdict = await hashing.verify(PASSWORD, stored)
    assert verdict.right and scrypt.verify(PASSWORD.encode(), verdict.better) and not scrypt.is_outdated(verdict.better)
    assert (await hashing.verify(PASSWORD + "x", stored)) == (False, None, True)


def test_nothing_is_loaded_or_computed_before_the_first_login():
    """The first login at a worker takes one scrypt: passlib is for hashes of htpasswd files alone."""
    program = (
        "import asyncio, sys; from dockboard_registry.domain.credentials import passwords, scrypt\n"
        "async def main():\n"
        "    hashing, computed = passwords.Passwords(), []\n"
        "    import hashlib; real = hashlib.scrypt\n"
        "    hashlib.scrypt = lambda *a, **k: computed.append(1) or real(*a, **k)\n"
        "    for stored in (scrypt.hash_of_no_password(), None):\n"
        "        assert not (await hashing.verify('correct horse battery', stored)).right\n"
        "    hashing.close(); print(len(computed), 'passlib' in sys.modules)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "2 False\n", done


@asynchronous
async def test_one_client_takes_not_all_places_for_logins_and_others_are_next(hashing):
    """A hundred logins of one client at once, over as many connections, and one of another client."""
    ended: list[str] = []

    async def log_in(owner: str, connection: int) -> None:
        current_client.set(Client(owner, connection))
        async with hashing.slot():
            await asyncio.sleep(0.01)
        ended.append(owner)

    many = [asyncio.ensure_future(log_in("greedy", number)) for number in range(100)]
    await asyncio.sleep(0.015)
    await asyncio.ensure_future(log_in("other", 0))
    assert ended.index("other") < 20, ended
    refused = [error for error in await asyncio.gather(*many, return_exceptions=True) if error]
    # Two are computed, and 48 of the 64 places are theirs.
    assert [type(error) for error in refused] == [TooManyRequests] * 50 and len(ended) == 51
