"""Logging in with name and password: throttled, as slow for unknown users as for known ones, and with one answer for all that fails."""

from typing import NamedTuple

from ..db import Database, Row, now
from ..errors import FieldInvalid, Unauthorized
from ..names import account_name
from .access import ACTIVE, PENDING
from .passwords import Passwords
from .throttle import Throttle

_FIND = "SELECT id, password, state, credential_generation FROM users WHERE name = ?"
SEEN_MS = 5 * 60_000

_SEEN = "UPDATE users SET last_seen_at = ? WHERE id = ? AND (last_seen_at IS NULL OR last_seen_at < ?)"


class Login(NamedTuple):
    """A user whose password was right, and the generation of credentials that this password belongs to."""

    id: int
    generation: int


def account_meant(text: str) -> str:
    """The name of the account that somebody means who types this: names are lower case, so Bob is bob.

    An e-mail address is no name, and nobody is looked up by it: whose it is was never verified. Raises Unauthorized then, and nothing is counted as a guess.
    """
    if "@" in text:
        raise Unauthorized("an e-mail address is not the name of an account", "log in with the account's name instead of the e-mail address")
    return text.lower() if text.isascii() else text


class Logins:
    def __init__(self, db: Database, passwords: Passwords, throttle: Throttle):
        self._db = db
        self._passwords = passwords
        self._throttle = throttle

    async def check(self, name: str, password: str, address: str) -> Login:
        """The user whose password this is. Raises Unauthorized, TooManyRequests."""
        await self._throttle.check(name, address)
        async with self._passwords.turn():
            # Once more, after waiting: of many guesses at once only as many get further as there are threads.
            await self._throttle.check(name, address)
            id, stored, state, generation = await self._find(name) or (0, None, "", 0)
            verdict = await self._passwords.verify(password, stored)
            if verdict.right and state == PENDING:
                raise Unauthorized("an administrator has to approve the account first", "wait for that; the password is right")
            if not verdict.right or state != ACTIVE:
                await self._throttle.failed(name, address)
                raise Unauthorized("name or password is wrong")
        await self._throttle.succeeded(id, name, address)
        if verdict.better:
            # Not where the password was changed meanwhile. Credentials stay the same, so nothing that was made from them ends.
            await self._db.write(lambda tx: tx.run("UPDATE users SET password = ? WHERE id = ? AND password = ?", verdict.better, id, stored), brings=0)
        return Login(id, generation)

    async def seen(self, id: int) -> None:
        """Note that the user was here, at most once in five minutes for all workers together."""
        at = now()
        await self._db.write(lambda tx: tx.run(_SEEN, at, id, at - SEEN_MS), durable=False, repeatable=True, brings=0)

    async def _find(self, name: str) -> Row | None:
        """Not every text is compared with names: to MySQL "bob " equals "bob", but its failures would be counted elsewhere."""
        try:
            account_name(name)
        except FieldInvalid:
            return None
        return await self._db.read(lambda tx: tx.one(_FIND, name))
