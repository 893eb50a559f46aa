"""The search for one page of a list of repositories.

The work is bounded, however many repositories, grants and patterns there are.

Without a filter the database reads each way (conditions.py) by an index, in the order of the list, and the ways are
merged. With a filter it goes along the list a little, which is enough where much fits the filter. Otherwise it looks at
everything in the order in which it is stored, and sorts what it finds.
"""

from collections.abc import Iterable, Sequence

from ...db import Database, Row, Tx
from ..access import rule
from ..access.rule import PULL, Principal, decide
from . import conditions, lists, reach
from .conditions import Condition, either, escaped, statement
from .lists import COLUMNS, NAME, ROW, Key, ListedRepository, Page, Wanted

# A filter looks at so many repositories in the order of the list first, and then at so many others at most.
_FIRST_LOOK, MOST_LOOKED_AT = 400, 200_000
# Rows for which the rule is asked in one page.
_MOST_ASKED = 2000
# The rows of a few ways are read a page at a time, those of more ways some at a time. Where there are some ways, going
# along the list may fill the page sooner. As one condition many ways cost more than asking the rule.
_FEW_WAYS, _FEW_ROWS, _SOME_WAYS, _MANY_WAYS = 3, 8, 6, 32
# Before a column it keeps SQLite from using an index, which takes longer where most rows do not fit.
_NO_INDEX = "+"
# CROSS JOIN: SQLite takes the first table first.
_NAMESPACES = "LEFT JOIN namespaces ON namespaces.name = repository_facts.namespace"
_BY_FACTS = (
    f"SELECT {ROW} FROM repository_facts CROSS JOIN repositories ON repositories.id = repository_facts.repository_id"
    f" {_NAMESPACES}"
)
_BY_ROWS = (
    f"SELECT {ROW} FROM repositories CROSS JOIN repository_facts ON repository_facts.repository_id = repositories.id"
    f" {_NAMESPACES}"
)
_HAS_CATEGORY = (
    "EXISTS (SELECT 1 FROM repository_categories WHERE repository_categories.category = ? AND"
    " repository_categories.repository_id = repository_facts.repository_id)"
)
_KEYS = "SELECT name, pushed_at, size, stars, pulls FROM repository_facts"

Found = dict[str, ListedRepository]


