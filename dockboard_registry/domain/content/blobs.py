"""Blobs: one row a digest says where the bytes are. links.py says who may read them; references.py, what keeps them."""

from functools import lru_cache
from typing import NamedTuple

from ...db import Database, Tx, now
from ...errors import BlobUnknown
from ...names import algorithm_of
from ...storage import KeyMissing, Source, Storage, StorageError, StorageFailed
from .. import audit
from ..access import facts
from ..access.facts import Facts, Question
from ..audit import Actor
from ..quotas.quota_sums import Change
from ..quotas.quotas import Quotas
from . import links, references, repositories, small_blobs
from .references import UNLINKED_BLOB
from .small_blobs import SmallBlobs

_FIND = (
    f"{facts.COLUMNS}, blobs.storage_key, blobs.size, repository_blobs.leased_at, repositories.id {facts.TABLES}"
    " LEFT JOIN repository_blobs ON repository_blobs.repository_id = repositories.id AND repository_blobs.digest = ?"
    " LEFT JOIN blobs ON blobs.digest = repository_blobs.digest"
)
_KEY = "SELECT storage_key, size FROM blobs WHERE digest = ?"
# The row has to change. A millisecond more or less in its time does not matter.
_TOUCH = "UPDATE blobs SET created_at = created_at + 1 - 2 * (created_at % 2) WHERE digest = ? AND storage_key = ?"
_DROP_UNLINKED = f"DELETE FROM blobs WHERE digest = ? AND storage_key = ? AND {UNLINKED_BLOB}"


class Blob(NamedTuple):
    """A blob as a repository sees it: size in bytes, leased_at in milliseconds."""

    storage_key: str
    size: int
    leased_at: int
    repository_id: int


@lru_cache(1024)
def question(digest: str) -> Question:
    """The question for a blob. `found` reads the answer."""
    return Question(_FIND, (digest,))


def found(digest: str, told: Facts) -> Blob:
    """Raises BlobUnknown, also for an unknown repository."""
    if told.content[0] is None:
        raise BlobUnknown("this repository has no blob of that digest", digest=digest)
    return Blob(*told.content)


def store(tx: Tx, digest: str, key: str, size: int, namespace: str | None = None) -> int:
    """Name the key as the blob's bytes, and return how many bytes it replaces.

    Newly verified bytes replace older ones, so pushing a damaged blob again repairs it. namespace: in whose sums the
    replaced bytes are.
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


def drop_unlinked(tx: Tx, digest: str, namespace: str | None = None) -> int | None:
    """Remove a blob that no repository has. Returns its size; None if it is needed or gone.

    The lock comes first, so that the check sees what the push that held the row has committed. namespace: in whose sums
    the bytes count until they are deleted.
    """
    found = tx.lock(_KEY, digest)
    if found is None or not tx.run(_DROP_UNLINKED, digest, found[0]):
        return None
    condemn(tx, found[0], namespace, found[1])
    return found[1]


async def whole_copy(db: Database, storage: Storage, digest: str, size: int) -> str | None:
    """The key of the blob's bytes if they are stored and whole, otherwise None."""
    row = await db.read(lambda tx: tx.one(_KEY, digest))
    if row is None or row[1] != size:
        return None
    try:
        source = await small_blobs.open_source(db, storage, row[0], size)
    except StorageError:
        return None
    try:
        return row[0] if await small_blobs.digest_of_source(source, algorithm_of(digest)) == digest else None
    except StorageError:
        return None
    finally:
        source.close()


def condemn(tx: Tx, key: str, namespace: str | None = None, size: int = 0) -> None:
    """No row names this key any more.

    The collector deletes its bytes after the grace. namespace: in whose sums they are.
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

        Raises BlobUnknown. The lease is written when a tenth of it has passed, so repeated questions cost only a read.
        """
        at = now()
        if at - blob.leased_at > self._renew_after:
            if not await self._db.write(
                lambda tx: links.renew(tx, blob.repository_id, digest, at), durable=False, repeatable=True, brings=0
            ):
                raise BlobUnknown("this repository has no blob of that digest", digest=digest)

    def url(self, blob: Blob) -> str | None:
        """Where a client may fetch the bytes itself; None if it has to ask us, as for those in the database."""
        return self._storage.url(blob.storage_key) if blob.size > small_blobs.LIMIT else None

    async def open(self, repository: str, digest: str, blob: Blob) -> Source:
        """The bytes. A new push may have moved them since the question; then it asks once more.

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
        """A file whose size is not the blob's is damaged, and no part of it is sent."""
        source = await small_blobs.open_source(self._db, self._storage, blob.storage_key, blob.size)
        try:
            if source.size != blob.size:
                raise StorageFailed("the store has another number of bytes than were pushed")
            return self._small.keep(blob.storage_key, digest, source)
        except BaseException:
            source.close()
            raise

    async def mount(self, repository: str, digest: str, source: str | None, maker: Actor | None = None) -> bool:
        """Link a blob that `source` has, or any repository if source is None. False if there is none.

        The source's link is renewed, because the blob's row stays while the link is there. Raises QuotaExceeded.
        """

        def change(tx: Tx) -> bool:
            if source is not None:
                found = repositories.find(tx, source)
            else:
                found = links.repository_with(tx, digest)
            if not links.renew(tx, found, digest, now()):
                return False
            target = self._quotas.enter(tx, repository, maker)
            if target.repository_id != found and links.make(tx, target.repository_id, digest) and target.limits:
                known = links.is_elsewhere(tx, target.limits.namespace, target.repository_id, digest)
                (size,) = (None,) if known else tx.one("SELECT size FROM blobs WHERE digest = ?", digest)
                target.charge(tx, size, Change(freed=1))  # another transaction may count the same blob at the same time
            return True

        return await self._quotas.decided(self._db, lambda: self._db.write(change, repeatable=True))

    async def delete(self, repository: str, digest: str, actor: Actor | None = None) -> None:
        """Remove the blob from the repository. actor: who is noted.

        Raises BlobUnknown; InUse while a manifest of the repository refers to it.
        """

        def change(tx: Tx) -> None:
            found = repositories.find(tx, repository)
            if not links.lock(tx, found, digest):
                raise BlobUnknown("this repository has no blob of that digest", digest=digest)
            references.refuse_needed_blob(tx, found, digest)
            links.remove(tx, found, digest)
            limits = self._quotas.find(tx, repository)
            size = drop_unlinked(tx, digest, limits.namespace) or 0 if limits.bytes is not None else 0
            if actor is not None:
                audit.note(tx, actor, "blob.delete", f"repository {repository}", digest=digest)
            limits.decide(tx, Change(bytes=-size, garbage=size, freed=0 if size else 1))

        await self._db.write(change, brings=0)
