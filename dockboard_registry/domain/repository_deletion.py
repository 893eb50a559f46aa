"""Deleting a whole repository, however large, without making others wait.

The row that gives it its name goes in one short transaction: all questions begin with that row, so from then on nobody sees anything of the repository,
and a push to the name begins a new one. A row of deleted_repositories remembers the id, and what was stored under it is taken away a few rows at a time:
by whoever deleted it, and what is left by the next round of the collector, also after a crash. Blobs that nothing else needs go with the collector.
"""

from typing import NamedTuple

from ..db import Database, Tx, now
from ..errors import NameUnknown
from ..names import namespace_of
from . import audit, blobs, open_uploads, quota_sums, repositories
from .audit import Actor
from .changes import require_standing
from .quota_sums import Change

# A push that began before the deletion may commit after it, under the old id: that long the id is looked at again.
_LATE_MS = 3_600_000
# Rows in one transaction. A manifest may have 4 MiB, which SQLite follows page by page.
_ROWS, _MANIFESTS = 200, 20
_COUNT_TAGS = "SELECT COUNT(*) FROM tags WHERE repository_id = ?"
_COUNT_MANIFESTS = "SELECT COUNT(*) FROM manifests WHERE repository_id = ?"
_FORGET = "DELETE FROM repositories WHERE id = ?"
_REMEMBER = "INSERT INTO deleted_repositories (id, name, deleted_at) VALUES (?, ?, ?)"
_DELETED = "SELECT id, name, deleted_at FROM deleted_repositories ORDER BY id"
_DONE = "DELETE FROM deleted_repositories WHERE id = ?"
_UPLOADS = "SELECT id FROM uploads WHERE repository = ? AND started_at <= ? LIMIT ?"
# What is found of a repository, how it is deleted, and how many rows at a time. Each is a row by its whole key.
_CONTENT = (
    ("SELECT name FROM tags WHERE repository_id = ? LIMIT ?", "DELETE FROM tags WHERE repository_id = ? AND name = ?", _ROWS),
    (
        "SELECT parent_digest, child_digest FROM manifest_children WHERE repository_id = ? LIMIT ?",
        "DELETE FROM manifest_children WHERE repository_id = ? AND parent_digest = ? AND child_digest = ?",
        _ROWS,
    ),
    (
        "SELECT manifest_digest, blob_digest FROM manifest_blobs WHERE repository_id = ? LIMIT ?",
        "DELETE FROM manifest_blobs WHERE repository_id = ? AND manifest_digest = ? AND blob_digest = ?",
        _ROWS,
    ),
    ("SELECT digest FROM manifests WHERE repository_id = ? LIMIT ?", "DELETE FROM manifests WHERE repository_id = ? AND digest = ?", _MANIFESTS),
)
_LINKS = "SELECT digest FROM repository_blobs WHERE repository_id = ? ORDER BY digest LIMIT ?"
_UNLINK = "DELETE FROM repository_blobs WHERE repository_id = ? AND digest = ?"


class Held(NamedTuple):
    """What a repository holds."""

    tags: int
    manifests: int


class RepositoryDeletion:
    def __init__(self, db: Database):
        self._db = db

    async def holds(self, name: str) -> Held:
        """What would go. Raises NameUnknown."""
        return await self._db.scan(lambda tx: _held(tx, _find(tx, name)))

    async def delete(self, actor: Actor, name: str) -> Held:
        """Let nobody see the repository any more, and end its uploads; then `purge`. Returns what it held. Raises NameUnknown.

        Grants that name it stay: they count for a repository of that name that is pushed later.
        """

        def change(tx: Tx) -> Held:
            require_standing(tx, actor)
            found = _find(tx, name)
            held = _held(tx, found)
            if not tx.run(_FORGET, found):
                raise _unknown()
            tx.run(_REMEMBER, found, name, now())
            audit.note(tx, actor, "repository.delete", f"repository {name}", **held._asdict())
            quota_sums.change(tx, namespace_of(name), Change(freed=1))
            return held

        return await self._db.write(change, brings=0)

    async def purge(self, most: int | None = None) -> bool:
        """Take away what is left of deleted repositories, in at most so many short transactions; whether nothing is left."""
        for id, name, deleted_at in await self._db.scan(lambda tx: tx.all(_DELETED)):
            while await self._db.write(lambda tx: _piece(tx, id, name, deleted_at), durable=False, brings=0):  # noqa: B023
                if most is not None and (most := most - 1) <= 0:
                    return False
            if deleted_at + _LATE_MS < now():
                await self._db.write(lambda tx: tx.run(_DONE, id), durable=False, brings=0)  # noqa: B023
        return True


def _find(tx: Tx, name: str) -> int:
    """Raises NameUnknown."""
    found = repositories.find(tx, name)
    if found is None:
        raise _unknown()
    return found


def _unknown() -> NameUnknown:
    return NameUnknown("this registry has no repository of that name")


def _held(tx: Tx, id: int) -> Held:
    return Held(tx.one(_COUNT_TAGS, id)[0], tx.one(_COUNT_MANIFESTS, id)[0])


def _piece(tx: Tx, id: int, name: str, deleted_at: int) -> int:
    """Take a few rows away; how many. An upload that began after the deletion is for the next repository of that name."""
    if uploads := tx.all(_UPLOADS, name, deleted_at, _ROWS):
        return open_uploads.end_all(tx, [upload for (upload,) in uploads])
    for select, delete, rows in _CONTENT:
        if found := tx.all(select, id, rows):
            for key in found:
                tx.run(delete, id, *key)
            return len(found)
    return _unlink(tx, id, namespace_of(name))


def _unlink(tx: Tx, id: int, namespace: str) -> int:
    """A few links to blobs, and the blobs that no other repository has: until they are collected they count as the namespace's garbage."""
    found = tx.all(_LINKS, id, _ROWS)
    for (digest,) in found:
        tx.run(_UNLINK, id, digest)
    if found:
        size = sum(blobs.drop_unlinked(tx, digest, namespace) for (digest,) in found)
        quota_sums.change(tx, namespace, Change(bytes=-size, garbage=size, freed=1))
    return len(found)
