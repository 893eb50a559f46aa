"""The search: repositories, tags, digests and namespaces that somebody may see, a few of each, and in little time."""

from collections.abc import Sequence
from typing import NamedTuple

from ...db import Database, Row, Tx
from ...db.each import SOME, Each
from ..access import rule
from ..access.rule import ADMIN, PULL, REGISTRY, USER, Principal, decide
from . import conditions, lists, names_with, nearest, reach
from .conditions import ALWAYS, Condition, either, escaped, statement
from .lists import ROW, ListedRepository
from .terms import Reference, Term

# Of each group. One more says that there are more.
MOST = 10
# Rows for which the rule is asked in one group, and repositories in whose tags a tag is looked for: those that were
# pushed last.
_MOST_ASKED, _MOST_TAGGED = 50, SOME
# Names that are sorted by how well they fit. Of more the best are asked for.
_MOST_RANKED = 200
# With more ways all that fits is left to the rule.
_MANY_WAYS = 32
# Names that are compared to find those that are nearly what was typed.
_MOST_COMPARED = 100
_REPOSITORIES = (
    f"SELECT {ROW} FROM repository_facts CROSS JOIN repositories ON repositories.id = repository_facts.repository_id"
    " LEFT JOIN namespaces ON namespaces.name = repository_facts.namespace"
)
# An index has the names with what is asked of them. The rows are read for the few that are shown.
_NAMES = "SELECT repository_facts.name, repository_facts.pushed_at FROM repository_facts"
_NAMED = Each(f"{_REPOSITORIES} WHERE repository_facts.name IN (...)")
# Without an index where few fit: looking at all as they are stored is quicker.
_LATEST_OF_FEW = " ORDER BY +repository_facts.pushed_at DESC, repository_facts.name DESC LIMIT ?"
_LATEST = " ORDER BY repository_facts.pushed_at DESC, repository_facts.name DESC LIMIT ?"
_LATEST_ROWS = _REPOSITORIES.replace(
    "SELECT ", "SELECT repository_facts.name, repository_facts.pushed_at, repository_facts.repository_id, ", 1
)
_TAGS = Each(
    "SELECT repository_id, name, digest, updated_at FROM tags WHERE name >= ? AND name < ? AND name LIKE ? ESCAPE '|'"
    " AND repository_id IN (...)"
)
_DIGESTS = (
    f"SELECT manifest_facts.digest, manifest_facts.repository_id, manifest_facts.kind, {ROW} FROM manifest_facts CROSS"
    " JOIN repository_facts ON repository_facts.repository_id = manifest_facts.repository_id CROSS JOIN repositories ON"
    " repositories.id = manifest_facts.repository_id LEFT JOIN namespaces ON namespaces.name ="
    " repository_facts.namespace"
)
_BY_DIGEST = " ORDER BY manifest_facts.digest, manifest_facts.repository_id LIMIT ?"
_TAGS_OF = "SELECT name FROM tags WHERE repository_id = ? AND digest = ? ORDER BY name LIMIT ?"
_NAMESPACES = "SELECT name, kind FROM namespaces WHERE released_at IS NULL AND name LIKE ? ESCAPE '|'"
_SHOWN = (
    f"{_NAMESPACES} AND EXISTS (SELECT 1 FROM repository_facts WHERE repository_facts.namespace = namespaces.name AND"
    " repository_facts.visibility = 'public') ORDER BY name LIMIT ?"
)
_ALL = f"{_NAMESPACES} ORDER BY name LIMIT ?"
_ONE = "SELECT name, kind FROM namespaces WHERE released_at IS NULL AND name = ?"


class FoundTag(NamedTuple):
    """updated_at in milliseconds since 1970."""

    repository: str
    name: str
    digest: str
    updated_at: int


class FoundDigest(NamedTuple):
    """A manifest in one repository. tags: some of those that point to it."""

    digest: str
    repository: str
    kind: str
    tags: list[str]


class FoundNamespace(NamedTuple):
    """kind: user, organization or system."""

    name: str
    kind: str


