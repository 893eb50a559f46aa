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

    async def delete(self, actor: Actor, name: str, pieces: int = 0) -> Held:
        """Let nobody see the repository any more. Returns what it held. Raises NameUnknown.

        pieces: in so many short transactions what it held is taken away at once; `purge` does the rest. Grants that name it stay: they count for a
        repository of that name that is pushed later.
        """

        def change(tx: Tx) -> tuple[_Deleted, Held]:
            require_standing(tx, actor)
            gone = _Deleted(_find(tx, name), name, now())
            held = _held(tx, gone.id)
            if not tx.run(_FORGET, gone.id):
                raise _unknown()
            tx.run(_REMEMBER, *gone)
            audit.note(tx, actor, "repository.delete", f"repository {name}", **held._asdict())
            quota_sums.change(tx, namespace_of(name), Change(freed=1))
            return gone, held

        gone, held = await self._db.write(change, brings=0)
        for _ in range(pieces):
            if not await self._take(gone):
                break
        return held

    async def purge(self) -> None:
        """Take away what is left of deleted repositories. Of most nothing is left: they are looked at without waiting for the right to write."""
        for gone in await self._db.scan(lambda tx: [_Deleted(*row) for row in tx.all(_DELETED)]):
            while await self._db.scan(lambda tx: _is_left(tx, gone)):  # noqa: B023
                await self._take(gone)
            if gone.deleted_at + _LATE_MS < now():
                await self._db.write(lambda tx: tx.run(_DONE, gone.id), durable=False, brings=0)  # noqa: B023

    async def _take(self, gone: "_Deleted") -> int:
        return await self._db.write(lambda tx: _piece(tx, gone), brings=0)


class _Deleted(NamedTuple):
    """A row of deleted_repositories."""

    id: int
    name: str
    deleted_at: int


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


def _is_left(tx: Tx, gone: _Deleted) -> bool:
    selects = [select for select, _, _ in _CONTENT]
    return bool(tx.all(_UPLOADS, gone.name, gone.deleted_at, 1)) or any(tx.all(select, gone.id, 1) for select in (*selects, _LINKS))


def _piece(tx: Tx, gone: _Deleted) -> int:
    """Take a few rows away; how many. An upload that began after the deletion is for the next repository of that name."""
    if uploads := tx.all(_UPLOADS, gone.name, gone.deleted_at, _ROWS):
        return open_uploads.end_all(tx, [upload for (upload,) in uploads])
    for select, delete, rows in _CONTENT:
        if found := tx.all(select, gone.id, rows):
            for key in found:
                tx.run(delete, gone.id, *key)
            return len(found)
    return _unlink(tx, gone.id, namespace_of(gone.name))


def _unlink(tx: Tx, id: int, namespace: str) -> int:
    """A few links to blobs, and the blobs that no other repository has: until they are collected they count as the namespace's garbage."""
    found = tx.all(_LINKS, id, _ROWS)
    for (digest,) in found:
        tx.run(_UNLINK, id, digest)
    if found:
        size = sum(blobs.drop_unlinked(tx, digest, namespace) for (digest,) in found)
        quota_sums.change(tx, namespace, Change(bytes=-size, garbage=size, freed=1))
    return len(found)
