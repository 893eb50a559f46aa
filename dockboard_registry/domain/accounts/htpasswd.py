"""Accounts from htpasswd files, with hashes that other programs made. The first login replaces the hash by our own."""

import math
from typing import NamedTuple

from ...db import Database, Tx
from ...errors import ChangeRefused, FieldInvalid
from ...names import namespace_name
from .. import audit, settings
from ..audit import Actor
from ..changes import access_changed
from ..credentials.passwords import Passwords
from . import accounts, profiles


class Imported(NamedTuple):
    """added: names; refused: (line number, name, why)."""

    added: list[str]
    refused: list[tuple[int, str, str]]


class Htpasswd:
    """quarantine: seconds until a name that was given up is free again."""

    def __init__(self, db: Database, passwords: Passwords, quarantine: float):
        self._db = db
        self._passwords = passwords
        self._quarantine = quarantine

    async def take_over(self, actor: Actor, text: str) -> Imported:
        """Make accounts from lines `name:hash`, each in its own transaction.

        Lines that can't be taken over are reported.
        """
        added, refused = [], []
        # Some editors begin a file with a byte order mark, which is not part of the first name.
        for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), 1):
            name, colon, stored = line.strip().partition(":")
            if not name or name.startswith("#"):
                continue
            try:
                if not colon:
                    raise FieldInvalid("the line has no colon and no hash")
                await self._add(actor, name, stored)
                added.append(name)
            except (FieldInvalid, ChangeRefused) as error:
                refused.append((number, name, error.cause))
        return Imported(added, refused)

    async def _add(self, actor: Actor, name: str, stored: str) -> None:
        """Raises FieldInvalid, ChangeRefused."""
        namespace_name(name)
        seconds = await self._passwords.imported(stored)

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            accounts.insert(tx, name, stored, profiles.Profile(), adopt=True, quarantine=self._quarantine)
            settings.raise_failed_login_ms(tx, math.ceil(seconds * 1000))
            audit.note(tx, actor, "user.add", f"user {name}", administrator=False)

        await self._db.write(change)

    async def tidy(self) -> None:
        """Let failed logins take long enough for the hashes of an earlier version, until the last one is replaced."""
        if await self._db.read(settings.failed_login_ms):
            if not await self._db.scan(accounts.imported_hashes):
                await self._db.write(settings.forget_failed_login_ms, durable=False, repeatable=True, brings=0)
        elif hashes := await self._db.scan(accounts.imported_hashes):
            least = math.ceil(await self._passwords.least_seconds(hashes) * 1000)
            await self._db.write(
                lambda tx: settings.raise_failed_login_ms(tx, least), durable=False, repeatable=True, brings=0
            )
