"""One statement for many values.

Portable SQL has no parameter for a list, so the text is made for a few numbers of values.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from . import Row, Tx

FEW, SOME, MANY = 16, 100, 500
_SIZES = (1, FEW, SOME, MANY)


class Each:
    """A statement that ends in `IN (...)`, for any number of values, at most MANY at a time.

    Its other parameters come before the list.
    """

    def __init__(self, sql: str):
        self._texts = {size: sql.replace("(...)", f"({', '.join('?' * size)})") for size in _SIZES}

    def all(self, tx: Tx, before: Sequence[Any], values: Sequence[str]) -> list[Row]:
        return [row for sql, part in self._parts(values) for row in tx.all(sql, *before, *part)]

    def run(self, tx: Tx, before: Sequence[Any], values: Sequence[str]) -> int:
        """The number of rows that matched in all."""
        return sum(tx.run(sql, *before, *part) for sql, part in self._parts(values))

    def _parts(self, values: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        """Each statement's text with its values. The last value is repeated to fill the text's parameters."""
        for first in range(0, len(values), MANY):
            part = list(values[first : first + MANY])
            size = next(size for size in _SIZES if len(part) <= size)
            yield self._texts[size], part + part[-1:] * (size - len(part))


_PART = "SELECT * FROM (STATEMENT) part"


class EachLimited:
    """A SELECT that runs for each of some values with a LIMIT of its own, many in one statement.

    The value is its last parameter. No value is empty.
    """

    _SIZES = (1, 5, 25)

    def __init__(self, sql: str):
        part = _PART.replace("STATEMENT", sql)
        self._texts = {size: " UNION ALL ".join(f"{part}{at}" for at in range(size)) for size in self._SIZES}

    def all(self, tx: Tx, before: Sequence[Any], values: Sequence[str]) -> list[Row]:
        most = self._SIZES[-1]
        parts = [values[first : first + most] for first in range(0, len(values), most)]
        return [row for part in parts for row in self._part(tx, before, part)]

    def _part(self, tx: Tx, before: Sequence[Any], values: Sequence[str]) -> list[Row]:
        size = next(size for size in self._SIZES if len(values) <= size)
        filled = [*values, *[""] * (size - len(values))]
        return tx.all(self._texts[size], *(parameter for value in filled for parameter in (*before, value)))
