"""Copies a whole database into an empty one, of the same kind or another, row by row, and compares each row.

Rows go in the order of their primary keys, a batch to a transaction. So the last key of a table tells how far an
interrupted copy came. A note in settings says that the target is not complete; it is removed when all rows have been
compared. Then the store belongs to the copy: the source records where the store went, and the copy gets the next epoch.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..errors import StartError
from . import Database, Row, Tx
from .engines import Engine, Table

_ROWS, _LARGE_ROWS = 500, 20
_NOTED = "SELECT value FROM settings WHERE name = 'copy_from'"
_EPOCH = "SELECT value FROM settings WHERE name = 'store_epoch'"
_MOST = 255


class CopyReport(NamedTuple):
    """Rows and tables of the target, all of which were compared."""

    rows: int
    tables: int


class Copy:
    """One run of copying. Nobody writes to the source meanwhile. names: of source and target in the notes."""

    def __init__(
        self,
        source: Database,
        target: Database,
        tables: list[Table],
        names: tuple[str, str],
        progress: Callable[[int, int], None],
    ):
        self._source, self._target = source, target
        self._tables = tables
        self._name, self._target_name = (name[:_MOST] for name in names)
        self._progress = progress
        self._done = self._total = 0

    async def run(self) -> CopyReport:
        """Copy what is not there yet, and compare everything.

        Raises StartError. What was copied stays, and the next run goes on from there.
        """
        if part := await self._source.read(lambda tx: tx.one(_NOTED)):
            raise StartError(f"{self._name} is itself a copy of {part[0]} that is not whole yet: finish that first")
        await self._begin()
        counts = [await self._source.scan(lambda tx: tx.one(_count(table))[0]) for table in self._tables]
        self._total = 2 * sum(counts)
        for table in self._tables:
            await self._copy(table)
        for table in self._tables:
            await self._compare(table)
        await self._hand_over()
        return CopyReport(sum(counts), len(self._tables))

    async def _hand_over(self) -> None:
        """Mark the source first. Wherever this is interrupted, at most one of the two may be used."""
        epoch = int((await self._source.read(lambda tx: tx.one(_EPOCH)) or ("0",))[0]) + 1
        await self._source.write(lambda tx: _note(tx, "moved_to", self._target_name), repeatable=True)

        def finish(tx: Tx) -> None:
            _note(tx, "store_epoch", str(epoch))
            tx.run("DELETE FROM settings WHERE name = 'copy_from'")

        await self._target.write(finish, repeatable=True)

    async def _begin(self) -> None:
        noted = await self._target.read(lambda tx: tx.one(_NOTED))
        if noted is not None and noted[0] != self._name:
            raise StartError(
                f"the target holds part of a copy of {noted[0]}: finish that, or begin with an empty database"
            )
        if noted is None:
            full = [table.name for table in self._tables if await self._target.read(lambda tx: tx.one(_any(table)))]
            if full:
                raise StartError(
                    f"the target is not empty: there are rows in {', '.join(full)}. Nothing was changed; name an empty"
                    " database"
                )
            await self._target.write(
                lambda tx: tx.insert("INSERT INTO settings (name, value) VALUES ('copy_from', ?)", self._name),
                repeatable=True,
            )

    async def _copy(self, table: Table) -> None:
        insert = _insert(table)
        after = await self._target.read(lambda tx: tx.one(_last(table)))
        self._step(await self._target.read(lambda tx: tx.one(_count(table))[0]))
        while rows := await self._page(self._source, table, after):
            await self._target.write(lambda tx: _insert_all(tx, insert, rows), repeatable=True)
            after = _key(table, rows[-1])
            self._step(len(rows))

    async def _compare(self, table: Table) -> None:
        after = None
        while True:
            rows = await self._page(self._source, table, after)
            if rows != await self._page(self._target, table, after):
                raise StartError(
                    f"rows of {table.name} are not the same in both databases: was the source written to? Stop its"
                    " server and begin anew"
                )
            if not rows:
                return
            after = _key(table, rows[-1])
            self._step(len(rows))

    async def _page(self, database: Database, table: Table, after: Row | None) -> list[Row]:
        return await database.scan(lambda tx: tx.all(_select(table, after), *_bounds(after)))

    def _step(self, rows: int) -> None:
        self._done = min(self._done + rows, self._total)
        self._progress(self._done, self._total)


def _note(tx: Tx, name: str, value: str) -> None:
    tx.run("DELETE FROM settings WHERE name = ?", name)
    tx.insert("INSERT INTO settings (name, value) VALUES (?, ?)", name, value)


def _insert_all(tx: Tx, sql: str, rows: list[Row]) -> None:
    for row in rows:
        tx.insert(sql, *row)


# The names in these statements are the schema's own; values are parameters.


def _sql(*words: str) -> str:
    return " ".join(words)


def _names(names: list[str]) -> str:
    return ", ".join(names)


def _count(table: Table) -> str:
    return _sql("SELECT", "COUNT(*)", "FROM", table.name, *_ours(table, "WHERE"))


def _any(table: Table) -> str:
    return _sql("SELECT", "1", "FROM", table.name, "LIMIT 1")


def _last(table: Table) -> str:
    backwards = _names([f"{name} DESC" for name in table.key])
    return _sql(
        "SELECT", _names(table.key), "FROM", table.name, *_ours(table, "WHERE"), "ORDER BY", backwards, "LIMIT 1"
    )


def _insert(table: Table) -> str:
    return _sql(
        "INSERT INTO", table.name, f"({_names(table.columns)})", "VALUES", f"({_names(['?'] * len(table.columns))})"
    )


def _select(table: Table, after: Row | None) -> str:
    wanted = [_beyond(table.key)] if after is not None else ["1 = 1"]
    limit = _LARGE_ROWS if table.large else _ROWS
    return _sql(
        "SELECT",
        _names(table.columns),
        "FROM",
        table.name,
        "WHERE",
        *wanted,
        *_ours(table, "AND"),
        "ORDER BY",
        _names(table.key),
        f"LIMIT {limit}",
    )


def _ours(table: Table, word: str) -> Iterator[str]:
    """Leave out the rows that each database has about itself."""
    if table.name == "settings":
        yield f"{word} name NOT IN ('copy_from', 'moved_to', 'store_epoch')"


def _beyond(key: list[str]) -> str:
    """Keys after the one in the parameters, in a form for which every database uses its index."""
    ways = [" AND ".join([*(f"{name} = ?" for name in key[:at]), f"{key[at]} > ?"]) for at in range(len(key))]
    return "(" + " OR ".join(f"({way})" for way in ways) + ")"


def _bounds(after: Row | None) -> list:
    return [value for at in range(len(after or ())) for value in after[: at + 1]]


def _key(table: Table, row: Row) -> Row:
    return tuple(row[table.columns.index(name)] for name in table.key)


def shared_tables(source: Engine, target: Engine) -> list[Table]:
    """The tables of both, settings last: settings say which store belongs to the database.

    Raises StartError if they differ.
    """
    ours, theirs = source.layout(), target.layout()
    if {table.name: sorted(table.columns) for table in ours} != {table.name: sorted(table.columns) for table in theirs}:
        raise StartError("the two databases have different tables; bring both to this version with the command migrate")
    return sorted(ours, key=lambda table: (table.name == "settings", table.name))
