"""Tokens that work once. With one a user sets the first password after an invitation, or another one after forgetting
it.

A token lives an hour, for its purpose, and until the password is changed.
"""

import secrets

from ...db import Database, Tx, now
from ...errors import ChangeRefused, Unauthorized
from .. import audit
from ..access.rule import DISABLED
from ..accounts import accounts
from ..accounts.accounts import INVITED
from ..audit import Actor
from ..changes import access_changed, recheck_rights
from . import passwords
from .access_tokens import digest
from .passwords import Passwords, fingerprint

RESET, INVITE = "reset", "invite"
LIFE_MS = 3600_000
_FIND = (
    "SELECT users.name, users.email, users.state, users.password, one_time_tokens.bound FROM one_time_tokens"
    " JOIN users ON users.id = one_time_tokens.user_id"
    " WHERE one_time_tokens.digest = ? AND one_time_tokens.purpose IN (?, ?) AND one_time_tokens.expires_at > ?"
)


class OneTimeTokens:
    def __init__(self, db: Database, passwords: Passwords):
        self._db = db
        self._passwords = passwords

    async def make(self, actor: Actor, user: str, purpose: str) -> str:
        """Make a token for the user.

        Earlier ones become invalid. Raises AccountUnknown, ChangeRefused for a disabled user.
        """
        secret = secrets.token_urlsafe(32)

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            person = accounts.find_and_lock(tx, user)
            if person.state == DISABLED:
                raise ChangeRefused(f"{user} is disabled", "enable the account first")
            if (person.state == INVITED) != (purpose == INVITE):
                raise ChangeRefused(
                    (
                        f"{user} has been invited, and has no password yet"
                        if purpose == RESET
                        else f"{user} has a password already"
                    ),
                    "invite again" if purpose == RESET else "reset it instead",
                )
            (stored,) = tx.one("SELECT password FROM users WHERE id = ?", person.id)
            tx.run("DELETE FROM one_time_tokens WHERE user_id = ? OR expires_at < ?", person.id, now())
            tx.run(
                "INSERT INTO one_time_tokens (digest, purpose, user_id, bound, expires_at) VALUES (?, ?, ?, ?, ?)",
                *(digest(secret), purpose, person.id, fingerprint(stored), now() + LIFE_MS),
            )
            audit.note(tx, actor, f"user.{purpose}", f"user {user}")

        await self._db.write(change)
        return secret

    async def holder(self, secret: str) -> str:
        """The name of the user whose password the token sets. Raises Unauthorized."""
        return (await self._db.scan(lambda tx: _holder(tx, secret, None)))[0]

    async def redeem(self, address: str, secret: str, purpose: str | None, password: str) -> str:
        """Set the password, and return the user's name. Without a purpose a token for either counts.

        Raises Unauthorized if the token does not count, FieldInvalid for the password.
        """
        name, email = await self._db.scan(lambda tx: _holder(tx, secret, purpose))
        passwords.check_choice(password, name, *filter(None, [(email or "").partition("@")[0]]))
        async with self._passwords.slot():
            stored = await self._passwords.hash(password)

        def change(tx: Tx) -> None:
            access_changed(tx)
            _holder(tx, secret, purpose)  # checked again: of two that show the same token one comes first
            person = accounts.find(tx, name)
            accounts.replace_password(tx, person, stored)
            shown = INVITE if person.state == INVITED else RESET
            audit.note(tx, Actor(f"user {name}", address), f"user.{shown}.redeem", f"user {name}")

        await self._db.write(change, brings=0)
        return name


def _holder(tx: Tx, secret: str, purpose: str | None) -> tuple[str, str | None]:
    """(name, e-mail address) of the token's user. Raises Unauthorized."""
    row = tx.one(_FIND, digest(secret), purpose or INVITE, purpose or RESET, now())
    if row is None or row[2] == DISABLED or row[4] != fingerprint(row[3]):
        raise Unauthorized("the token is used up, has expired, or was never one", "ask for a new one")
    return row[0], row[1]
