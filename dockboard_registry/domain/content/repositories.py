"""Repositories: a name becomes a row with the first blob or manifest that stays in it. Where a row has no visibility,
that of its namespace counts (see principals.py).
"""

import secrets

from ...db import Database, Tx, now
from ...names import namespace_of
from .. import audit
from ..audit import Actor

_RANDOM_BITS = 20
_INSERT = (
    "INSERT INTO repositories (id, name, created_at, visibility)"
    " VALUES (?, ?, ?, (SELECT default_visibility FROM namespaces WHERE name = ?))"
)


def new_id() -> int:
    """An id for a row: milliseconds, then random bits; grows with time, so that new rows lie together."""
    return now() << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)


def find(tx: Tx, name: str) -> int | None:
    row = tx.one("SELECT id FROM repositories WHERE name = ?", name)
    return row[0] if row else None


def ensure(tx: Tx, name: str, maker: Actor | None = None) -> int:
    """The repository's id; makes the row where there is none, and notes that the maker did."""
    found = find(tx, name)
    if found is not None:
        return found
    made = new_id()
    if tx.insert(_INSERT, made, name, now(), namespace_of(name)):
        if maker is not None:
            audit.note(tx, maker, "repository.create", f"repository {name}")
        return made
    return find(tx, name)


class Repositories:
    def __init__(self, db: Database):
        self._db = db

    async def catalog(self, after: str, limit: int) -> list[str]:
        """Names greater than `after` in byte order, at most `limit`; repositories without a manifest are left out."""
        rows = await self._db.scan(
            lambda tx: tx.all(
                "SELECT name FROM repositories WHERE name > ?"
                " AND EXISTS (SELECT 1 FROM manifests WHERE manifests.repository_id = repositories.id)"
                " ORDER BY name LIMIT ?",
                after,
                limit,
            ),
            long=True,
        )
        return [name for (name,) in rows]
