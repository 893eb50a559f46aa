"""What happened lately in the repositories that somebody may pull: pushes and deletes of tags.

The newest changes of the registry are looked at, and a process remembers them for a moment. Where changes that are
hidden from the reader fill them, the newest changes of some repositories that the reader may pull are looked at too.
Whether somebody may pull a repository is asked anew each time. Who does not belong to its namespace hears only of tags
that are there: what is gone may have been hidden from them while it was there.
"""

import time
from typing import NamedTuple

from ...db import Database, Row, Tx
from ...db.each import FEW, EachLimited
from ...names import namespace_of
from ..access import rule
from ..access.rule import ADMIN, PULL, REGISTRY, Principal, decide
from ..audit import COLUMNS, Event, event_of
from . import lists
from .lists import Wanted
from .page_search import PageSearch

PUSHED, MOVED, DELETED = DEEDS = "pushed", "moved", "deleted"
MOST = 8
# Changes of the registry that are looked at, and seconds for which a process remembers them.
LOOKED_AT, _REMEMBERED = 200, 2.0
_NEWEST = f"SELECT {COLUMNS} FROM audit ORDER BY id DESC LIMIT {LOOKED_AT}"
# Of so many repositories, those that were pushed last, so many changes.
MOST_REPOSITORIES, OF_EACH = 8, 20
_OF_REPOSITORY = EachLimited(f"SELECT {COLUMNS} FROM audit WHERE object = ? ORDER BY id DESC LIMIT {OF_EACH}")
_OBJECT = "repository "
_TAG = (
    "SELECT 1 FROM tags JOIN repositories ON repositories.id = tags.repository_id WHERE repositories.name = ? AND"
    " tags.name = ?"
)


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
        self._read_at, self._newest = -_REMEMBERED, _Newest([], True)

    async def of(self, principal: Principal) -> list[Happening]:
        """At most MOST, the newest first."""
        if time.monotonic() - self._read_at >= _REMEMBERED:
            self._newest = await self._db.scan(_read)
            self._read_at = time.monotonic()
        newest, has_all = self._newest
        found = await self._db.scan(lambda tx: _seen(tx, principal, newest)) if newest else []
        if has_all or len(found) == MOST:
            return found
        return await self._db.scan(lambda tx: _with_own(tx, principal, found), long=True)


class _Newest(NamedTuple):
    """has_all: no change of the registry is older."""

    found: list[Happening]
    has_all: bool


def _read(tx: Tx) -> _Newest:
    rows = tx.all(_NEWEST)
    return _Newest(_happenings(rows), len(rows) < LOOKED_AT)


def _with_own(tx: Tx, principal: Principal, found: list[Happening]) -> list[Happening]:
    """The same with what happened in the repositories that were pushed last, of those that the principal may pull."""
    items = PageSearch(tx, principal, Wanted(lists.PUSHED, MOST_REPOSITORIES)).page().items
    more = _happenings(_OF_REPOSITORY.all(tx, (), [f"{_OBJECT}{item.name}" for item in items]))
    newest = sorted(dict.fromkeys([*found, *more]), key=lambda each: each.at, reverse=True)
    return _seen(tx, principal, newest)


def _happenings(rows: list[Row]) -> list[Happening]:
    found = (_happening(event_of(row)) for row in rows)
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
    allowed: dict[str, int | None] = {}
    for at, each in enumerate(newest):
        if each.repository not in allowed:
            following = dict.fromkeys(later.repository for later in newest[at:] if later.repository not in allowed)
            allowed |= _allowed(tx, principal, list(following)[:FEW])
        made_at = allowed[each.repository]
        if made_at is not None and each.at >= made_at and _is_told(tx, principal, each):
            found.append(each)
            allowed[each.repository] = None  # one change of each repository, so that a busy one does not fill the list
        if len(found) == MOST:
            break
    return found


def _is_told(tx: Tx, principal: Principal, each: Happening) -> bool:
    space = rule.namespace(namespace_of(each.repository))
    if any(decide(principal, action, object).allowed for action, object in ((PULL, space), (ADMIN, REGISTRY))):
        return True
    return each.deed != DELETED and tx.one(_TAG, each.repository, each.tag) is not None


def _allowed(tx: Tx, principal: Principal, names: list[str]) -> dict[str, int | None]:
    """When each repository was made; None for those that the principal may not pull."""
    there = {item.name: item for item in lists.named(tx, names)}

    def may_pull(name: str) -> bool:
        object = rule.repository(name, True, there[name].visibility) if name in there else None
        return object is not None and decide(principal, PULL, object).allowed

    return {name: there[name].created_at if may_pull(name) else None for name in names}
