"""Deleting a whole repository, however large, without making others wait.

One short transaction deletes the row that has its name. Every query begins with that row, so from then on nobody sees
anything of the repository, and a push to the name makes a new repository. A row of deleted_repositories keeps the id.
What was stored under it is deleted a few rows at a time, first by whoever deleted the repository, then by the next
rounds of the collector, also after a crash. The collector deletes blobs that nothing else needs.
"""

from typing import NamedTuple

from ...db import Database, Tx, now
from ...errors import NameUnknown
from ...names import namespace_of
from .. import audit
from ..audit import Actor
from ..changes import recheck_rights
from ..explore import repository_facts
from ..quotas import quota_sums
from ..quotas.quota_sums import Change
from ..social.rows import OF_A_REPOSITORY
from ..uploads import open_uploads
from . import blobs, links, references, repositories

# A push that began before the deletion may commit after it under the old id. So the id is checked again for so many
# milliseconds.
_LATE_MS = 3_600_000
# Rows in one transaction. A manifest may have 4 MiB, whose pages SQLite reads one by one to delete it.
_ROWS, _MANIFESTS = 200, 20
_COUNT_TAGS = "SELECT COUNT(*) FROM tags WHERE repository_id = ?"
_COUNT_MANIFESTS = "SELECT COUNT(*) FROM manifests WHERE repository_id = ?"
_FORGET = "DELETE FROM repositories WHERE id = ?"
_REMEMBER = "INSERT INTO deleted_repositories (id, name, deleted_at) VALUES (?, ?, ?)"
_DELETED = "SELECT id, name, deleted_at FROM deleted_repositories ORDER BY id"
_DONE = "DELETE FROM deleted_repositories WHERE id = ?"
_UPLOADS = "SELECT id FROM uploads WHERE repository = ? AND started_at <= ? LIMIT ?"
# How rows of a repository are found and deleted, and how many at a time. Each statement takes a row's whole key.
_CONTENT = (
    (
        "SELECT name FROM tags WHERE repository_id = ? LIMIT ?",
        "DELETE FROM tags WHERE repository_id = ? AND name = ?",
        _ROWS,
    ),
    *((select, delete, _ROWS) for select, delete in (*references.ROWS, *OF_A_REPOSITORY)),
    (
        "SELECT digest FROM manifest_facts WHERE repository_id = ? LIMIT ?",
        "DELETE FROM manifest_facts WHERE repository_id = ? AND digest = ?",
        _ROWS,
    ),
    (
        "SELECT digest FROM manifests WHERE repository_id = ? LIMIT ?",
        "DELETE FROM manifests WHERE repository_id = ? AND digest = ?",
        _MANIFESTS,
    ),
)


class ContentCount(NamedTuple):
    """How much a repository holds."""

    tags: int
    manifests: int


class RepositoryDeletion:
    def __init__(self, db: Database):
        self._db = db

    async def holds(self, name: str) -> ContentCount:
        """What deleting the repository would delete. Raises NameUnknown."""
        return await self._db.scan(lambda tx: _counted(tx, _find(tx, name)))

    async def delete(self, actor: Actor, name: str, pieces: int = 0) -> ContentCount:
        """Hide the repository from everybody. Returns what it held. Raises NameUnknown.

        pieces: so many short transactions delete its content at once; `purge` does the rest. Grants that name it stay,
        and are valid for a repository of that name that is pushed later.
        """

        def change(tx: Tx) -> tuple[_Deleted, ContentCount]:
            recheck_rights(tx, actor)
            gone = _Deleted(_find(tx, name), name, now())
            held = _counted(tx, gone.id)
            if not tx.run(_FORGET, gone.id):
                raise _unknown()
            repository_facts.forget(tx, gone.id)
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
        """Delete the rows that are left of deleted repositories.

        Most have none, so looking for them does not take the write lock.
        """
        for gone in await self._db.scan(lambda tx: [_Deleted(*row) for row in tx.all(_DELETED)]):
            while await self._db.scan(lambda tx: _is_left(tx, gone)):
                await self._take(gone)
            if gone.deleted_at + _LATE_MS < now():
                await self._db.write(lambda tx: tx.run(_DONE, gone.id), durable=False, brings=0)

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


def _counted(tx: Tx, id: int) -> ContentCount:
    return ContentCount(tx.one(_COUNT_TAGS, id)[0], tx.one(_COUNT_MANIFESTS, id)[0])


def _is_left(tx: Tx, gone: _Deleted) -> bool:
    selects = [select for select, _, _ in _CONTENT]
    return bool(
        tx.all(_UPLOADS, gone.name, gone.deleted_at, 1)
        or any(tx.all(select, gone.id, 1) for select in selects)
        or links.some(tx, gone.id, 1)
    )


def _piece(tx: Tx, gone: _Deleted) -> int:
    """Delete a few rows.

    Returns how many. An upload that began after the deletion belongs to the next repository of that name.
    """
    if uploads := tx.all(_UPLOADS, gone.name, gone.deleted_at, _ROWS):
        return open_uploads.end_all(tx, [upload for (upload,) in uploads])
    for select, delete, rows in _CONTENT:
        if found := tx.all(select, gone.id, rows):
            for key in found:
                tx.run(delete, gone.id, *key)
            return len(found)
    return _unlink(tx, gone.id, namespace_of(gone.name))


def _unlink(tx: Tx, id: int, namespace: str) -> int:
    """Delete a few links to blobs, and the blobs that no other repository has.

    Until they are collected they count as the namespace's garbage.
    """
    found = links.some(tx, id, _ROWS)
    for digest in found:
        links.remove(tx, id, digest)
    if found:
        size = sum(blobs.drop_unlinked(tx, digest, namespace) or 0 for digest in found)
        quota_sums.change(tx, namespace, Change(bytes=-size, garbage=size, freed=1))
    return len(found)
