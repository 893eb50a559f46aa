"""Logging in with name and password.

It is throttled, as slow for unknown users as for known ones, and answers every failure alike.
"""

import asyncio
import logging
import time
from typing import NamedTuple

from ...db import Database, now
from ...errors import FieldInvalid, Unauthorized
from ...names import account_name
from ..access.rule import ACTIVE, DISABLED, PENDING, USER, Identity
from .passwords import Passwords, Verdict
from .throttle import Throttle

_log = logging.getLogger("dockboard.logins")
_FIND = (
    "SELECT settings.value, users.id, users.password, users.state, users.credential_generation FROM (SELECT 1 AS one)"
    " request LEFT JOIN users ON users.name = ? LEFT JOIN settings ON settings.name = 'failed_login_ms'"
)
SEEN_MS = 5 * 60_000
_MOST_TOLD = 1000

_SEEN = "UPDATE users SET last_seen_at = ? WHERE id = ? AND (last_seen_at IS NULL OR last_seen_at < ?)"


class NotApproved(Unauthorized):
    """The password is right, so this is no guess."""

    cause = "an administrator has to approve the account first"
    next = "wait for that; the password is right"


class AccountDisabled(Unauthorized):
    """The password is right, so this is no guess. Nobody else learns that the account is disabled."""

    cause = "the password is right, but this account is disabled"
    next = "ask an administrator of the registry to enable it"


def account_meant(text: str) -> str:
    """The account that a typed name means. Names of users are lower case, so Bob is bob; names of robots are taken as
    they are.

    No account is looked up by an e-mail address, because addresses are not verified. One raises Unauthorized and is not
    counted as a guess.
    """
    if "@" in text:
        raise Unauthorized(
            "an e-mail address is not the name of an account",
            "log in with the account's name instead of the e-mail address",
        )
    return text.lower() if text.isascii() and "/" not in text else text


class Logins:
    def __init__(self, db: Database, passwords: Passwords, throttle: Throttle):
        self._db = db
        self._passwords = passwords
        self._throttle = throttle
        self._told: set[int] = set()

    async def check(self, name: str, password: str, address: str) -> Identity:
        """The user with this password. Raises Unauthorized, TooManyRequests."""
        await self._throttle.check(name, address)
        async with self._passwords.slot():
            # Checked again after waiting: of many guesses at once only as many go on as there are threads.
            await self._throttle.check(name, address)
            found = await self._find(name)
            begun = time.monotonic()
            verdict = await self._passwords.verify(password, found.stored)
            if verdict.right and found.state == PENDING:
                raise NotApproved
            if verdict.right and found.state == DISABLED:
                raise AccountDisabled
            failed = not verdict.right or found.state != ACTIVE
            if failed:
                await self._count(name, address, found, verdict)
        if failed:
            # Otherwise the time would tell an account with a slow imported hash from a name without an account.
            await asyncio.sleep(max(begun + found.least_seconds - time.monotonic(), 0.0))
            raise Unauthorized("name or password is wrong")
        await self._throttle.succeeded(found.id, name, address)
        if verdict.better:
            await self._replace(found, verdict.better)
        return Identity(USER, found.id, found.generation)

    async def _count(self, name: str, address: str, found: "_Found", verdict: Verdict) -> None:
        """A wrong password counts as a guess. One that can't be verified here does not."""
        if verdict.computed:
            await self._throttle.failed(name, address)
        elif len(self._told) < _MOST_TOLD and found.id not in self._told:
            self._told.add(found.id)
            _log.warning(
                "the imported hash of user %s can't be computed on this machine, so nobody can log in with it: set"
                " another password with user passwd or user reset",
                name,
            )

    async def _replace(self, found: "_Found", better: str) -> None:
        """Store another hash of the same password, unless the password was changed meanwhile.

        The credentials stay the same, so tokens that were made from them do not end.
        """
        change = "UPDATE users SET password = ? WHERE id = ? AND password = ?"
        await self._db.write(lambda tx: tx.run(change, better, found.id, found.stored), brings=0)

    async def seen(self, id: int) -> None:
        """Note that the user was here, at most once in five minutes for all workers together."""
        at = now()
        await self._db.write(lambda tx: tx.run(_SEEN, at, id, at - SEEN_MS), durable=False, repeatable=True, brings=0)

    async def _find(self, name: str) -> "_Found":
        """Not every text is compared with names.

        For MySQL "bob " equals "bob", but its failures would be counted elsewhere.
        """
        try:
            account_name(name)
        except FieldInvalid:
            name = ""
        least, id, stored, state, generation = await self._db.read(lambda tx: tx.one(_FIND, name))
        return _Found(int(least or 0) / 1000, id or 0, stored, state or "", generation or 0)


class _Found(NamedTuple):
    """The account, if it exists, and the least seconds of a failed login, whether it exists or not."""

    least_seconds: float
    id: int
    stored: str | None
    state: str
    generation: int
