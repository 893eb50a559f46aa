"""The search of clients such as `docker search`: repositories by name or description, by the page.

First come names that begin with what was typed, or whose last segment does, then other names that have it, then
descriptions. Within each of these, what has more stars comes first.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ...db import Database, Tx
from ...names import LIBRARY
from ..access import rule
from ..access.rule import PULL, Principal, decide
from . import conditions, lists, reach
from .conditions import ALWAYS, NEVER, Condition, either, escaped, statement
from .lists import ListedRepository

# What one search finds at most, and so for how many the rule is asked.
MOST = 1000
# With more ways all that fits is left to the rule.
_MANY_WAYS = 32
_BEST = ("repository_facts.name LIKE ? ESCAPE '|' OR repository_facts.name LIKE ? ESCAPE '|' AND repository_facts.name"
         " NOT LIKE ? ESCAPE '|'")  # fmt: skip
# Indexes have the names with what is asked of them.
_NAMES = (
    f"SELECT repository_facts.name, repository_facts.visibility, CASE WHEN {_BEST} THEN 0 ELSE 1 END AS fit FROM"
    " repository_facts"
)
_BY_NAME = " ORDER BY fit, repository_facts.stars DESC, repository_facts.name LIMIT ?"
# CROSS JOIN: SQLite takes the first table first, and few repositories have a description.
_DESCRIBED = (
    "SELECT repository_facts.name, repository_facts.visibility FROM repositories CROSS JOIN repository_facts ON"
    " repository_facts.repository_id = repositories.id"
)
_BY_STARS = " ORDER BY repository_facts.stars DESC, repository_facts.name LIMIT ?"


class FoundPage(NamedTuple):
    """total: how many were found, MOST at most. items: those of the page."""

    total: int
    items: list[ListedRepository]


class ClientSearch:
    def __init__(self, db: Database):
        self._db = db

    async def find(self, principal: Principal, text: str, first: int, count: int) -> FoundPage:
        """What the principal may pull and fits the text; with an empty one, everything. first: counted from 0."""
        part = text.lower().removeprefix(f"{LIBRARY}/")

        def query(tx: Tx) -> FoundPage:
            names = _names(tx, principal, part)
            page = names[first : first + count]
            items = {item.name: item for item in lists.named(tx, page)}
            return FoundPage(len(names), [items[name] for name in page if name in items])

        return await self._db.scan(query, long=True)


def _names(tx: Tx, principal: Principal, part: str) -> list[str]:
    within = _within_reach(principal)
    like = f"%{escaped(part)}%"
    found = _by_name(tx, part, [within, Condition("repository_facts.name LIKE ? ESCAPE '|'", (like,))])
    if part and len(found) < MOST:
        described = Condition(
            "LOWER(repositories.description) LIKE ? ESCAPE '|' AND repository_facts.name NOT LIKE ? ESCAPE '|'",
            (like, like),
        )
        sql, *parameters = statement(_DESCRIBED, [described, within], _BY_STARS)
        found += tx.all(sql, *parameters, MOST - len(found))
    return [
        name for name, visibility, *_ in found
        if decide(principal, PULL, rule.repository(name, True, visibility)).allowed
    ]  # fmt: skip


def _by_name(tx: Tx, part: str, fitting: Sequence[Condition]) -> list:
    begins, inside = f"{escaped(part)}%", f"%/{escaped(part)}%"
    sql, *parameters = statement(_NAMES, fitting, _BY_NAME)
    return list(tx.all(sql, begins, inside, f"{inside}/%", *parameters, MOST))


def _within_reach(principal: Principal) -> Condition:
    ways = conditions.ways(reach.of(principal))
    if not ways:
        return NEVER
    if len(ways) > _MANY_WAYS:
        return ALWAYS
    way = either(ways)
    return Condition(f"({way.sql})", way.parameters)
