"""Grants: a right on the repositories that a pattern names, for a user, a team or a robot account."""

from collections.abc import Callable
from typing import NamedTuple

from ...db import Database, Row, Tx, now
from ...db.each import Each
from ...errors import AccountUnknown, ChangeRefused, FieldInvalid
from ...names import LIBRARY, namespace_of
from ...wording import quoted
from .. import audit
from ..access import patterns
from ..access.rule import RIGHTS, ROBOT, USER, Grant
from ..accounts import accounts, namespaces, robots, teams
from ..audit import Actor
from ..changes import Unchanged, access_changed, write_if_changed
from ..content.repositories import new_id

TEAM = "team"
# Grants of one holder in one namespace. All are read with the holder's rights, and others give them without asking the
# holder.
MOST = 1000
_COUNT = "SELECT COUNT(*) FROM grants WHERE namespace = ? AND holder_kind = ? AND holder_id = ?"
_NEXT = "write user:NAME, team:ORGANIZATION/TEAM or robot:ORGANIZATION/NAME"
_ALL = (
    "SELECT grants.pattern, grants.permission, grants.holder_kind, COALESCE(users.name, organizations.name),"
    " COALESCE(teams.name, robots.name), grants.created_at FROM grants"
    " LEFT JOIN users ON grants.holder_kind = 'user' AND users.id = grants.holder_id"
    " LEFT JOIN teams ON grants.holder_kind = 'team' AND teams.id = grants.holder_id"
    " LEFT JOIN robots ON grants.holder_kind = 'robot' AND robots.id = grants.holder_id"
    " LEFT JOIN organizations ON organizations.id = COALESCE(teams.organization_id, robots.organization_id)"
)
_LIST = f"{_ALL} WHERE ? = '' OR grants.namespace = ? ORDER BY grants.pattern, grants.holder_kind, grants.id"
# A page has the grants after a given one, up to the pattern that is so many grants further. So only these are sorted.
_END, _END_WITHIN = (
    "SELECT pattern FROM grants WHERE pattern > ? ORDER BY pattern LIMIT 1 OFFSET ?",
    "SELECT pattern FROM grants WHERE namespace = ? AND pattern > ? ORDER BY pattern LIMIT 1 OFFSET ?",
)
_BEHIND = (
    "grants.pattern >= ? AND grants.pattern <= ? AND (grants.pattern > ? OR grants.holder_kind > ? OR"
    " (grants.holder_kind = ? AND (COALESCE(users.name, organizations.name) > ? OR (COALESCE(users.name,"
    " organizations.name) = ? AND COALESCE(teams.name, robots.name) > ?)))) ORDER BY grants.pattern,"
    " grants.holder_kind, COALESCE(users.name, organizations.name), COALESCE(teams.name, robots.name) LIMIT ?"
)
_PAGE, _PAGE_WITHIN = f"{_ALL} WHERE {_BEHIND}", f"{_ALL} WHERE grants.namespace = ? AND {_BEHIND}"
_LAST_PATTERN = "~"
# Patterns that may name a repository: its name in both spellings, and those with wildcards.
_CANDIDATES = (
    "SELECT DISTINCT pattern FROM grants WHERE namespace = ? AND (pattern IN (?, ?) OR INSTR(pattern, '*') > 0)"
)
_OF_PATTERNS = Each(f"{_ALL} WHERE grants.namespace = ? AND grants.pattern IN (...)")
_HELD = (
    "SELECT pattern, permission, created_at FROM grants WHERE holder_kind = ? AND holder_id = ? ORDER BY pattern"
    " LIMIT ?"
)
# Of one holder, as a page shows them.
MOST_HELD = 100


class ListedGrant(NamedTuple):
    """A grant as lists show it: holder as in `grant add --to`, created_at in milliseconds since 1970."""

    pattern: str
    right: str
    holder: str
    created_at: int


