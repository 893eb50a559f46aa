"""Blobs: one row a digest for the bytes, one link a repository for the right to read them there.

A link carries a lease. HEAD, mount and upload renew it; what no manifest of the repository has referred to for longer
than the lease leaves the repository (see collect.py). A client that was told "exists" therefore has that long to push
its manifest.

Locks, for databases where writers run beside each other: who needs a blob in a repository renews the link's row before
it writes the need, and who would take the link away locks that row before it looks for needs, and deletes it. A new
link needs the blob's row (who pushes writes it) or another link (who mounts renews that). Both sides change the row: a
lock alone does not reach the other nodes of a Galera cluster, which notices only that two transactions changed the same
row.
"""

from functools import lru_cache
from typing import NamedTuple

from ...db import Database, Tx, now
from ...db.each import Each
from ...errors import BlobUnknown
from ...storage import KeyMissing, Source, Storage, StorageFailed
from .. import audit
from ..access import facts
from ..access.facts import Facts, Question
from ..accounts import namespaces
from ..audit import Actor
from ..quotas.quota_sums import Change
from ..quotas.quotas import Quotas
from . import repositories, small_blobs
from .in_use import in_use
from .small_blobs import SmallBlobs

_FIND = (
    f"{facts.COLUMNS}, blobs.storage_key, blobs.size, repository_blobs.leased_at, repositories.id {facts.TABLES}"
    " LEFT JOIN repository_blobs ON repository_blobs.repository_id = repositories.id AND repository_blobs.digest = ?"
    " LEFT JOIN blobs ON blobs.digest = repository_blobs.digest"
)
_KEY = "SELECT storage_key, size FROM blobs WHERE digest = ?"
# The row has to change; nobody needs the last bit of the time.
_TOUCH = "UPDATE blobs SET created_at = created_at + 1 - 2 * (created_at % 2) WHERE digest = ? AND storage_key = ?"
_DROP_UNLINKED = (
    "DELETE FROM blobs WHERE digest = ? AND storage_key = ?"
    " AND NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_blobs.digest = blobs.digest)"
)
_LINK = "SELECT leased_at FROM repository_blobs WHERE repository_id = ? AND digest = ?"
_COUNT = Each("SELECT COUNT(*) FROM repository_blobs WHERE repository_id = ? AND digest IN (...)")
_RENEW_ALL = Each(
    "UPDATE repository_blobs SET leased_at = ? - (leased_at = ?) WHERE repository_id = ? AND digest IN (...)"
)
_RENEW = "UPDATE repository_blobs SET leased_at = ? - (leased_at = ?) WHERE repository_id = ? AND digest = ?"


# The parameters are the digest, the repository, and the bounds of the namespace's names; then the bounds, the digest
# and the repository.
_ELSEWHERE = (
    "SELECT 1 FROM (SELECT 1 AS one) request WHERE EXISTS (SELECT 1 FROM (SELECT repository_id FROM repository_blobs"
    " WHERE digest = ? AND repository_id <> ? LIMIT 1000) linked JOIN repositories ON repositories.id ="
    " linked.repository_id WHERE name > ? AND name < ?) OR EXISTS (SELECT 1 FROM (SELECT id FROM repositories WHERE"
    " name > ? AND name < ? LIMIT 1000) own JOIN repository_blobs ON repository_blobs.repository_id = own.id WHERE"
    " repository_blobs.digest = ? AND own.id <> ?)"
)


class Blob(NamedTuple):
    """A blob as a repository sees it: size in bytes, leased_at in milliseconds."""

    storage_key: str
    size: int
    leased_at: int
    repository_id: int


@lru_cache(1024)
def question(digest: str) -> Question:
    """What to ask for a blob; `found` reads the answer."""
    return Question(_FIND, (digest,))


