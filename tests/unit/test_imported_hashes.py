"""Hashes of htpasswd files: which count, with the system's libcrypt and without it, and what is said of those that
would take too long.
"""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from dockboard_registry.domain.credentials import imported_hashes
from dockboard_registry.domain.credentials.passwords import Passwords
from dockboard_registry.errors import FieldInvalid
from tests.contract.aio import asynchronous
from tests.support.people import BCRYPT, without_libcrypt

PASSWORD = b"correct horse"
SHA512 = (
    "$6$rounds=1000$abcdefgh$DbXqPck5ABZumVXwcH5eMVHsPZwvQ3jylSxpJmKkZVxcoCiC3N0rPerjHmAqL7r6PK6CIeYnO9.vxpbsevscg/"
)
HASHES = {
    "bcrypt": BCRYPT,
    "bcrypt as 2b": BCRYPT.replace("$2y$", "$2b$"),
    "bcrypt as 2a": BCRYPT.replace("$2y$", "$2a$"),
    "sha512": SHA512,
    "apr1": "$apr1$Wq0lRzRr$mTjBUHDdUTAjUuhVZVD1O0",
    "sha1": "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=",
}
DAMAGED = (
    BCRYPT[:-1],
    BCRYPT + "x",
    "$2y$99$" + BCRYPT[7:],
    "$2y$03$" + BCRYPT[7:],
    "$2y$",
    "$6$",
    "$6$rounds=1000$abc$def",
    "$apr1$x",
    "{SHA}x",
    BCRYPT + "\n",
    # fmt: skip
    "$apr1$é$mTjBUHDdUTAjUuhVZVD1O0",
    "$apr1$a!b$mTjBUHDdUTAjUuhVZVD1O0",
    SHA512.replace("abcdefgh", "ab*\\x"),
    SHA512.replace("abcdefgh", "\0"),
)


@pytest.mark.parametrize("name", HASHES)
def test_hashes_of_htpasswd_files_count(name):
    assert imported_hashes.refusal(HASHES[name]) is None
    if name != "apr1":
        assert imported_hashes.verify(PASSWORD, HASHES[name]) is True
    assert imported_hashes.verify(PASSWORD + b"x", HASHES[name]) is False


@pytest.mark.parametrize("stored", DAMAGED)
def test_damaged_hashes_are_refused_and_no_password_is_wrong_for_them(stored):
    assert "damaged" in imported_hashes.refusal(stored)
    assert imported_hashes.verify(PASSWORD, stored) is None


@pytest.mark.parametrize("stored", ["", "plain", "$1$abc$def", "$5$abc$def", "$2x$05$" + "." * 53, "rl3cuXo3q0mCM"])
def test_other_hashes_are_refused_in_words(stored):
    assert "htpasswd -B" in imported_hashes.refusal(stored)
    assert imported_hashes.verify(PASSWORD, stored) is None


@pytest.mark.parametrize(
    "stored",
    ["$2y$31$" + BCRYPT[7:], "$2y$20$" + BCRYPT[7:], "$6$rounds=999999999$abcdefgh$" + SHA512.rpartition("$")[2]],
)
def test_what_would_take_too_long_is_said_with_what_to_do(stored):
    why = imported_hashes.refusal(stored)
    assert "this machine would need" in why and "htpasswd -B -C 5" in why and "user reset" in why
    assert imported_hashes.verify(PASSWORD, stored) is None


@pytest.mark.parametrize(
    "stored",
    [SHA512.replace("rounds=1000", "rounds=60000"), "$apr1$Wq0lRzRr$mTjBUHDdUTAjUuhVZVD1O0", "$2y$10$" + BCRYPT[7:]],
)
def test_the_time_of_a_hash_is_reckoned_for_the_password_that_takes_longest(stored):
    """A guess may have 1,024 bytes, for which sha512-crypt takes ten times as long as for a short one: it would be told
    by the clock, and hold the thread.
    """
    reckoned, took = imported_hashes.seconds(stored), []
    for length in (20, 72, 511, 1024) * 2:
        begun = time.thread_time()
        assert imported_hashes.verify(b"x" * length, stored) is False
        took.append(time.thread_time() - begun)
    assert max(took) < 3 * reckoned


def test_bcrypt_tells_passwords_apart_that_are_too_long_for_it():
    assert imported_hashes.verify(b"x" * 73, BCRYPT) is False


def test_bcrypt_counts_without_libcrypt_too(tmp_path):
    """As on a machine whose C library has no bcrypt."""
    program = (
        "from dockboard_registry.domain.credentials import imported_hashes as hashes\nprint(hashes._libcrypt(),"
        f" hashes.verify({PASSWORD!r}, {BCRYPT!r}), hashes.verify(b'x', {BCRYPT!r}), hashes.verify({PASSWORD!r},"
        f" {SHA512!r}))\nprint(hashes.refusal({BCRYPT!r}), hashes.refusal({'$2y$12$' + BCRYPT[7:]!r}))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env=without_libcrypt(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
    )
    first, second = done.stdout.splitlines()
    assert first == "None True False True" and second.startswith("None at a login this machine would need"), done


@asynchronous
async def test_a_failed_login_takes_twice_what_the_slowest_hash_takes():
    hashing = Passwords()
    assert await hashing.imported(HASHES["sha1"]) == 0.0
    assert await hashing.least_seconds([HASHES["sha1"], "damaged", "$2y$31$" + BCRYPT[7:]]) == 0.0
    assert await hashing.least_seconds([*HASHES.values(), "$2y$12$" + BCRYPT[7:]]) == await hashing.imported(
        "$2y$12$" + BCRYPT[7:]
    )
    assert await hashing.imported("$2y$12$" + BCRYPT[7:]) > 2 * imported_hashes.seconds("$2y$12$" + BCRYPT[7:]) > 0.01
    with pytest.raises(FieldInvalid, match="not bcrypt"):
        await hashing.imported("plain")
    hashing.close()
