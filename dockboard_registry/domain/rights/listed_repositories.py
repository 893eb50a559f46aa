"""Repositories with visibility and description, as lists show them: all, or those that somebody may pull.

The work for one page is bounded, however many repositories, grants and patterns there are. So a page may be short
although more pages follow.
"""

from collections.abc import Iterator
from time import perf_counter
from typing import NamedTuple

from ...db import Row, Tx
from ...names import LIBRARY
from ..access import rule
from ..access.rule import PUBLIC, PULL, USER, Principal, decide
from ..accounts import namespaces

# Limits of one page: rows for which the rule is asked, names among which the database looks for public ones, and
# seconds. A page ends at the first limit.
_MOST_ROWS, _MOST_NAMES, _MOST_SECONDS = 1000, 5000, 0.05
_PIECE = 100
_LAST_NAME = "~"
_DESCRIBED = (
    "SELECT repositories.name, repositories.visibility, namespaces.default_visibility, repositories.description,"
    " repositories.created_at FROM repositories LEFT JOIN namespaces ON namespaces.name = CASE INSTR(repositories.name,"
    " '/') WHEN 0 THEN 'library' ELSE SUBSTR(repositories.name, 1, INSTR(repositories.name, '/') - 1) END"
)
_LIST = f"{_DESCRIBED} WHERE repositories.name > ? ORDER BY repositories.name LIMIT ?"
_ONE = f"{_DESCRIBED} WHERE repositories.name = ?"
_END_OF_NAMES = "SELECT name FROM repositories WHERE name > ? ORDER BY name LIMIT 1 OFFSET ?"
# With 1 it includes names of one segment. They are in library and lie between all others.
_PUBLIC = (
    f"{_DESCRIBED} WHERE repositories.name > ? AND repositories.name <= ? AND (COALESCE(repositories.visibility,"
    " namespaces.default_visibility, 'public') = 'public' OR (? = 1 AND INSTR(repositories.name, '/') = 0)) ORDER BY"
    " repositories.name LIMIT ?"
)
_WITHIN = f"{_DESCRIBED} WHERE repositories.name > ? AND repositories.name < ? ORDER BY repositories.name LIMIT ?"
_STARRED = (
    f"{_DESCRIBED} JOIN stars ON stars.repository_id = repositories.id WHERE stars.user_id = ? AND repositories.name >"
    " ? ORDER BY repositories.name"
)


class ListedRepository(NamedTuple):
    """created_at in milliseconds since 1970."""

    name: str
    visibility: str
    description: str | None
    created_at: int


# Rows in the order of their names, and the name up to which they are complete; None: to the end.
Pieces = Iterator[tuple[list[Row], str | None]]


def one(tx: Tx, name: str) -> ListedRepository | None:
    row = tx.one(_ONE, name)
    return row and _listed(row)


def every(tx: Tx, after: str, limit: int) -> list[ListedRepository]:
    """Repositories with names greater than `after` in byte order."""
    return [_listed(row) for row in tx.all(_LIST, after, limit)]


def starred(tx: Tx, user_id: int, after: str) -> list[ListedRepository]:
    """The repositories with names greater than `after` that the user starred, also those that they may not pull."""
    return [_listed(row) for row in tx.all(_STARRED, user_id, after)]


def visible(tx: Tx, principal: Principal, after: str, limit: int) -> tuple[list[ListedRepository], str | None]:
    """At most `limit` repositories that the principal may pull, and the name after which to go on.

    None: there are no more.
    """
    spaces, ends_at = _spaces(principal), perf_counter() + _MOST_SECONDS
    ways = [_all(tx, after)] if spaces is None else [_public(tx, after, LIBRARY in spaces), _within(tx, after, spaces)]
    found: dict[str, ListedRepository] = {}
    ends = []
    for way in ways:
        some, end = _pulled(principal, way, limit, ends_at)
        found |= some
        ends += [end] if end is not None else []
    upto = min(ends, default=None)
    names = sorted(name for name in found if upto is None or name <= upto)
    return [found[name] for name in names[:limit]], names[limit - 1] if len(names) > limit else upto


def _listed(row: Row) -> ListedRepository:
    name, own, default, text, at = row
    return ListedRepository(name, own or default or PUBLIC, text, at)


def _spaces(principal: Principal) -> set[str] | None:
    """The namespaces where the principal may pull private repositories. None: not known in advance."""
    own = {principal.name} if principal.kind == USER else set()
    found = None if principal.administrator else {*principal.memberships, *principal.grants, *own}
    for scope in principal.scopes:
        pulls = [entry.pattern for entry in scope if PULL in entry.actions]
        if None not in pulls:
            named = {pattern.namespace for pattern in pulls if pattern is not None}
            found = named if found is None else found & named
    return found


def _pulled(
    principal: Principal, pieces: Pieces, limit: int, ends_at: float
) -> tuple[dict[str, ListedRepository], str | None]:
    """What the principal may pull of the first pieces, and the name up to which this is complete.

    More than `limit` if there is more.
    """
    found: dict[str, ListedRepository] = {}
    looked, upto = 0, None
    for rows, upto in pieces:
        looked += len(rows)
        for item in map(_listed, rows):
            if decide(principal, PULL, rule.repository(item.name, True, item.visibility)).allowed:
                found[item.name] = item
        if upto is None or len(found) > limit or looked >= _MOST_ROWS or perf_counter() > ends_at:
            break
    return found, upto


def _all(tx: Tx, after: str) -> Pieces:
    while len(rows := tx.all(_LIST, after, _PIECE)) == _PIECE:
        after = rows[-1][0]
        yield rows, after
    yield rows, None


def _public(tx: Tx, after: str, with_library: bool) -> Pieces:
    """Public repositories among so many names; with_library: also those in library."""
    end = (tx.one(_END_OF_NAMES, after, _MOST_NAMES) or (None,))[0]
    while len(rows := tx.all(_PUBLIC, after, end or _LAST_NAME, int(with_library), _PIECE)) == _PIECE:
        after = rows[-1][0]
        yield rows, after
    yield rows, end


def _within(tx: Tx, after: str, spaces: set[str]) -> Pieces:
    """All repositories in these namespaces whose names have a slash."""
    for low, high in sorted(map(namespaces.bounds, spaces)):
        at = max(after, low)
        while at < high:
            rows = tx.all(_WITHIN, at, high, _PIECE)
            at = rows[-1][0] if len(rows) == _PIECE else high
            yield rows, at
    yield [], None