def found(digest: str, told: Facts) -> Blob:
    """Raises BlobUnknown, for an unknown repository too."""
    if told.content[0] is None:
        raise BlobUnknown("this repository has no blob of that digest", digest=digest)
    return Blob(*told.content)


def link(tx: Tx, repository_id: int, digest: str) -> bool:
    """Make the blob readable in the repository and begin its lease anew; False where it was so before.

    The caller has written the blob's row or renewed another link.
    """
    at = now()
    if renew(tx, repository_id, digest, at):
        return False
    return tx.insert(
        "INSERT INTO repository_blobs (repository_id, digest, leased_at) VALUES (?, ?, ?)", repository_id, digest, at
    )


def renew(tx: Tx, repository_id: int, digest: str, at: int) -> bool:
    """Begin the lease anew; False where the blob is not in the repository. Guards the link's row against collection.

    The row changes in any case: where the lease is of this very millisecond, it becomes one less.
    """
    return tx.run(_RENEW, at, at, repository_id, digest) > 0


def renew_all(tx: Tx, repository_id: int, digests: list[str], at: int) -> int:
    """The same for many, in few statements. Returns how many of them the repository has."""
    return _RENEW_ALL.run(tx, (at, at, repository_id), digests)


def guard(tx: Tx, repository_id: int, digests: list[str]) -> int:
    """How many of these blobs the repository has; none of them leaves it before the transaction ends."""
    if tx.alone:
        return sum(count for (count,) in _COUNT.all(tx, (repository_id,), digests))
    return renew_all(tx, repository_id, digests, now())


def is_elsewhere(tx: Tx, namespace: str, repository_id: int, digest: str) -> bool:
    """Whether another repository of the namespace has the blob.

    Looks at a bounded number of rows, so it may miss one among many.
    """
    bounds = namespaces.bounds(namespace)
    return tx.one(_ELSEWHERE, digest, repository_id, *bounds, *bounds, digest, repository_id) is not None


def store(tx: Tx, digest: str, key: str, size: int, namespace: str | None = None) -> int:
    """Name the key as the blob's bytes.

    Newly verified bytes replace older ones, so pushing a damaged blob again repairs it.

    namespace: in whose sums the replaced bytes are; how many they are.
    """
    old = tx.lock(_KEY, digest)
    if old is None and tx.insert(
        "INSERT INTO blobs (digest, storage_key, size, created_at) VALUES (?, ?, ?, ?)", digest, key, size, now()
    ):
        return 0
    old = old or tx.lock(_KEY, digest)
    tx.run("UPDATE blobs SET storage_key = ?, size = ? WHERE digest = ?", key, size, digest)
    condemn(tx, old[0], namespace, old[1])
    return old[1]


def keep(tx: Tx, digest: str, key: str) -> bool:
    """Keep the stored bytes and prevent collection until this transaction ends.

    False if the blob has other bytes by now.
    """
    return tx.run(_TOUCH, digest, key) > 0


def drop_unlinked(tx: Tx, digest: str, namespace: str) -> int:
    """Give up a blob that no repository has any more. Returns its bytes, which count in the sums of the namespace."""
    found = tx.lock(_KEY, digest)
    if found is None or not tx.run(_DROP_UNLINKED, digest, found[0]):
        return 0
    condemn(tx, found[0], namespace, found[1])
    return found[1]


def condemn(tx: Tx, key: str, namespace: str | None = None, size: int = 0) -> None:
    """Nothing names this key any more; the collector deletes its bytes after the grace period.

    namespace: in whose sums they are.
    """
    given = (namespace, size) if namespace else (None, None)
    tx.insert(
        "INSERT INTO garbage (storage_key, condemned_at, namespace, size) VALUES (?, ?, ?, ?)", key, now(), *given
    )


