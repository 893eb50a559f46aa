"""Links of blobs to repositories: a blob can be read in the repositories that it is linked to.

A link has a lease. HEAD, mount and upload renew it. When the lease is over, a link that no manifest of the repository
needs is removed (references.py). So a client that was told "exists" has that long to push its manifest.

Locks, for databases where writers run beside each other: whoever needs a blob in a repository renews the link's row
before it writes the need. Whoever removes a link locks its row before it looks for needs, and deletes it. A new link
needs the blob's row (a push writes it) or another link (a mount renews it). Both sides change the row, because a lock
alone does not reach the other nodes of a Galera cluster, which notices only that two transactions changed the same row.
"""

from ...db import Tx, now
from ...db.each import Each
from ..accounts import namespaces

_LEASED_AT = "SELECT leased_at FROM repository_blobs WHERE repository_id = ? AND digest = ?"
_COUNT = Each("SELECT COUNT(*) FROM repository_blobs WHERE repository_id = ? AND digest IN (...)")
_RENEW_ALL = Each(
    "UPDATE repository_blobs SET leased_at = ? - (leased_at = ?) WHERE repository_id = ? AND digest IN (...)"
)
_RENEW = "UPDATE repository_blobs SET leased_at = ? - (leased_at = ?) WHERE repository_id = ? AND digest = ?"
_MAKE = "INSERT INTO repository_blobs (repository_id, digest, leased_at) VALUES (?, ?, ?)"
_REMOVE = "DELETE FROM repository_blobs WHERE repository_id = ? AND digest = ?"
_ANY = "SELECT repository_id FROM repository_blobs WHERE digest = ? LIMIT 1"
_SOME = "SELECT digest FROM repository_blobs WHERE repository_id = ? ORDER BY digest LIMIT ?"
# The parameters are the digest, the repository, and the bounds of the namespace's names; then the bounds, the digest
# and the repository.
_ELSEWHERE = (
    "SELECT 1 FROM (SELECT 1 AS one) request WHERE EXISTS (SELECT 1 FROM (SELECT repository_id FROM repository_blobs"
    " WHERE digest = ? AND repository_id <> ? LIMIT 1000) linked JOIN repositories ON repositories.id ="
    " linked.repository_id WHERE name > ? AND name < ?) OR EXISTS (SELECT 1 FROM (SELECT id FROM repositories WHERE"
    " name > ? AND name < ? LIMIT 1000) own JOIN repository_blobs ON repository_blobs.repository_id = own.id WHERE"
    " repository_blobs.digest = ? AND own.id <> ?)"
)


def make(tx: Tx, repository_id: int, digest: str) -> bool:
    """Make the blob readable in the repository and begin its lease. False if it was readable before.

    The caller has written the blob's row or renewed another link.
    """
    at = now()
    if renew(tx, repository_id, digest, at):
        return False
    return tx.insert(_MAKE, repository_id, digest, at)


def renew(tx: Tx, repository_id: int, digest: str, at: int) -> bool:
    """Begin the lease again, and guard the link's row against collection. False if the repository does not have the
    blob.

    The row changes in any case: if the lease is of this very millisecond, it becomes one less.
    """
    return tx.run(_RENEW, at, at, repository_id, digest) > 0


def renew_all(tx: Tx, repository_id: int, digests: list[str], at: int) -> int:
    """The same for many blobs in few statements. Returns how many of them the repository has."""
    return _RENEW_ALL.run(tx, (at, at, repository_id), digests)


def guard(tx: Tx, repository_id: int, digests: list[str]) -> int:
    """How many of these blobs the repository has. It keeps them until the transaction ends."""
    if tx.alone:
        return sum(count for (count,) in _COUNT.all(tx, (repository_id,), digests))
    return renew_all(tx, repository_id, digests, now())


def lock(tx: Tx, repository_id: int | None, digest: str) -> bool:
    """Whether the repository has the blob. Nobody else changes that until the transaction ends."""
    return tx.lock(_LEASED_AT, repository_id, digest) is not None


def remove(tx: Tx, repository_id: int, digest: str) -> None:
    """Remove the link. The caller has made sure that nothing in the repository needs it."""
    tx.run(_REMOVE, repository_id, digest)


def some(tx: Tx, repository_id: int, most: int) -> list[str]:
    """At most so many of the repository's blobs."""
    return [digest for (digest,) in tx.all(_SOME, repository_id, most)]


def repository_with(tx: Tx, digest: str) -> int | None:
    """Any repository that has the blob."""
    (found,) = tx.one(_ANY, digest) or (None,)
    return found


def is_elsewhere(tx: Tx, namespace: str, repository_id: int, digest: str) -> bool:
    """Whether another repository of the namespace has the blob.

    Looks at a bounded number of rows, so it may miss one among many.
    """
    bounds = namespaces.bounds(namespace)
    return tx.one(_ELSEWHERE, digest, repository_id, *bounds, *bounds, digest, repository_id) is not None
