"""Repositories. The first blob or manifest that stays in one makes its row.

A row without a visibility has that of its namespace (access/facts.py).
"""

import secrets

from ...db import Database, Tx, now
from ...errors import NameUnknown
from ...names import namespace_of
from .. import audit
from ..audit import Actor
from ..explore import repository_facts

_RANDOM_BITS = 20
_INSERT = (
    "INSERT INTO repositories (id, name, created_at, visibility)"
    " VALUES (?, ?, ?, (SELECT default_visibility FROM namespaces WHERE name = ?))"
)


def new_id() -> int:
    """An id for a row: milliseconds, then random bits. It grows with time, so new rows lie together."""
    return now() << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)


def find(tx: Tx, name: str) -> int | None:
    row = tx.one("SELECT id FROM repositories WHERE name = ?", name)
    return row[0] if row else None


def require(tx: Tx, name: str) -> int:
    """The repository's id. Raises NameUnknown."""
    found = find(tx, name)
    if found is None:
        raise NameUnknown(name=name)
    return found


def locked(tx: Tx, name: str) -> int:
    """The same, and no other change of the repository's settings goes on beside this transaction."""
    row = tx.lock("SELECT id FROM repositories WHERE name = ?", name)
    if row is None:
        raise NameUnknown(name=name)
    return row[0]


def ensure(tx: Tx, name: str, maker: Actor | None = None) -> int:
    """The repository's id. If there is no row, it is made, and the audit notes the maker."""
    found = find(tx, name)
    if found is not None:
        return found
    made = new_id()
    if tx.insert(_INSERT, made, name, now(), namespace_of(name)):
        repository_facts.make(tx, made, name)
        if maker is not None:
            audit.note(tx, maker, "repository.create", f"repository {name}")
        return made
    return find(tx, name)


class Repositories:
    def __init__(self, db: Database):
        self._db = db

    async def catalog(self, after: str, limit: int) -> list[str]:
        """At most `limit` names greater than `after` in byte order, of repositories that have a manifest."""
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