class PageSearch:
    def __init__(self, tx: Tx, principal: Principal, wanted: Wanted):
        self._tx, self._principal, self._wanted = tx, principal, wanted
        self._ways = conditions.ways(reach.of(principal), wanted.namespace)
        self._column = f"repository_facts.{COLUMNS[wanted.sort]}"
        # A page before a key is read the other way round.
        self._down = (wanted.sort != NAME) != (wanted.before is not None)
        self._from = wanted.after or wanted.before
        self._asked = 0

    def page(self) -> Page:
        wanted = self._wanted
        filters = list(_filters(wanted))
        found, end = self._filtered(filters) if filters else self._plain()
        items = found[: wanted.limit]
        more = self._key(items[-1]) if len(found) > wanted.limit else end
        if wanted.before is None:
            return Page(items, more, wanted.after and (self._key(items[0]) if items else wanted.after))
        items.reverse()
        return Page(items, self._key(items[-1]) if items else wanted.before, more)

    def _plain(self) -> tuple[list[ListedRepository], Key | None]:
        """The list, and the key up to which it is complete, if more may follow."""
        limit, found, items, end = self._wanted.limit, {}, [], self._from
        if len(self._ways) > _SOME_WAYS:
            found, end = self._look([])
            if end is None or len(found) > limit:
                return self._complete(found, [end] if end else [])
        size = limit + 1 if len(self._ways) <= _FEW_WAYS else _FEW_ROWS
        ends = behind = dict.fromkeys(self._ways, end)
        end = None
        while behind:
            ends = ends | {way: self._along(way, start, size, found) for way, start in behind.items()}
            items, end = self._complete(found, [end for end in ends.values() if end is not None])
            if len(items) > limit or self._asked >= _MOST_ASKED:
                break
            behind = {way: at for way, at in ends.items() if at is not None and at == end}
        return items, end

    def _along(self, way: Condition, start: Key | None, size: int, found: Found) -> Key | None:
        """Add what may be pulled of the next rows of one way. Returns the key of the last row; None at the end."""
        rows = self._rows(_BY_FACTS, [way, *self._beyond(start)], size)
        self._allow(rows, found)
        return self._key(lists.listed(rows[-1])) if len(rows) == size else None

    def _filtered(self, filters: Sequence[Condition]) -> tuple[list[ListedRepository], Key | None]:
        """The same with filters."""
        wanted = self._wanted
        found, middle = self._look(filters)
        if middle is None or len(found) > wanted.limit:
            return self._complete(found, [middle] if middle else [])
        end = self._nth(middle, MOST_LOOKED_AT)
        far = [*self._beyond(middle, _NO_INDEX), *self._up_to(end, _NO_INDEX)]
        size = min(4 * wanted.limit, _MOST_ASKED) + 1
        select = _BY_ROWS if wanted.text else _BY_FACTS
        rows = self._rows(select, [*filters, self._within_reach(), *far], size, _NO_INDEX)
        self._allow(rows, found)
        if len(rows) == size:
            end = self._key(lists.listed(rows[-1]))
        return self._complete(found, [end] if end else [])

    def _look(self, filters: Sequence[Condition]) -> tuple[Found, Key | None]:
        """What may be pulled of the first repositories in order, and how far this went; None: to the end."""
        found: Found = {}
        start, end, size = self._from, self._nth(self._from, _FIRST_LOOK), self._wanted.limit + 1
        fitting = [*filters, self._within_reach(), *self._up_to(end)]
        while len(rows := self._rows(_BY_FACTS, [*fitting, *self._beyond(start)], size)) == size:
            self._allow(rows, found)
            start = self._key(lists.listed(rows[-1]))
            if len(found) == size or self._asked >= _MOST_ASKED:
                return found, start
        self._allow(rows, found)
        return found, end

    def _within_reach(self) -> Condition:
        if not self._ways:
            return conditions.NEVER
        if len(self._ways) > _MANY_WAYS:
            return conditions.ALWAYS
        way = either(self._ways)
        return Condition(f"({way.sql})", way.parameters)

    def _complete(self, found: Found, ends: list[Key]) -> tuple[list[ListedRepository], Key | None]:
        """What was found up to the first of the ends, in order, and that end."""
        items = sorted(found.values(), key=self._key, reverse=self._down)
        if not ends:
            return items, None
        end = max(ends) if self._down else min(ends)
        return [item for item in items if (self._key(item) >= end if self._down else self._key(item) <= end)], end

    def _key(self, item: ListedRepository) -> Key:
        return lists.key(item, self._wanted.sort)

    def _allow(self, rows: Sequence[Row], found: Found) -> None:
        """Add what the rule allows."""
        self._asked += len(rows)
        for item in map(lists.listed, rows):
            if decide(self._principal, PULL, rule.repository(item.name, True, item.visibility)).allowed:
                found[item.name] = item

    def _rows(self, select: str, fitting: Sequence[Condition], limit: int, plus: str = "") -> list[Row]:
        return self._tx.all(*statement(select, fitting, f"{self._order(plus)} LIMIT {limit}"))

    def _nth(self, start: Key | None, number: int) -> Key | None:
        """The key of that repository after the start, whoever may pull it. None: there are not so many."""
        row = self._tx.one(*statement(_KEYS, self._beyond(start), f"{self._order()} LIMIT 1 OFFSET {number - 1}"))
        return row and Key(row[list(COLUMNS).index(self._wanted.sort)], row[0])

    def _order(self, plus: str = "") -> str:
        way = " DESC" if self._down else ""
        value = "" if self._wanted.sort == NAME else f"{plus}{self._column}{way}, "
        return f" ORDER BY {value}{plus}repository_facts.name{way}"

    def _beyond(self, start: Key | None, plus: str = "") -> Iterable[Condition]:
        return [self._compared("<" if self._down else ">", start, plus)] if start is not None else []

    def _up_to(self, end: Key | None, plus: str = "") -> Iterable[Condition]:
        return [self._compared(">=" if self._down else "<=", end, plus)] if end is not None else []

    def _compared(self, sign: str, to: Key, plus: str) -> Condition:
        column, name = plus + self._column, f"{plus}repository_facts.name"
        if self._wanted.sort == NAME:
            return Condition(f"{name} {sign} ?", (to.name,))
        # The first half is for MySQL, which uses no index for the second.
        return Condition(f"{column} {sign[0]}= ? AND ({column}, {name}) {sign} (?, ?)", (to.value, *to))


def _filters(wanted: Wanted) -> Iterable[Condition]:
    if wanted.text:
        part = f"%{escaped(wanted.text.lower())}%"
        sql = "(repositories.name LIKE ? ESCAPE '|' OR LOWER(repositories.description) LIKE ? ESCAPE '|')"
        yield Condition(sql, (part, part))
    if wanted.kinds:
        yield Condition(f"repository_facts.kind IN ({', '.join('?' * len(wanted.kinds))})", wanted.kinds)
    if wanted.platform:
        yield Condition("INSTR(repository_facts.platforms, ?) > 0", (f",{wanted.platform},",))
    if wanted.category:
        yield Condition(_HAS_CATEGORY, (wanted.category,))


class Lists:
    def __init__(self, db: Database):
        self._db = db

    async def page(self, principal: Principal, wanted: Wanted) -> Page:
        """What the principal may pull."""
        return await self._db.scan(lambda tx: PageSearch(tx, principal, wanted).page(), long=True)

    async def counted(self, principal: Principal, wanted: Wanted) -> tuple[Page, int | None]:
        """The same, and how many there are in the namespace without any other filter. See lists.count."""

        def query(tx: Tx) -> tuple[Page, int | None]:
            return PageSearch(tx, principal, wanted).page(), lists.count(tx, principal, wanted.namespace)

        return await self._db.scan(query, long=True)
