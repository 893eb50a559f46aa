"""Quotas: how many repositories and bytes a namespace may hold, and what a push is told that would go over.

What counts: the bytes of each blob that is linked to a repository of the namespace, once however many of them have it, and of each repository's
manifests; repositories that hold any of these. Uploads count when they are finished.

A namespace without a quota costs nothing: whether there is one comes with the row of the repository, or of the upload. One with a quota
has a row that each push changes last of all, in the transaction that makes the content visible; so pushes of a namespace are decided one after
the other, at the nodes of a Galera cluster too. The row's sum only grows: deleting and collecting garbage don't touch it. When it would go
over, or is an hour old, all is counted anew, and only that count refuses anything. So no push that saw the quota goes over it; what was
pushed while the quota was being set is found out within the hour.
"""

from typing import NamedTuple

from ..db import Database, Tx, now
from ..errors import QuotaExceeded
from ..names import namespace_of
from . import namespaces, repositories
from .audit import Actor

UNLIMITED = -1
_RECOUNT_MS = 3_600_000
QUOTA_COLUMNS = "quotas.most_repositories, quotas.most_bytes, quotas.used_bytes, namespaces.kind"
# Both parameters are the namespace.
QUOTA_JOIN = "LEFT JOIN quotas ON quotas.namespace = ? LEFT JOIN namespaces ON namespaces.name = ? AND namespaces.released_at IS NULL"
_ENTER = f"SELECT repositories.id, {QUOTA_COLUMNS} FROM (SELECT 1 AS one) request LEFT JOIN repositories ON repositories.name = ? {QUOTA_JOIN}"
_FILLED = (
    "(EXISTS (SELECT 1 FROM manifests WHERE manifests.repository_id = repositories.id)"
    " OR EXISTS (SELECT 1 FROM repository_blobs WHERE repository_blobs.repository_id = repositories.id))"
)
_IS_FILLED = f"SELECT 1 FROM repositories WHERE id = ? AND {_FILLED}"
_REPOSITORIES = f"SELECT COUNT(*) FROM repositories WHERE name > ? AND name < ? AND {_FILLED}"
_BLOB_BYTES = (
    "SELECT COALESCE(SUM(size), 0) FROM blobs WHERE digest IN (SELECT repository_blobs.digest FROM repositories"
    " JOIN repository_blobs ON repository_blobs.repository_id = repositories.id WHERE repositories.name > ? AND repositories.name < ?)"
)
_MANIFEST_BYTES = (
    "SELECT COALESCE(SUM(manifests.size), 0) FROM repositories JOIN manifests ON manifests.repository_id = repositories.id"
    " WHERE repositories.name > ? AND repositories.name < ?"
)
_ADD = "UPDATE quotas SET used_bytes = used_bytes + ?, charges = charges + 1 WHERE namespace = ?"
INSERT = "INSERT INTO quotas (namespace, most_repositories, most_bytes, used_bytes, counted_at, charges) VALUES (?, ?, ?, NULL, NULL, 0)"
_COUNTED = "UPDATE quotas SET used_bytes = ?, counted_at = ? WHERE namespace = ?"
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


class Limits(NamedTuple):
    """What a namespace may hold; None: as much as there is room for. used: its bytes at most, None where they were never counted."""

    namespace: str
    repositories: int | None
    bytes: int | None
    used: int | None

    def __bool__(self) -> bool:
        return self.repositories is not None or self.bytes is not None


class Place(NamedTuple):
    """A repository that a transaction pushes into. was_filled: it held something before; asked only where that counts."""

    repository_id: int
    limits: Limits
    was_filled: bool = True

    def charge(self, tx: Tx, size: int | None) -> None:
        """So many bytes were added; None: nothing. The transaction's last word, since others wait for the row. Raises QuotaExceeded."""
        if self.limits and size is not None:
            _charge(tx, self, size)


