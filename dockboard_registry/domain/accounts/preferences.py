"""Preferences: how a user likes the pages."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ...db import Database, Row, Tx
from ...errors import FieldInvalid
from ...wording import quoted
from ..audit import Actor
from ..changes import recheck_rights
from . import accounts

LANGUAGES, THEMES = ("en", "zh"), ("auto", "light", "dark")
ZONE_GRAMMAR, LONGEST_ZONE = r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,2}", 64
CLIENT_GRAMMAR, LONGEST_CLIENT = "[a-z0-9-]+", 16
_ZONE, _CLIENT = re.compile(ZONE_GRAMMAR, re.A), re.compile(CLIENT_GRAMMAR, re.A)
COLUMNS = "preferences.zone, preferences.language, preferences.theme, preferences.shortcuts, preferences.client"
_FIND = f"SELECT {COLUMNS} FROM preferences WHERE user_id = ?"


class Preferences(NamedTuple):
    """zone: of the IANA time zone database. language: one of LANGUAGES. Empty: nothing was chosen.

    shortcuts: whether pages take single keys. client: whose commands are shown first.
    """

    zone: str = ""
    language: str = ""
    theme: str = "auto"
    shortcuts: bool = True
    client: str = ""

    def checked(self) -> "Preferences":
        """Raises FieldInvalid."""
        if self.zone and not is_zone(self.zone):
            raise FieldInvalid(
                f"zone: this server knows no time zone {quoted(self.zone)}", "write it as Europe/Berlin, or UTC"
            )
        if self.language and self.language not in LANGUAGES:
            raise FieldInvalid(f"language: there is no {quoted(self.language)}", f"use {', '.join(LANGUAGES)}")
        if self.theme not in THEMES:
            raise FieldInvalid(f"theme: there is no {quoted(self.theme)}", f"use {', '.join(THEMES)}")
        if self.client and not (len(self.client) <= LONGEST_CLIENT and _CLIENT.fullmatch(self.client)):
            raise FieldInvalid(f"client: {quoted(self.client)} is not the name of a client", "write it as docker")
        return self


class UserPreferences:
    def __init__(self, db: Database):
        self._db = db

    async def get(self, user: str) -> Preferences:
        """Raises AccountUnknown."""
        return await self._db.scan(lambda tx: _find(tx, accounts.find(tx, user).id))

    async def change(self, actor: Actor, user: str, given: Mapping[str, Any]) -> None:
        """Change fields by name. Raises AccountUnknown, FieldInvalid."""

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            id = accounts.find_and_lock(tx, user).id
            _store(tx, id, _find(tx, id)._replace(**given).checked())

        await self._db.write(change)


def is_zone(text: str) -> bool:
    """Whether this server knows a time zone of this name."""
    if len(text) > LONGEST_ZONE or not _ZONE.fullmatch(text):
        return False
    try:
        return ZoneInfo(text) is not None
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return text == "UTC"


def of_row(row: Row) -> Preferences:
    """The preferences in these COLUMNS, which are all NULL for a user who has chosen nothing."""
    zone, language, theme, shortcuts, client = row
    return Preferences(zone or "", language or "", theme or "auto", shortcuts != 0, client or "")


def _find(tx: Tx, user_id: int) -> Preferences:
    row = tx.one(_FIND, user_id)
    return of_row(row) if row else Preferences()


def _store(tx: Tx, user_id: int, chosen: Preferences) -> None:
    values = chosen._replace(shortcuts=int(chosen.shortcuts))
    change = "UPDATE preferences SET zone = ?, language = ?, theme = ?, shortcuts = ?, client = ? WHERE user_id = ?"
    if not tx.run(change, *values, user_id):
        tx.insert(
            "INSERT INTO preferences (zone, language, theme, shortcuts, client, user_id) VALUES (?, ?, ?, ?, ?, ?)",
            *values,
            user_id,
        )
