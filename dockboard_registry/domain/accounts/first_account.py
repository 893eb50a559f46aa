"""The first account, which a server that others reach makes at its first start: an administrator with a random
password, told once.

The account is committed before the password is told: of several nodes one makes it, and a password that was told
counts. What was cut off in between is known by a row of its own, and the next start says how to set another password.
"""

import secrets
from typing import NamedTuple

from ...db import Tx
from .. import audit, settings
from ..audit import Actor
from ..changes import access_changed, access_version
from ..credentials import passwords
from .accounts import insert
from .profiles import Profile

NAME = "admin"
# Without characters that look like others; 24 of them are 139 bits.
_ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LENGTH = 24


class Chosen(NamedTuple):
    """A password, and the slow hash to keep of it."""

    password: str
    stored: str


def choose() -> Chosen:
    """Takes a quarter of a second."""
    password = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return Chosen(password, passwords.hash_now(password))


def make(tx: Tx, stored: str) -> bool:
    """Whether this transaction made the account: no other did, and there was none before."""
    if access_version(tx):
        return False
    access_changed(tx)
    if access_version(tx) != 1:  # another node was first
        return False
    insert(tx, NAME, stored, Profile(), administrator=True, adopt=True)
    audit.note(tx, Actor("console", "first start"), "user.add", f"user {NAME}", administrator=True)
    settings.first_account_is_untold(tx)
    return True


def untold(tx: Tx) -> bool:
    """Whether the account is there, and nobody can have its password: a start ended before it was shown, and no other
    was set since.
    """
    if not settings.first_account_untold(tx):
        return False
    return (
        tx.one("SELECT 1 FROM users WHERE name = ? AND credential_generation = 0 AND last_seen_at IS NULL", NAME)
        is not None
    )