class Quotas:
    """most_repositories, most_bytes: of a user's or an organization's namespace for which nothing else is set; 0: no limit."""

    def __init__(self, most_repositories: int = 0, most_bytes: int = 0):
        self._defaults = most_repositories or None, most_bytes or None

    def enter(self, tx: Tx, repository: str, maker: Actor | None = None) -> Place:
        """The repository, made where there is none, and what its namespace may hold. maker: who is noted for making it."""
        namespace = namespace_of(repository)
        found, *row = tx.one(_ENTER, repository, namespace, namespace)
        limits = self.limits(namespace, *row)
        if found is None:
            return Place(repositories.ensure(tx, repository, maker), limits, False)
        return Place(found, limits, limits.repositories is None or tx.one(_IS_FILLED, found) is not None)

    def limits(self, namespace: str, most_repositories: int | None, most_bytes: int | None, used: int | None, kind: str | None) -> Limits:
        """Of what a row of QUOTA_COLUMNS says. What nobody holds, and what is the registry's own, has no limit."""
        if kind in (None, namespaces.SYSTEM):
            return Limits(namespace, None, None, used)
        most = (own if own is not None else default for own, default in zip((most_repositories, most_bytes), self._defaults))
        return Limits(namespace, *(None if limit == UNLIMITED else limit for limit in most), used)

    async def require_room(self, db: Database, limits: Limits, repository: str, wanted: int) -> None:
        """Before bytes are received: raise QuotaExceeded where so many more would not fit, or the repository would be one too many."""
        if limits.bytes is not None and (limits.used is None or limits.used + wanted > limits.bytes):
            used = await db.scan(lambda tx: count_bytes(tx, limits.namespace))
            if used + wanted > limits.bytes:
                raise _too_many_bytes(limits, used, wanted)
        if limits.repositories is not None:
            await db.scan(lambda tx: _require_place(tx, limits, repository))


def _charge(tx: Tx, place: Place, size: int) -> None:
    """From its first statement on, no other push into the namespace is decided until this transaction ends."""
    limits = place.limits
    if not tx.run(_ADD, size, limits.namespace):
        # The limit is the registry's setting, and this is the first push under it.
        tx.insert(INSERT, limits.namespace, None, None)
        tx.run(_ADD, size, limits.namespace)
    if limits.bytes is not None:
        used, counted_at = tx.one("SELECT used_bytes, counted_at FROM quotas WHERE namespace = ?", limits.namespace)
        if used is None or used > limits.bytes or counted_at + _RECOUNT_MS < now():
            used = count_bytes(tx, limits.namespace)
            tx.run(_COUNTED, used, now(), limits.namespace)
        if used > limits.bytes:
            raise _too_many_bytes(limits, used - size, size)
    if limits.repositories is not None and not place.was_filled:
        _require_fewer(limits, count_repositories(tx, limits.namespace) - 1)


def _require_place(tx: Tx, limits: Limits, repository: str) -> None:
    """Raise QuotaExceeded where the repository is not there, or empty, and there are as many as may be."""
    found = repositories.find(tx, repository)
    if found is None or tx.one(_IS_FILLED, found) is None:
        _require_fewer(limits, count_repositories(tx, limits.namespace))


def _require_fewer(limits: Limits, others: int) -> None:
    if others >= limits.repositories:
        raise QuotaExceeded(
            f"the quota of namespace {limits.namespace} is {limits.repositories} repositories: {others} are used, and this push wants 1 more",
            quota=limits.repositories, used=others, wanted=1,
        )  # fmt: skip


def _too_many_bytes(limits: Limits, used: int, wanted: int) -> QuotaExceeded:
    return QuotaExceeded(
        f"the quota of namespace {limits.namespace} is {in_words(limits.bytes)}: {in_words(used)} are used, and this push wants {in_words(wanted)} more",
        quota=limits.bytes, used=used, wanted=wanted,
    )  # fmt: skip


def count_repositories(tx: Tx, namespace: str) -> int:
    return tx.one(_REPOSITORIES, *namespaces.bounds(namespace))[0]


def count_bytes(tx: Tx, namespace: str) -> int:
    bounds = namespaces.bounds(namespace)
    return int(tx.one(_BLOB_BYTES, *bounds)[0]) + int(tx.one(_MANIFEST_BYTES, *bounds)[0])


def in_words(size: int) -> str:
    """1536 -> 1.5 KiB; below that each byte counts."""
    amount, unit = float(size), _UNITS[0]
    for unit in _UNITS:
        if amount < 1024 or unit == _UNITS[-1]:
            break
        amount /= 1024
    return f"{size} {unit}" if unit == _UNITS[0] else f"{amount:.1f} {unit}"
