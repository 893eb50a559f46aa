"""Sums of what each namespace with a quota holds, kept in a row, so that a push does not have to count it.

The sums are never less than what is there. Each push adds to them in its own transaction, and an upload session that
ends takes its bytes off. Deleting and collecting can't tell how much less there is, because another repository may have
the same blob. They add one to `freed`, which means that the sums may be too high.

Counting runs outside of write transactions. One statement reads what is there and what the row says. Afterwards the row
is changed by the difference, so what is pushed meanwhile stays in the sums.
"""

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from ...db import Database, Row, Tx, now
from ..accounts import namespaces
from ..content.references import BLOBS_OF_NAMESPACE, FILLED_REPOSITORY

_OLD_MS, _MINUTE_MS = 3_600_000, 60_000
# After a count the process does not count the same namespace for so many times its duration, and at most so many
# seconds. So a user at the limit costs others little.
_REST, _LONGEST_REST = 9, 10.0
_REMEMBERED = 1000
COLUMNS = "quotas.used_bytes, quotas.garbage_bytes, quotas.used_repositories, quotas.freed, quotas.counted_at"
_READ = f"SELECT {COLUMNS} FROM quotas WHERE namespace = ?"
INSERT = (
    "INSERT INTO quotas (namespace, most_repositories, most_bytes, used_bytes, counted_at, charges) VALUES (?, ?, ?,"
    " NULL, NULL, 0)"
)
_CHANGE = (
    "UPDATE quotas SET used_bytes = used_bytes + ?, garbage_bytes = garbage_bytes + ?, used_repositories ="
    " used_repositories + ?, freed = COALESCE(freed, 0) + ?, charges = charges + 1 WHERE namespace = ?"
)
_FREED_EVERYWHERE = "UPDATE quotas SET freed = COALESCE(freed, 0) + 1, charges = charges + 1"
_COUNTED = (
    "UPDATE quotas SET used_bytes = ?, garbage_bytes = ?, used_repositories = ?, freed = COALESCE(freed, 0) - ?,"
    " counted_at = ?, charges = charges + 1 WHERE namespace = ? AND charges = ?"
)
_CORRECTED = (
    "UPDATE quotas SET used_bytes = used_bytes + ?, garbage_bytes = garbage_bytes + ?, used_repositories ="
    " used_repositories + ?, freed = COALESCE(freed, 0) - ?, counted_at = ?, charges = charges + 1 WHERE namespace = ?"
    " AND counted_at = ?"
)
# The parameters of each are the bounds of the namespace's names. _BLOB_BYTES has them twice, because the sums include
# rows that are left of deleted repositories.
_REPOSITORIES = f"SELECT COUNT(*) FROM repositories WHERE name > ? AND name < ? AND {FILLED_REPOSITORY}"
_BLOB_BYTES = f"SELECT COALESCE(SUM(size), 0) FROM blobs WHERE digest IN ({BLOBS_OF_NAMESPACE})"
_MANIFEST_BYTES = (
    "SELECT COALESCE(SUM(manifests.size), 0) FROM repositories JOIN manifests ON manifests.repository_id ="
    " repositories.id WHERE repositories.name > ? AND repositories.name < ?"
)
_UPLOAD_BYTES = "SELECT COALESCE(SUM(charged), 0) FROM uploads WHERE repository > ? AND repository < ?"
_GARBAGE_BYTES = "SELECT COALESCE(SUM(size), 0) FROM garbage WHERE namespace = ?"
_COUNT = (
    f"SELECT ({_BLOB_BYTES}), ({_MANIFEST_BYTES}), ({_UPLOAD_BYTES}), ({_GARBAGE_BYTES}), ({_REPOSITORIES}),"
    f" quotas.charges, {COLUMNS} FROM (SELECT 1 AS one) request LEFT JOIN quotas ON quotas.namespace = ?"
)


class Change(NamedTuple):
    """A change of the sums. freed: how many deletions of unknown size it has."""

    bytes: int = 0
    garbage: int = 0
    repositories: int = 0
    freed: int = 0

    def __add__(self, other: "Change") -> "Change":
        return Change(*(mine + its for mine, its in zip(self, other)))