class Grants:
    def __init__(self, db: Database):
        self._db = db

    async def add(self, actor: Actor, pattern: str, holder: str, right: str) -> None:
        """Give the right. It replaces another one on the same pattern.

        Raises FieldInvalid, AccountUnknown, ChangeRefused for too many.
        """
        parsed, same = patterns.parse(pattern), _spellings(pattern)
        if right not in RIGHTS:
            raise FieldInvalid(
                f"the right {quoted(right)} is not one of read, write and admin", "say read, write or admin"
            )

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            kind, id = find_holder(tx, holder)
            namespaces.require_held(tx, parsed.namespace)
            if [found for (found,) in tx.all(_RIGHTS, kind, id, *same)] == [right]:
                raise Unchanged
            tx.run(_REMOVE, kind, id, *same)
            if tx.one(_COUNT, parsed.namespace, kind, id)[0] >= MOST:
                raise ChangeRefused(
                    f"{holder} has {MOST} grants in the namespace {parsed.namespace} already",
                    "use fewer, with wildcards",
                )
            tx.run(
                "INSERT INTO grants (id, holder_kind, holder_id, pattern, namespace, permission, created_at) VALUES (?,"
                " ?, ?, ?, ?, ?, ?)",
                *(new_id(), kind, id, pattern, parsed.namespace, right, now()),
            )
            audit.note(tx, actor, "grant.add", f"repository {pattern}", to=holder, right=right)

        await write_if_changed(self._db, change)

    async def remove(self, actor: Actor, pattern: str, holder: str) -> None:
        """Raises FieldInvalid, AccountUnknown."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            if not _remove(tx, pattern, holder):
                raise AccountUnknown(f"{holder} has no grant on {pattern}")
            audit.note(tx, actor, "grant.remove", f"repository {pattern}", to=holder)

        await self._db.write(change, brings=0)

    async def page(self, after: str, limit: int, namespace: str = "") -> list[ListedGrant]:
        """All grants, or those in one namespace, after `PATTERN HOLDER`, by pattern and then by kind and name of the
        holder; at most `limit`.
        """
        return await self._db.scan(lambda tx: _page(tx, after, limit, (namespace,) if namespace else ()), long=True)

    async def held(self, holder: str, limit: int = MOST_HELD) -> list[ListedGrant]:
        """The first grants of one holder, by pattern. Raises FieldInvalid, AccountUnknown."""

        def query(tx: Tx) -> list[ListedGrant]:
            kind, id = find_holder(tx, holder)
            return [ListedGrant(pattern, right, holder, at) for pattern, right, at in tx.all(_HELD, kind, id, limit)]

        return await self._db.scan(query)

    async def list(self, namespace: str = "") -> list[ListedGrant]:
        """All grants, or those in one namespace."""
        return await self._db.scan(lambda tx: in_namespace(tx, namespace))


def _remove(tx: Tx, pattern: str, holder: str) -> int:
    """How many grants were removed. An unknown holder has none, like everybody else: nothing tells them apart."""
    try:
        kind, id = find_holder(tx, holder)
    except AccountUnknown:
        return 0
    return tx.run(_REMOVE, kind, id, *_spellings(pattern))


_RIGHTS = "SELECT permission FROM grants WHERE holder_kind = ? AND holder_id = ? AND pattern IN (?, ?)"
_REMOVE = "DELETE FROM grants WHERE holder_kind = ? AND holder_id = ? AND pattern IN (?, ?)"


def _spellings(pattern: str) -> tuple[str, str]:
    """Both ways to write a pattern: app and library/app are the same."""
    spelled = patterns.full(pattern)
    short = spelled.removeprefix(f"{LIBRARY}/")
    return spelled, spelled if "/" in short or "*" in short else short


def matching(tx: Tx, repository: str) -> list[ListedGrant]:
    """The grants that concern one repository, by pattern and then by holder."""
    namespace, full = namespace_of(repository), patterns.full(repository)
    candidates = [text for (text,) in tx.all(_CANDIDATES, namespace, *_spellings(repository))]
    found = [text for text in candidates if patterns.parse(text).matches(full)]
    listed = [_listed(row) for row in _OF_PATTERNS.all(tx, [namespace], found)]
    return sorted(listed, key=lambda grant: (grant.pattern, grant.holder))


def in_namespace(tx: Tx, namespace: str) -> list[ListedGrant]:
    """The grants of one namespace, or all if the name is empty."""
    return [_listed(row) for row in tx.all(_LIST, namespace, namespace)]


def _page(tx: Tx, after: str, limit: int, within: tuple[str, ...]) -> list[ListedGrant]:
    pattern, _, holder = after.partition(" ")
    kind, _, name = holder.partition(":")
    first, _, second = name.partition("/")
    end = tx.one(_END_WITHIN if within else _END, *within, pattern, limit) or (_LAST_PATTERN,)
    given = (*within, pattern, *end, pattern, kind, kind, first, first, second, limit)
    return [_listed(row) for row in tx.all(_PAGE_WITHIN if within else _PAGE, *given)]


def _listed(row: Row) -> ListedGrant:
    pattern, right, kind, first, second, created_at = row
    return ListedGrant(pattern, right, _words(kind, first, second), created_at)


def _words(kind: str, first: str, second: str | None) -> str:
    return f"{kind}:{first}/{second}" if second else f"{kind}:{first}"


_FIND: dict[str, Callable[[Tx, str], accounts.User | teams.Team | robots.Robot]] = {
    USER: accounts.find,
    TEAM: teams.find,
    ROBOT: robots.find,
}


def find_holder(tx: Tx, text: str) -> tuple[str, int]:
    """(kind, id) of user:NAME, team:ORGANIZATION/TEAM, robot:ORGANIZATION/NAME. Raises FieldInvalid, AccountUnknown."""
    kind, _, name = text.partition(":")
    if kind not in _FIND:
        raise FieldInvalid(f"the holder {quoted(text)} is not a user, a team or a robot account", _NEXT)
    return kind, _FIND[kind](tx, name).id


def compiled(rows: list[tuple[str, str, str]]) -> dict[str, tuple[Grant, ...]]:
    """Rows (pattern, right, holder in words) as the rule of access/rule.py takes them: by namespace."""
    found: dict[str, list[Grant]] = {}
    for text, right, via in rows:
        pattern = patterns.parse(text)
        found.setdefault(pattern.namespace, []).append(Grant(pattern, right, via))
    return {namespace: tuple(each) for namespace, each in found.items()}
