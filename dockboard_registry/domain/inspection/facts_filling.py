"""Stores the facts of manifests after their push, so that the push does not wait for it.

A worker remembers what was pushed to it (facts_queue.py), and stores the facts of a few manifests in one transaction.
A periodic job finds what is missing: after a crash, and what a version before has stored.
"""

from collections.abc import AsyncIterator
from typing import NamedTuple

from ...db import Database, Tx
from ...names import sort_key
from ...storage import Storage
from ..content.pace import Pace
from . import image_config, linked_blobs, manifest_content, manifest_facts
from .facts_queue import Pushed
from .image_config import ImageConfig
from .manifest_facts import GatheredManifests

# Manifests in one transaction, and rows on one page.
_AT_ONCE, _PAGE = 20, 500
_ROW_BYTES = 1 << 10
# The next manifests in the order of the primary key, and whether each has facts.
_NEXT = (
    "SELECT manifests.repository_id, manifests.digest, manifest_facts.digest IS NULL FROM manifests LEFT JOIN"
    " manifest_facts ON manifest_facts.repository_id = manifests.repository_id AND manifest_facts.digest ="
    " manifests.digest WHERE manifests.repository_id >= ? AND (manifests.repository_id > ? OR manifests.digest > ?)"
    " ORDER BY manifests.repository_id, manifests.digest LIMIT ?"
)
_NEXT_LOST = (
    "SELECT repository_id, digest, NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.repository_id ="
    " manifest_facts.repository_id AND manifests.digest = manifest_facts.digest) FROM manifest_facts WHERE"
    " repository_id >= ? AND (repository_id > ? OR digest > ?) ORDER BY repository_id, digest LIMIT ?"
)
_REPOSITORY = "SELECT id FROM repositories WHERE name = ?"
_UNSORTED = (
    "SELECT tags.repository_id, tags.name FROM repositories CROSS JOIN tags ON tags.repository_id = repositories.id AND"
    " tags.sort_key IS NULL LIMIT ?"
)
_SORT = "UPDATE tags SET sort_key = ? WHERE repository_id = ? AND name = ? AND sort_key IS NULL"


# Id of a repository, and digest of a manifest.
Place = tuple[int, str]


class _Gathered(NamedTuple):
    """repository: its id. configs: by digest, those that were read."""

    repository: int
    manifests: GatheredManifests
    configs: dict[str, ImageConfig]


class FactsFilling:
    def __init__(self, db: Database, storage: Storage):
        self._db, self._storage = db.for_jobs(), storage

    async def examine(self, pushed: list[Pushed]) -> None:
        """Store the facts of a few manifests."""
        await self._store_gathered(await self._db.scan(lambda tx: _gathered(tx, _places(tx, pushed))))

    async def fill(self) -> None:
        """Store what is missing, and remove what belongs to no manifest."""
        await self._sort_tags()
        async for places in self._pages(_NEXT):
            for first in range(0, len(places), _AT_ONCE):
                await self._store(places[first : first + _AT_ONCE])
        async for places in self._pages(_NEXT_LOST):
            await self._db.write(lambda tx: _forget(tx, places), durable=False, brings=0, long=True)  # noqa: B023

    async def _pages(self, sql: str) -> AsyncIterator[list[Place]]:
        """(repository, digest) of the rows that the statement marks, page by page."""
        after = (0, 0, "")
        while rows := await self._db.scan(lambda tx: tx.all(sql, *after, _PAGE)):  # noqa: B023
            if marked := [row[:2] for row in rows if row[2]]:
                yield marked
            after = (rows[-1][0], *rows[-1][:2])

    async def _store(self, places: list[Place]) -> None:
        """Store facts of a few manifests that have none."""
        await self._store_gathered(await self._db.scan(lambda tx: _gathered(tx, places)))

    async def _store_gathered(self, gathered: list[_Gathered]) -> None:
        await self._add_large_configs(gathered)
        if gathered:
            await self._db.write(lambda tx: _stored(tx, gathered), False, True, _ROW_BYTES * len(gathered), True)

    async def _add_large_configs(self, gathered: list[_Gathered]) -> None:
        """Most configs lie in the database. The others are read here."""
        for each in gathered:
            if missing := each.manifests.configs() - each.configs.keys():
                place = self._db, self._storage, each.repository
                reader = image_config.read_summary, image_config.LONGEST
                each.configs.update(await linked_blobs.everywhere(*place, missing, *reader))

    async def _sort_tags(self) -> None:
        """Give a sort key to the tags of a version before."""
        while rows := await self._db.scan(lambda tx: tx.all(_UNSORTED, _PAGE)):
            await self._db.write(lambda tx: _sort(tx, rows), False, True, _ROW_BYTES * len(rows), True)  # noqa: B023


def _places(tx: Tx, pushed: list[tuple[str, str]]) -> list[Place]:
    names = {repository: tx.one(_REPOSITORY, repository) for repository, _ in pushed}
    return [(names[repository][0], digest) for repository, digest in pushed if names[repository]]


def _gathered(tx: Tx, places: list[Place]) -> list[_Gathered]:
    """Manifests are read one at a time, because they may be long."""
    pace, found = Pace(), []
    for repository, digest in dict.fromkeys(places):
        pace.rest()
        if not manifest_facts.stored(tx, repository, [digest]):
            manifests = manifest_facts.gather(tx, repository, [digest], manifest_content.LONGEST, pace)
            configs = manifest_facts.summaries(tx, repository, manifests.configs())
            found.append(_Gathered(repository, manifests, configs))
    return found


def _stored(tx: Tx, gathered: list[_Gathered]) -> None:
    for each in gathered:
        for digest, facts in each.manifests.facts(each.configs).items():
            manifest_facts.store(tx, each.repository, digest, facts)


def _forget(tx: Tx, places: list[Place]) -> None:
    for repository, digest in places:
        manifest_facts.forget(tx, repository, digest)


def _sort(tx: Tx, rows: list[Place]) -> None:
    for repository, name in rows:
        tx.run(_SORT, sort_key(name), repository, name)