class Blobs:
    """lease: seconds that an unreferenced blob stays in its repository."""

    def __init__(self, db: Database, storage: Storage, lease: float, quotas: Quotas = Quotas()):
        self._db = db
        self._quotas = quotas
        self._storage = storage
        self._renew_after = int(lease * 100)
        self._small = SmallBlobs()

    async def promise(self, blob: Blob, digest: str) -> None:
        """Make sure that the blob stays for the lease: a client that hears "exists" will not push it.

        Raises BlobUnknown.

        The lease is written when a tenth of it has passed, so that repeated questions cost a read.
        """
        at = now()
        if at - blob.leased_at > self._renew_after:
            if not await self._db.write(
                lambda tx: renew(tx, blob.repository_id, digest, at), durable=False, repeatable=True, brings=0
            ):
                raise BlobUnknown("this repository has no blob of that digest", digest=digest)

    async def open(self, repository: str, digest: str, blob: Blob) -> Source:
        """The bytes. A new push may have moved them between the question and the opening: then once more.

        Raises BlobUnknown, StorageError.
        """
        held = self._small.get(blob.storage_key)
        if held is not None:
            return held
        try:
            return await self._open(blob, digest)
        except KeyMissing:
            again = found(digest, await facts.ask(self._db, repository, question(digest)))
            if again.storage_key == blob.storage_key:
                raise
            return await self._open(again, digest)

    async def _open(self, blob: Blob, digest: str) -> Source:
        """A file of another size than was pushed is damaged, and no part of it goes out."""
        source = await small_blobs.open_source(self._db, self._storage, blob.storage_key, blob.size)
        try:
            if source.size != blob.size:
                raise StorageFailed("the store has another number of bytes than were pushed")
            return self._small.keep(blob.storage_key, digest, source)
        except BaseException:
            source.close()
            raise

    async def mount(self, repository: str, digest: str, source: str | None, maker: Actor | None = None) -> bool:
        """Link a blob that `source` has, or any repository when source is None; False where there is none.

        The source's link is renewed: while it is there, the blob's row stays. Raises QuotaExceeded.
        """

        def change(tx: Tx) -> bool:
            if source is not None:
                found = repositories.find(tx, source)
            else:
                (found,) = tx.one("SELECT repository_id FROM repository_blobs WHERE digest = ? LIMIT 1", digest) or (
                    None,
                )
            if not renew(tx, found, digest, now()):
                return False
            target = self._quotas.enter(tx, repository, maker)
            if target.repository_id != found and link(tx, target.repository_id, digest) and target.limits:
                known = is_elsewhere(tx, target.limits.namespace, target.repository_id, digest)
                (size,) = (None,) if known else tx.one("SELECT size FROM blobs WHERE digest = ?", digest)
                target.charge(tx, size, Change(freed=1))  # another transaction may count the same blob at the same time
            return True

        return await self._quotas.decided(self._db, lambda: self._db.write(change, repeatable=True))

    async def delete(self, repository: str, digest: str, actor: Actor | None = None) -> None:
        """Take the blob out of the repository.

        actor: who is noted. Raises BlobUnknown; InUse while a manifest there refers to it.
        """

        def change(tx: Tx) -> None:
            found = repositories.find(tx, repository)
            if tx.lock(_LINK, found, digest) is None:
                raise BlobUnknown("this repository has no blob of that digest", digest=digest)
            user = tx.one(
                "SELECT manifest_digest FROM manifest_blobs WHERE repository_id = ? AND blob_digest = ? LIMIT 1",
                found,
                digest,
            )
            if user:
                raise in_use(tx, found, "blob", "manifest", user[0])
            tx.run("DELETE FROM repository_blobs WHERE repository_id = ? AND digest = ?", found, digest)
            limits = self._quotas.find(tx, repository)
            size = drop_unlinked(tx, digest, limits.namespace) if limits.bytes is not None else 0
            if actor is not None:
                audit.note(tx, actor, "blob.delete", f"repository {repository}", digest=digest)
            limits.decide(tx, Change(bytes=-size, garbage=size, freed=0 if size else 1))

        await self._db.write(change, brings=0)
