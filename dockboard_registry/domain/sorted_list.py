"""Lists that are sorted by a column and read by the page. A page begins behind a row, or ends in front of one.

Filters and order are part of the statement, so no list is read as a whole by the program.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from ..db import Row, Tx
from ..errors import FieldInvalid
from ..numbers import whole
from ..wording import quoted

T = TypeVar("T")
# Above this a count is not exact.
MOST_COUNTED = 100_000
_BETWEEN = "~"
# Stands in a list's statement for what it is sorted by.
_SORTED_BY = "SORTED_BY"
_COUNT = "SELECT COUNT(*) FROM (ROWS LIMIT ?) counted"


class Condition(NamedTuple):
    """A part of WHERE, with the values of its parameters."""

    sql: str
    values: tuple[Any, ...] = ()


class Order(NamedTuple):
    """value: an expression of SQL that is never NULL. number: it is a whole number from 0 on, else a text."""

    value: str
    descending: bool = False
    number: bool = False


class Place(NamedTuple):
    """Where a page is: behind the row with this value and name, or in front of it. An empty name: at the beginning."""

    value: Any = ""
    name: str = ""
    before: bool = False


class Page(NamedTuple, Generic[T]):
    """earlier and later: keys for the pages before and behind this one, None where there is none."""

    items: list[T]
    earlier: str | None
    later: str | None


class SortedList(NamedTuple):
    """rows: the SELECT without WHERE, of SORTED_BY, the name, and then what an item is made of. counted: the same of 1.

    name: the column that tells rows apart. orders: what the list may be sorted by. The statement is put together of
    texts of the program alone; what a client sends are parameters.
    """

    rows: str
    counted: str
    name: str
    orders: Mapping[str, Order]

    def place(self, order: str, key: str, before: bool = False) -> Place:
        """The place for a key of a page in this order. Raises FieldInvalid for an order or a key that is none."""
        by = self._order(order)
        if not key:
            return Place()
        value, between, name = key.rpartition(_BETWEEN) if by.value != self.name else (key, _BETWEEN, key)
        found = whole(value) if by.number else value
        if not between or not name or found is None:
            raise FieldInvalid(f"{quoted(key)} is no key of this list", "take the address of a page from the list")
        return Place(found, name, before)

    def page(
        self,
        tx: Tx,
        order: str,
        conditions: Sequence[Condition],
        place: Place,
        limit: int,
        item: Callable[[Row], T],
    ) -> Page[T]:
        """The rows at this place, at most `limit`. item: makes one of the name and the columns.

        Raises FieldInvalid for an order that is none.
        """
        by = self._order(order)
        descending = by.descending != place.before
        sql, values = self._statement(by, conditions, place, descending)
        rows = tx.all(sql, *values, limit + 1)
        more, rows = len(rows) > limit, rows[:limit]
        if place.before:
            rows.reverse()
        keys = [self._key(by, row) for row in rows]
        earlier = bool(place.name) and (not place.before or more)
        later = more or place.before
        return Page(
            [item(row[1:]) for row in rows],
            keys[0] if keys and earlier else None,
            keys[-1] if keys and later else None,
        )

    def count(self, tx: Tx, conditions: Sequence[Condition]) -> int:
        """How many rows there are; MOST_COUNTED + 1 stands for more than MOST_COUNTED."""
        where, values = _where(conditions)
        return tx.one(_COUNT.replace("ROWS", self.counted + where), *values, MOST_COUNTED + 1)[0]

    def _statement(
        self, by: Order, conditions: Sequence[Condition], place: Place, descending: bool
    ) -> tuple[str, tuple[Any, ...]]:
        sign, word = ("<", " DESC") if descending else (">", "")
        if place.name and by.value == self.name:
            conditions = [*conditions, Condition(f"{self.name} {sign} ?", (place.name,))]
        elif place.name:
            behind = f"({by.value} {sign} ? OR ({by.value} = ? AND {self.name} {sign} ?))"
            conditions = [*conditions, Condition(behind, (place.value, place.value, place.name))]
        where, values = _where(conditions)
        sorting = f"{by.value}{word}" if by.value == self.name else f"{by.value}{word}, {self.name}{word}"
        return f"{self.rows.replace(_SORTED_BY, by.value)}{where} ORDER BY {sorting} LIMIT ?", values

    def _key(self, by: Order, row: Row) -> str:
        return row[1] if by.value == self.name else f"{row[0]}{_BETWEEN}{row[1]}"

    def _order(self, order: str) -> Order:
        found = self.orders.get(order)
        if found is None:
            raise FieldInvalid(
                f"the list can't be sorted by {quoted(order)}", f"sort it by one of {', '.join(self.orders)}"
            )
        return found


def _where(conditions: Sequence[Condition]) -> tuple[str, tuple[Any, ...]]:
    if not conditions:
        return "", ()
    words = " AND ".join(condition.sql for condition in conditions)
    return f" WHERE {words}", tuple(value for condition in conditions for value in condition.values)


def contains(part: str, *columns: str) -> list[Condition]:
    """That one of the columns contains this text, in letters of any case. An empty text: no condition."""
    if not part:
        return []
    words = " OR ".join(f"INSTR(LOWER(COALESCE({column}, '')), ?) > 0" for column in columns)
    return [Condition(f"({words})", (part.lower(),) * len(columns))]


def equals(column: str, value: Any) -> list[Condition]:
    """That the column has this value. None or an empty text: no condition."""
    return [] if value in (None, "") else [Condition(f"{column} = ?", (value,))]
