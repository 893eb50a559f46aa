"""The first account: an administrator with a random password, told once. A server that others reach makes it at its
first start.

The account is committed before the password is told. So of several nodes one makes it, and a password that was told
counts. A row of its own says that the password has not been told yet. If the start is cut off in between, the next
start says how to set another password.
"""

import secrets
from typing import NamedTuple

from ...db import Tx
from .. import audit, settings
from ..audit import Actor
from ..changes import access_changed, access_version
from ..credentials import passwords
from .accounts import insert, note_given
from .profiles import Profile

NAME = "admin"
# Without characters that look alike. 24 of them are 139 bits.
_ALPHABET = "abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LENGTH = 24


class ChosenPassword(NamedTuple):
    """A password, and the slow hash that is kept of it."""

    password: str
    stored: str


def choose() -> ChosenPassword:
    """Takes a quarter of a second."""
    password = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return ChosenPassword(password, passwords.hash_now(password))


def make(tx: Tx, stored: str) -> bool:
    """Make the account if there has never been one. Returns whether this transaction made it."""
    if access_version(tx):
        return False
    access_changed(tx)
    if access_version(tx) != 1:  # another node was first
        return False
    note_given(tx, insert(tx, NAME, stored, Profile(), administrator=True, adopt=True))
    audit.note(tx, Actor("console", "first start"), "user.add", f"user {NAME}", administrator=True)
    settings.first_account_is_untold(tx)
    return True


def untold(tx: Tx) -> bool:
    """Whether the account exists and nobody can have its password: the start ended before it was shown, and no other
    was set.
    """
    if not settings.first_account_untold(tx):
        return False
    return (
        tx.one("SELECT 1 FROM users WHERE name = ? AND credential_generation = 0 AND last_seen_at IS NULL", NAME)
        is not None
    )
