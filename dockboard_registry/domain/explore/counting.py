"""What lists of repositories show and sort by: tags, the newest image, the last push, pulls.

Counting this takes longer than a list may take. So it is kept in a row for each repository, which is brought up to date
soon after each change. A push only notes in memory that the repository changed. A periodic job finds what was missed:
changes before a crash, and those by servers of the version before.
"""

import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ...db import Database, DatabaseBusy, DatabaseFailed, DatabaseFull, Tx
from ...names import namespace_of
from . import newest_layers, repository_facts
from .later import Later

# Seconds from the first change to the row. All changes of this time are counted at once. It is a little longer than
# until the facts of a manifest are stored (inspection/facts_queue.py), so that a push changes the row once.
_SOON = 1.5
# Repositories that are noted at the same time; the periodic job finds others.
_MOST_NOTED = 10_000
# Repositories that the periodic job compares at once, and that are changed in one transaction.
_PAGE, _TOGETHER = 100, 20
# A transaction takes no more repositories after this time: counting 100,000 tags takes 2.5 ms.
_SECONDS_TOGETHER = 0.003
_COUNTED = "visibility, pushed_at, tags_count, newest_tag, newest_digest, size, kind, platforms, layers"
_VISIBILITY = (
    "SELECT COALESCE(repositories.visibility, namespaces.default_visibility, 'public'), repositories.created_at FROM"
    " repositories LEFT JOIN namespaces ON namespaces.name = ? WHERE repositories.id = ?"
)
_KEPT = f"SELECT {_COUNTED} FROM repository_facts WHERE repository_id = ?"
_COUNT_TAGS = "SELECT COUNT(*) FROM tags WHERE repository_id = ?"
_NEWEST_TAG = (
    "SELECT name, digest, updated_at FROM tags WHERE repository_id = ? ORDER BY updated_at DESC, name DESC LIMIT 1"
)
_NEWEST_IMAGE = "SELECT size, kind, platforms, image_digest FROM manifest_facts WHERE repository_id = ? AND digest = ?"
_NEWEST_MANIFEST = "SELECT MAX(pushed_at) FROM manifests WHERE repository_id = ?"
_INSERT = (
    f"INSERT INTO repository_facts (repository_id, name, namespace, {_COUNTED}, stars, pulls, pulled_at) VALUES"
    " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, COALESCE((SELECT stars FROM repositories WHERE id = ?), 0), 0, NULL)"
)
_UPDATE = (
    "UPDATE repository_facts SET visibility = ?, pushed_at = ?, tags_count = ?, newest_tag = ?, newest_digest = ?,"
    " size = ?, kind = ?, platforms = ?, layers = ? WHERE repository_id = ?"
)
_FIND = "SELECT id FROM repositories WHERE name = ?"
_PULLED = "UPDATE repository_facts SET pulls = pulls + ?, pulled_at = ? WHERE repository_id = ?"
_REPOSITORIES = "SELECT id, name FROM repositories WHERE id > ? ORDER BY id LIMIT ?"
_ORPHANS = (
    "SELECT repository_id FROM repository_facts WHERE NOT EXISTS (SELECT 1 FROM repositories WHERE repositories.id ="
    " repository_facts.repository_id) LIMIT ?"
)
_FAILURES = (DatabaseBusy, DatabaseFull, DatabaseFailed)


class Counted(NamedTuple):
    """What is counted of a repository. size: of the newest tag's image, in bytes. platforms: with a comma before and
    after each. layers: of that image (newest_layers.py).
    """

    visibility: str
    pushed_at: int
    tags_count: int
    newest_tag: str | None = None
    newest_digest: str | None = None
    size: int = 0
    kind: str = ""
    platforms: str = ""
    layers: str = ""


def add_pulls(tx: Tx, repository_id: int, name: str, count: int, at: int) -> None:
    """at: when, in milliseconds since 1970."""
    if not tx.run(_PULLED, count, at, repository_id):
        bring_up_to_date(tx, repository_id, name)
        tx.run(_PULLED, count, at, repository_id)


