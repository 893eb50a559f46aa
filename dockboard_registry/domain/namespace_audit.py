"""The part of the list of changes that concerns one user's or organization's namespace.

Objects of the list begin with their kind and the name of the namespace, so an index finds them. Where there are many,
the list of all changes is gone through instead, a bounded number of them for each page.
"""

from typing import NamedTuple

from ..db import Database, Tx
from ..db.each import Each
from ..errors import AccountUnknown
from .accounts import namespaces
from .audit import COLUMNS, NEWEST, Event, actor_of, event_of, first_id

# More changes than these are not read by the index.
_FEW = 20_000
_FEW_AND_ONE = _FEW + 1
# Changes of all namespaces that one page looks at.
MOST_LOOKED_AT = 20_000
# Kinds of objects below a namespace: KIND NAME/..., and of the namespace itself: KIND NAME.
_BELOW = ("repository", "team", "robot")
_ITSELF = {"user": ("user", "namespace"), namespaces.ORGANIZATION: ("org", "namespace")}
_PARTS = len(_BELOW) + 2
_IDS = " UNION ALL ".join(["SELECT id FROM audit WHERE object >= ? AND object <= ? AND id < ? AND id >= ?"] * _PARTS)
_FOUND = f"SELECT id FROM ({_IDS}) found LIMIT {_FEW_AND_ONE}"
_FILTER = "(? = '' OR actor = ?) AND (? = '' OR action = ?)"
_EVENTS = Each(f"SELECT {COLUMNS} FROM audit WHERE {_FILTER} AND id IN (...)")
_BOTTOM = "SELECT id FROM audit WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET ?"
# The sign keeps SQLite from reading all that an index has of the objects.
_OF_OBJECTS = " OR ".join(["(+object >= ? AND +object <= ?)"] * _PARTS)
_WALK = (
    f"SELECT {COLUMNS} FROM audit WHERE id < ? AND id >= ? AND {_FILTER} AND ({_OF_OBJECTS}) ORDER BY id DESC LIMIT ?"
)
_MADE = {
    "user": "SELECT created_at FROM users WHERE id = ?",
    namespaces.ORGANIZATION: "SELECT created_at FROM organizations WHERE id = ?",
}
# Sorts after every other character of a name.
_LAST = "~"
# Ids of one statement.
_PIECE = 500


class Wanted(NamedTuple):
    """What a page shows. Empty texts filter nothing. actor: as in events, or a bare name. since: milliseconds since
    1970. before: the id of an event.
    """

    actor: str = ""
    action: str = ""
    since: int = 0
    before: int = NEWEST
    limit: int = 50


class Part(NamedTuple):
    """A page, the newest first. later: the id before which to go on; None at the end. A page may be short although more
    follow.
    """

    events: list[Event]
    later: int | None


class NamespaceAudit:
    def __init__(self, db: Database):
        self._db = db

    async def page(self, namespace: str, wanted: Wanted) -> Part:
        """Changes since the holder of the namespace was made: those before are somebody else's.

        Raises AccountUnknown where neither a user nor an organization has the namespace.
        """
        return await self._db.scan(lambda tx: _page(tx, namespace, wanted), long=True)


def _page(tx: Tx, namespace: str, wanted: Wanted) -> Part:
    held = namespaces.find(tx, namespace)
    if held is None or held.released_at is not None or held.kind not in _MADE:
        raise AccountUnknown(f"there is no user or organization {namespace}")
    (made_at,) = tx.one(_MADE[held.kind], held.holder_id)
    first = first_id(max(made_at, wanted.since))
    ranges = _ranges(namespace, held.kind)
    places = [value for low, high in ranges for value in (low, high, wanted.before, first)]
    ids = sorted((id for (id,) in tx.all(_FOUND, *places)), reverse=True)
    if len(ids) <= _FEW:
        return _of_ids(tx, ids, wanted)
    return _walked(tx, ranges, first, wanted)


def _ranges(namespace: str, kind: str) -> list[tuple[str, str]]:
    """The first and the last object of each kind."""
    below = [(f"{each} {namespace}/", f"{each} {namespace}/{_LAST}") for each in _BELOW]
    return below + [(f"{each} {namespace}",) * 2 for each in _ITSELF[kind]]


def _filter(wanted: Wanted) -> tuple[str, ...]:
    actor = actor_of(wanted.actor)
    return actor, actor, wanted.action, wanted.action


def _of_ids(tx: Tx, ids: list[int], wanted: Wanted) -> Part:
    """The page of these ids, which are sorted."""
    found: list[Event] = []
    for first in range(0, len(ids), _PIECE):
        rows = _EVENTS.all(tx, _filter(wanted), ids[first : first + _PIECE])
        found += sorted(map(event_of, rows), key=lambda event: event.id, reverse=True)
        if len(found) > wanted.limit:
            return Part(found[: wanted.limit], found[wanted.limit - 1].id)
    return Part(found, None)


def _walked(tx: Tx, ranges: list[tuple[str, str]], first: int, wanted: Wanted) -> Part:
    """The page of the list of all changes, as far as one page looks."""
    bottom = tx.one(_BOTTOM, wanted.before, MOST_LOOKED_AT - 1)
    end = bottom[0] if bottom and bottom[0] > first else None
    bounds = [each for pair in ranges for each in pair]
    rows = tx.all(_WALK, wanted.before, end or first, *_filter(wanted), *bounds, wanted.limit + 1)
    found = [event_of(row) for row in rows]
    if len(found) > wanted.limit:
        return Part(found[: wanted.limit], found[wanted.limit - 1].id)
    return Part(found, end)