class Sums(NamedTuple):
    """bytes: of blobs, manifests and open uploads. garbage: bytes that wait to be collected. None: not counted yet."""

    bytes: int | None
    garbage: int | None
    repositories: int | None
    freed: int | None
    counted_at: int | None

    @property
    def known(self) -> bool:
        return self.counted_at is not None and all(value is not None and value >= 0 for value in self[:3])

    @property
    def may_be_too_high(self) -> bool:
        return not self.known or bool(self.freed) or self.counted_at + _MINUTE_MS < now()

    @property
    def are_old(self) -> bool:
        """Whether they have to be counted again in any case."""
        return not self.known or self.counted_at + _OLD_MS < now()


def read(tx: Tx, namespace: str) -> Sums:
    return Sums(*tx.one(_READ, namespace))


def change(tx: Tx, namespace: str, change: Change) -> bool:
    """Change the sums of a namespace; False if it has none.

    This is the last statement of a transaction, because others wait for the row.
    """
    return tx.run(_CHANGE, *change, namespace) > 0


def change_all(tx: Tx, changes: Iterable[tuple[str, Change]]) -> None:
    """The same for many changes, always in the same order of namespaces."""
    total: defaultdict[str, Change] = defaultdict(Change)
    for namespace, each in changes:
        total[namespace] += each
    for namespace in sorted(total):
        change(tx, namespace, total[namespace])


def freed_everywhere(tx: Tx) -> None:
    """Note that something was deleted from unknown namespaces."""
    tx.run(_FREED_EVERYWHERE)


def count_repositories(tx: Tx, namespace: str) -> int:
    return tx.one(_REPOSITORIES, *namespaces.bounds(namespace))[0]


def count_bytes(tx: Tx, namespace: str) -> int:
    """The bytes of blobs and manifests."""
    bounds = namespaces.bounds(namespace)
    return int(tx.one(_BLOB_BYTES, *bounds * 2)[0]) + int(tx.one(_MANIFEST_BYTES, *bounds)[0])


class Counting:
    """Counts of one process: one at a time for each namespace, shared by all who wait for it, and a pause after it."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Future] = {}
        self._rests: OrderedDict[str, float] = OrderedDict()

    async def anew(self, db: Database, namespace: str) -> None:
        """Correct the sums of the namespace, or make them."""
        running = self._running.get(namespace)
        if running is None:
            running = self._running[namespace] = asyncio.ensure_future(self._count(db, namespace))
        await asyncio.shield(running)

    async def _count(self, db: Database, namespace: str) -> None:
        try:
            await asyncio.sleep(self._rests.pop(namespace, 0.0) - time.monotonic())
            counted, took = await db.scan(lambda tx: _count(tx, namespace), long=True)
            await db.write(lambda tx: _keep(tx, namespace, counted), durable=False, brings=0)
            self._rests[namespace] = time.monotonic() + min(took * _REST, _LONGEST_REST)
            if len(self._rests) > _REMEMBERED:
                self._rests.popitem(last=False)
        finally:
            del self._running[namespace]


def _count(tx: Tx, namespace: str) -> tuple[Row, float]:
    """What is there, what the row says, and the seconds that counting took."""
    bounds, begun = namespaces.bounds(namespace), time.monotonic()
    return tx.one(_COUNT, *bounds * 4, namespace, *bounds, namespace), time.monotonic() - begun


def _keep(tx: Tx, namespace: str, counted: Row) -> None:
    """Correct the row, unless another process has corrected or made it meanwhile."""
    blobs, manifests, uploads, garbage, repositories, charges, *row = counted
    there, seen = (int(blobs + manifests + uploads), int(garbage), repositories), Sums(*row)
    at = max(now(), (seen.counted_at or 0) + 1)
    if charges is None:
        tx.insert(INSERT, namespace, None, None)
    if seen.known:
        difference = (new - old for new, old in zip(there, seen))
        tx.run(_CORRECTED, *difference, seen.freed or 0, at, namespace, seen.counted_at)
    else:
        tx.run(_COUNTED, *there, seen.freed or 0, at, namespace, charges or 0)