def bring_up_to_date(tx: Tx, repository_id: int, name: str) -> None:
    """Count, and store what differs. Of two processes the second one waits, and then sees what the first one saw."""
    kept = tx.lock(_KEPT, repository_id)
    counted = _count(tx, repository_id, name)
    if counted is None or kept == counted:
        return
    if kept is not None or not tx.insert(_INSERT, repository_id, name, namespace_of(name), *counted, repository_id):
        tx.run(_UPDATE, *counted, repository_id)


def _count(tx: Tx, repository_id: int, name: str) -> Counted | None:
    """None if there is no such repository any more."""
    row = tx.one(_VISIBILITY, namespace_of(name), repository_id)
    if row is None:
        return None
    visibility, created_at = row
    newest = tx.one(_NEWEST_TAG, repository_id)
    if newest is None:
        (pushed_at,) = tx.one(_NEWEST_MANIFEST, repository_id)
        return Counted(visibility, pushed_at or created_at, 0)
    tag, digest, pushed_at = newest
    size, kind, platforms, image = tx.one(_NEWEST_IMAGE, repository_id, digest) or (0, "", "", None)
    count = tx.one(_COUNT_TAGS, repository_id)[0]
    layers = _layers(tx, repository_id, image) if image else ""
    return Counted(visibility, pushed_at, count, tag, digest, size or 0, kind, platforms or "", layers)


def _layers(tx: Tx, repository_id: int, image: str) -> str:
    from ..inspection import layer_uses  # a worker that counts nothing reads none of the code for manifests

    found = layer_uses.of_images(tx, repository_id, [image]).get(image, [])
    return newest_layers.written([newest_layers.Part(layer.size, layer.own) for layer in found])


class RepositoryFacts:
    def __init__(self, db: Database):
        self._db = db
        self._noted: set[str] = set()
        self._updating = Later("repository facts", _SOON, self._update)

    def changed(self, repository: str) -> None:
        """Something was pushed to the repository, or deleted in it."""
        if len(self._noted) < _MOST_NOTED:
            self._noted.add(repository)
            self._updating.ask()

    async def finish(self) -> None:
        """Bring up to date what was noted."""
        await self._updating.finish()

    async def _update(self) -> None:
        """A failure is left to the periodic job."""
        noted, self._noted = sorted(self._noted), set()
        with contextlib.suppress(*_FAILURES):
            while noted:
                done = await self._db.write(lambda tx: _update(tx, noted), durable=False, long=True)
                noted = noted[done:]

    async def reconcile(self) -> None:
        """Bring up to date every repository whose row is not what can be counted."""
        db, after = self._db.for_jobs(), -1
        while found := await db.scan(lambda tx: tx.all(_REPOSITORIES, after, _PAGE)):
            for id, name in await db.scan(lambda tx: _outdated(tx, found)):
                await db.write(lambda tx: bring_up_to_date(tx, id, name), durable=False, long=True)
            after = found[-1][0]
        while gone := await db.scan(lambda tx: tx.all(_ORPHANS, _PAGE)):
            await db.write(lambda tx: [repository_facts.forget(tx, id) for (id,) in gone], durable=False, brings=0)


def _update(tx: Tx, names: Sequence[str]) -> int:
    """Bring the first of these repositories up to date, as many as take little time. Returns how many."""
    end, done = time.perf_counter() + _SECONDS_TOGETHER, 0
    for done, name in enumerate(names[:_TOGETHER], 1):
        found = tx.one(_FIND, name)
        if found is not None:
            bring_up_to_date(tx, found[0], name)
        if time.perf_counter() > end:
            break
    return done


def _outdated(tx: Tx, found: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    return [(id, name) for id, name in found if tx.one(_KEPT, id) != _count(tx, id, name)]
