"""What happened lately in the repositories that somebody may pull: pushes and deletes of tags.

Only the newest changes of the registry are looked at, and a process remembers them for a moment. Whether somebody may
pull a repository is asked anew each time.
"""

import time
from typing import NamedTuple

from ...db import Database, Tx
from ...db.each import FEW
from ..access import rule
from ..access.rule import PULL, Principal, decide
from ..audit import COLUMNS, Event, event_of
from . import lists

PUSHED, MOVED, DELETED = DEEDS = "pushed", "moved", "deleted"
MOST = 8
# Changes of the registry that are looked at, and seconds for which a process remembers them.
LOOKED_AT, _REMEMBERED = 200, 2.0
_NEWEST = f"SELECT {COLUMNS} FROM audit ORDER BY id DESC LIMIT {LOOKED_AT}"
_OBJECT = "repository "


class Happening(NamedTuple):
    """deed: one of DEEDS. at: milliseconds since 1970. actor: as in the list of changes."""

    deed: str
    at: int
    actor: str
    repository: str
    tag: str


class Lately:
    def __init__(self, db: Database):
        self._db = db
        self._newest: tuple[float, list[Happening]] = (-_REMEMBERED, [])

    async def of(self, principal: Principal) -> list[Happening]:
        """At most MOST, the newest first."""
        read_at, newest = self._newest
        if time.monotonic() - read_at >= _REMEMBERED:
            newest = await self._db.scan(_read)
            self._newest = time.monotonic(), newest
        return await self._db.scan(lambda tx: _seen(tx, principal, newest)) if newest else []


def _read(tx: Tx) -> list[Happening]:
    found = (_happening(event_of(row)) for row in tx.all(_NEWEST))
    return [each for each in found if each is not None]


def _happening(event: Event) -> Happening | None:
    """None for changes of other kinds, and for pushes without a tag."""
    repository, detail = event.object.removeprefix(_OBJECT), event.detail
    if event.action == "tag.delete" and detail.get("tag"):
        return Happening(DELETED, event.happened_at, event.actor, repository, detail["tag"])
    if event.action != "manifest.push" or not detail.get("tags"):
        return None
    tag = detail["tags"][0]
    deed = MOVED if tag in detail.get("moved", {}) else PUSHED
    return Happening(deed, event.happened_at, event.actor, repository, tag)


def _seen(tx: Tx, principal: Principal, newest: list[Happening]) -> list[Happening]:
    """What is in repositories that the principal may pull. A few repositories are read at a time."""
    found: list[Happening] = []
    allowed: dict[str, bool] = {}
    for at, each in enumerate(newest):
        if each.repository not in allowed:
            following = dict.fromkeys(later.repository for later in newest[at:] if later.repository not in allowed)
            allowed |= _allowed(tx, principal, list(following)[:FEW])
        if allowed[each.repository]:
            found.append(each)
        if len(found) == MOST:
            break
    return found


def _allowed(tx: Tx, principal: Principal, names: list[str]) -> dict[str, bool]:
    there = {item.name: item for item in lists.named(tx, names)}
    return {
        name: name in there and decide(principal, PULL, rule.repository(name, True, there[name].visibility)).allowed
        for name in names
    }
