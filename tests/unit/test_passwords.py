"""Passwords: which may be chosen, which hashes count, and that checking one costs the same for everyone."""

import time

import pytest

from dockboard_registry.domain import passwords
from dockboard_registry.errors import FieldInvalid
from tests.contract.aio import asynchronous, turns_during
from tests.contract.domain.world import QUICK_HASH

PASSWORD = "staple battery horse"


@pytest.fixture
def hashing():
    """The threads of one process."""
    made = passwords.Passwords()
    yield made
    made.close()


@pytest.mark.parametrize("name", ["sha512_crypt", "apr_md5_crypt", "ldap_sha1"])
def test_hashes_of_htpasswd_files_count(name):
    handler = passwords._handlers()[name]
    hash = handler.hash("correct horse")
    assert passwords.importable(hash) is None
    assert passwords.kind_of(hash) == name and handler.verify("correct horse", hash)


def test_a_bcrypt_hash_counts_where_the_package_is_there_and_is_refused_in_words_where_not():
    hash = "$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"
    why = passwords.importable(hash)
    assert why is None if "bcrypt" in passwords._handlers() else "bcrypt" in why


@pytest.mark.parametrize(
    "password", ["short", "eleven char", "password1234", "Passw0rd!!!!!!", "123456789012", "012345678901", "qwertyuiop12", "aaaaaaaaaaaaaa", "abcabcabcabcabc",
                 "bobbobbob2026", "Welcome-2026-2026", "x" * 1025, "ä" * 600, "correct\0horse battery", "correct horse \ud800 battery", "adminadminadmin"]
)  # fmt: skip
def test_passwords_that_nobody_gets(password):
    with pytest.raises(FieldInvalid):
        passwords.check_choice(password, "bob")


@pytest.mark.parametrize(
    "password", ["correct horse battery", PASSWORD, "тринадцать слов", "🐎🔋📎 ist gut, ja", " leading and trailing ", "830174920561", "Xq7$kLm2!vRz", "w o r d s" * 100]
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
    """The least processor time of a few: a user with a password, nobody, a user with an imported hash, and a password that can't be one."""
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
