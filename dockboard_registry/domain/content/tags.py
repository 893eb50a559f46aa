"""Tags: names that point to one manifest of their repository."""

from collections.abc import Callable, Mapping, Sequence

from ...db import Database, Tx, now
from ...db.each import Each
from ...errors import ChangeRefused, Denied, ManifestUnknown, NameUnknown
from ...names import sort_key
from .. import audit
from ..audit import Actor
from ..changes import recheck_rights
from . import repositories

_DIGEST = "SELECT digest FROM tags WHERE repository_id = ? AND name = ?"
_POINTED = (
    "SELECT tags.digest FROM tags JOIN repositories ON repositories.id = tags.repository_id WHERE repositories.name = ?"
    " AND tags.name = ?"
)
_OF = (
    "SELECT tags.name FROM tags JOIN repositories ON repositories.id = tags.repository_id"
    " WHERE repositories.name = ? AND tags.digest = ? ORDER BY tags.name"
)
_DIGESTS = Each("SELECT name, digest FROM tags WHERE repository_id = ? AND name IN (...)")
_DELETE = "DELETE FROM tags WHERE repository_id = ? AND name = ?"
_MAKE = "INSERT INTO tags (repository_id, name, digest, updated_at, sort_key, pushed_by) VALUES (?, ?, ?, ?, ?, ?)"
_MOVE = "UPDATE tags SET digest = ?, updated_at = ?, pushed_by = ? WHERE repository_id = ? AND name = ?"


def point(tx: Tx, repository_id: int, tag: str, digest: str, by: str | None = None) -> str | None:
    """Let the tag point to the manifest. Returns the digest that it pointed to before, or None. by: who is noted."""
    at = now()
    there = tx.lock(_DIGEST, repository_id, tag)
    while there is None:
        if tx.insert(_MAKE, repository_id, tag, digest, at, sort_key(tag), by):
            return None
        # another push has made it meanwhile, and this one is the later one
        there = tx.lock(_DIGEST, repository_id, tag)
    tx.run(_MOVE, digest, at, by, repository_id, tag)
    return there[0]


def make(tx: Tx, repository_id: int, tag: str, digest: str, by: str | None = None) -> str | None:
    """The same without moving a tag.

    Of pushes at the same time the first one makes it. Raises Denied if it points elsewhere.
    """
    while not tx.insert(_MAKE, repository_id, tag, digest, now(), sort_key(tag), by):
        there = tx.lock(_DIGEST, repository_id, tag)
        if there == (digest,):
            return digest
        if there is not None:
            raise Denied(
                f"tag {tag} is there already, and this token moves none",
                "push under another tag, or with a token for the action push",
            )
    return None


class Tags:
    """changed: called with the name of a repository in which a tag was deleted."""

    def __init__(self, db: Database, changed: Callable[[str], None] = lambda name: None):
        self._db, self._changed = db, changed

    async def pointed(self, repository: str, tag: str) -> str:
        """The digest that the tag points to. Raises NameUnknown, ManifestUnknown."""
        found = await self._db.scan(lambda tx: tx.one(_POINTED, repository, tag))
        if found is None:
            raise ManifestUnknown("this repository has no such tag", tag=tag)
        return found[0]

    async def digests(self, repository: str, names: Sequence[str]) -> dict[str, str]:
        """What these tags point to. Raises NameUnknown, ManifestUnknown."""

        def query(tx: Tx) -> dict[str, str]:
            found = repositories.find(tx, repository)
            if found is None:
                raise NameUnknown(name=repository)
            return dict(_DIGESTS.all(tx, (found,), names))

        pointed = await self._db.scan(query)
        for name in names:
            if name not in pointed:
                raise ManifestUnknown(f"{repository} has no tag {name}", name=repository, tag=name)
        return {name: pointed[name] for name in names}

    async def of(self, repository: str, digest: str) -> list[str]:
        """The tags of a manifest."""
        return [name for (name,) in await self._db.scan(lambda tx: tx.all(_OF, repository, digest))]

    async def list(self, repository: str, after: str, limit: int) -> list[str]:
        """Tags greater than `after` in byte order, at most `limit`. Raises NameUnknown."""

        def query(tx: Tx) -> list[str]:
            found = repositories.find(tx, repository)
            if found is None:
                raise NameUnknown(name=repository)
            rows = tx.all(
                "SELECT name FROM tags WHERE repository_id = ? AND name > ? ORDER BY name LIMIT ?", found, after, limit
            )
            return [name for (name,) in rows]

        return await self._db.scan(query)

    async def delete_all(self, repository: str, expected: Mapping[str, str], actor: Actor | None = None) -> None:
        """Delete these tags, if all of them point to what is expected: their digests by name. Else delete none.

        The manifests stay. actor: who is noted. Raises NameUnknown; ChangeRefused if one has moved or is gone.
        """

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            found = repositories.find(tx, repository)
            if found is None:
                raise NameUnknown(name=repository)
            for tag, digest in sorted(expected.items()):
                if tx.lock(_DIGEST, found, tag) != (digest,):
                    raise ChangeRefused(f"the tag {tag} has moved or is gone meanwhile", "look at the tags again")
                tx.run(_DELETE, found, tag)
                if actor is not None:
                    audit.note(tx, actor, "tag.delete", f"repository {repository}", tag=tag, digest=digest)

        await self._db.write(change, brings=0, long=True)
        self._changed(repository)

    async def delete(self, repository: str, tag: str, actor: Actor | None = None) -> None:
        """Delete the tag.

        The manifest and its other tags stay. actor: who is noted. Raises NameUnknown, ManifestUnknown.
        """

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            found = repositories.find(tx, repository)
            if found is None:
                raise NameUnknown(name=repository)
            pointed = tx.lock(_DIGEST, found, tag)
            if pointed is None:
                raise ManifestUnknown(f"{repository} has no tag {tag}", name=repository, tag=tag)
            tx.run(_DELETE, found, tag)
            if actor is not None:
                audit.note(tx, actor, "tag.delete", f"repository {repository}", tag=tag, digest=pointed[0])

        await self._db.write(change, brings=0)
        self._changed(repository)