class Results(NamedTuple):
    """At most MOST of each. more: the groups of which there are more. nearest: names, where nothing was found.

    total: how many repositories fit. None: not counted, because they are too many, or the rule would have to be asked
    about each.
    """

    repositories: list[ListedRepository]
    tags: list[FoundTag]
    digests: list[FoundDigest]
    namespaces: list[FoundNamespace]
    more: frozenset[str]
    nearest: list[str] = []
    total: int | None = None

    @property
    def is_empty(self) -> bool:
        return not (self.repositories or self.tags or self.digests or self.namespaces)


class Search:
    def __init__(self, db: Database):
        self._db = db

    async def find(self, principal: Principal, term: Term) -> Results:
        return await self._db.scan(lambda tx: _Finder(tx, principal, term).find(), long=True)

    async def sees(self, principal: Principal, reference: Reference) -> bool:
        """Whether there is such a repository, and the principal may pull it."""
        found = await self._db.scan(lambda tx: lists.one(tx, reference.name))
        return found is not None and _may_pull(principal, found)


class _Finder:
    def __init__(self, tx: Tx, principal: Principal, term: Term):
        self._tx, self._principal, self._term = tx, principal, term
        self._reach = reach.of(principal)
        self._ways = conditions.ways(self._reach, term.namespace)
        self._total: int | None = None

    def find(self) -> Results:
        term, groups = self._term, {"repositories": [], "tags": [], "digests": [], "namespaces": []}
        if self._ways and not term.is_empty:
            groups["repositories"] = self._repositories()
            groups["tags"] = self._tags()
            groups["digests"] = self._digests() if term.digest else []
        if term.text and not (term.tag or term.digest or term.kind or term.platform or term.namespace):
            groups["namespaces"] = self._namespaces()
        more = frozenset(name for name, found in groups.items() if len(found) > MOST)
        found = Results(**{name: found[:MOST] for name, found in groups.items()}, more=more, total=self._total)
        return found._replace(nearest=self._nearest()) if found.is_empty and term.text else found

    def _repositories(self) -> list[ListedRepository]:
        term = self._term
        if term.digest or (not term.text and term.tag):
            return []
        names = self._names()
        if self._reach.exact and len(names) <= _MOST_RANKED:
            self._total = len(names)
        names = names[:_MOST_ASKED]
        found = {item.name: item for item in map(lists.listed, _NAMED.all(self._tx, (), names))}
        return self._allowed(found[name] for name in names if name in found)[: MOST + 1]

    def _names(self) -> list[str]:
        """Names with the text in them, those that fit best first, and of these those that were pushed last."""
        text = self._term.text
        names = self._latest_names(names_with.part(text), _MOST_RANKED + 1)
        if len(names) <= _MOST_RANKED:
            return sorted(names, key=lambda name: names_with.rank(name, text))
        best: list[str] = []
        for condition in names_with.best(text):
            best += self._latest_names(condition, _MOST_ASKED)
            if len(best) >= _MOST_ASKED:
                break
        return list(dict.fromkeys([*best, *names]))

    def _latest_names(self, condition: Condition, limit: int) -> list[str]:
        return [name for name, _ in self._latest(_NAMES, [condition], limit)]

    def _latest(self, select: str, fitting: Sequence[Condition], limit: int) -> list[Row]:
        """Of all that fits the rows of what was pushed last. The first columns are the name and the time of the push.

        Each way is read by its index in this order. SQLite would find all that fits several of them, and sort it.
        """
        few = self._term.kind or self._term.platform or self._term.tag and self._term.text
        ways, order = ([self._any_way()], _LATEST_OF_FEW) if few else (self._ways, _LATEST)
        found: dict[str, Row] = {}
        for way in ways if len(ways) <= _MANY_WAYS else [ALWAYS]:
            sql, *parameters = statement(select, [way, *self._filters(), *fitting])
            found |= {row[0]: row for row in self._tx.all(sql + order, *parameters, limit)}
        return sorted(found.values(), key=lambda row: (row[1], row[0]), reverse=True)[:limit]

    def _any_way(self) -> Condition:
        """What is within reach, as one condition."""
        if len(self._ways) > _MANY_WAYS:
            return ALWAYS
        way = either(self._ways)
        return Condition(f"({way.sql})", way.parameters)

    def _filters(self) -> list[Condition]:
        """The kind and platform that are asked for."""
        term, found = self._term, []
        if term.kind:
            found.append(Condition("repository_facts.kind = ?", (term.kind,)))
        if term.platform:
            found.append(Condition("INSTR(repository_facts.platforms, ?) > 0", (f",{term.platform},",)))
        return found

    def _tags(self) -> list[FoundTag]:
        """Tags that begin with what was typed, or fit the pattern, in the repositories that were pushed last."""
        wanted = self._term.tag or self._term.text
        if not wanted or "/" in wanted or self._term.digest:
            return []
        fitting = [names_with.part(self._term.text)] if self._term.tag and self._term.text else []
        rows = self._latest(_LATEST_ROWS, fitting, _MOST_TAGGED)
        found = {id: lists.listed(row) for _, _, id, *row in rows}
        ids = {id: item.name for id, item in found.items() if _may_pull(self._principal, item)}
        low = wanted.partition("*")[0]
        like = escaped(wanted).replace("*", "%") + ("" if "*" in wanted else "%")
        tags = [FoundTag(ids[id], *tag) for id, *tag in _TAGS.all(self._tx, (low, f"{low}~", like), list(ids))]
        latest = sorted(tags, key=lambda tag: (tag.updated_at, tag.name), reverse=True)
        return sorted(latest, key=lambda tag: tag.name != wanted)[: MOST + 1]

    def _digests(self) -> list[FoundDigest]:
        low, found = self._term.digest, []
        between = Condition("manifest_facts.digest >= ? AND manifest_facts.digest < ?", (low, f"{low}g"))
        sql, *parameters = statement(_DIGESTS, [between, self._any_way(), *self._filters()])
        for digest, id, kind, *row in self._tx.all(sql + _BY_DIGEST, *parameters, _MOST_ASKED):
            if _may_pull(self._principal, lists.listed(row)) and len(found) <= MOST:
                tags = [name for (name,) in self._tx.all(_TAGS_OF, id, digest, MOST)]
                found.append(FoundDigest(digest, row[0], kind, tags))
        return found

    def _namespaces(self) -> list[FoundNamespace]:
        """Those that the principal belongs to or has rights in, and those that have something public."""
        principal, part = self._principal, f"%{escaped(self._term.text)}%"
        if decide(principal, ADMIN, REGISTRY).allowed:
            return [FoundNamespace(*row) for row in self._tx.all(_ALL, part, MOST + 1)]
        own = {*principal.memberships, *([principal.name] if principal.kind == USER else [])}
        own = {name for name in own if decide(principal, PULL, rule.namespace(name)).allowed}
        rows: list[Row | None] = [self._tx.one(_ONE, name) for name in sorted(own) if self._term.text in name]
        if self._reach.public or self._reach.everything:
            rows += self._tx.all(_SHOWN, part, MOST + 1)
        return [FoundNamespace(*row) for row in dict.fromkeys(rows) if row is not None][: MOST + 1]

    def _nearest(self) -> list[str]:
        """Names that are nearly what was typed, among those that were pushed last."""
        if not self._ways or len(self._term.text) > nearest.LONGEST:
            return []
        items = [lists.listed(row[3:]) for row in self._latest(_LATEST_ROWS, [], _MOST_COMPARED)]
        return nearest.names(self._term.text, [item.name for item in self._allowed(items)])

    def _allowed(self, items) -> list[ListedRepository]:
        return [item for item in items if _may_pull(self._principal, item)]


def _may_pull(principal: Principal, item: ListedRepository) -> bool:
    return decide(principal, PULL, rule.repository(item.name, True, item.visibility)).allowed
