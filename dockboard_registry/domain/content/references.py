"""What a manifest refers to: looked up before the transaction of its push, confirmed in it, and recorded with the
manifest.

An index may name thousands of manifests, and an image thousands of layers. All of them are asked for in few statements,
and outside the transaction, so that a push that is refused never has the write lock, and one that is not has it for a
short time.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from ...db import Database, Tx, now
from ...db.each import FEW, MANY, Each
from ...errors import ManifestBlobUnknown
from . import blobs
from .documents import Document
from .pace import NO_PACE, Pace, rested

_MANIFESTS = Each(
    "SELECT manifests.digest, manifests.size FROM repositories JOIN manifests ON manifests.repository_id ="
    " repositories.id WHERE repositories.name = ? AND manifests.digest IN (...)"
)
_BLOBS = Each(
    "SELECT blobs.digest, blobs.size FROM repositories JOIN repository_blobs ON repository_blobs.repository_id ="
    " repositories.id JOIN blobs ON blobs.digest = repository_blobs.digest WHERE repositories.name = ? AND"
    " repository_blobs.digest IN (...)"
)
_COUNT = Each("SELECT COUNT(*) FROM manifests WHERE repository_id = ? AND digest IN (...)")
# Moves the time by a millisecond, back and forth: the row has to change.
_TOUCH = Each(
    "UPDATE manifests SET pushed_at = pushed_at + 1 - 2 * (pushed_at % 2) WHERE repository_id = ? AND digest IN (...)"
)
# For a manifest that was here before, some are recorded already.
_REFER_TO_BLOBS = Each(
    "INSERT INTO manifest_blobs (repository_id, manifest_digest, blob_digest) SELECT repository_id, ?, digest FROM"
    " repository_blobs WHERE NOT EXISTS (SELECT 1 FROM manifest_blobs known WHERE known.repository_id ="
    " repository_blobs.repository_id AND known.manifest_digest = ? AND known.blob_digest = repository_blobs.digest) AND"
    " repository_id = ? AND digest IN (...)"
)
_REFER_TO_MANIFESTS = Each(
    "INSERT INTO manifest_children (repository_id, parent_digest, child_digest) SELECT repository_id, ?, digest FROM"
    " manifests WHERE NOT EXISTS (SELECT 1 FROM manifest_children known WHERE known.repository_id ="
    " manifests.repository_id AND known.parent_digest = ? AND known.child_digest = manifests.digest) AND repository_id"
    " = ? AND digest IN (...)"
)
_BLOBS_OF = (
    "SELECT blob_digest FROM manifest_blobs WHERE repository_id = ? AND manifest_digest = ?"
    " ORDER BY blob_digest LIMIT ?"
)
_FORGET_BLOBS = Each(
    "DELETE FROM manifest_blobs WHERE repository_id = ? AND manifest_digest = ? AND blob_digest IN (...)"
)
_CHILDREN_OF = (
    "SELECT child_digest FROM manifest_children WHERE repository_id = ? AND parent_digest = ?"
    " ORDER BY child_digest LIMIT ?"
)
_FORGET_CHILDREN = Each(
    "DELETE FROM manifest_children WHERE repository_id = ? AND parent_digest = ? AND child_digest IN (...)"
)
_NAMED = 100


class Held(NamedTuple):
    """What a document refers to and its repository has: sizes in bytes by digest."""

    manifests: dict[str, int]
    blobs: dict[str, int]

    def size(self, digest: str) -> int | None:
        return self.manifests.get(digest, self.blobs.get(digest))

    def parts(self, size: int) -> Iterator["Held"]:
        """The same in parts of at most so many digests."""
        blobs, manifests = iter(self.blobs.items()), iter(self.manifests.items())
        while part := dict(islice(blobs, size)):
            yield Held({}, part)
        while part := dict(islice(manifests, size)):
            yield Held(part, {})


async def ask(db: Database, repository: str, document: Document) -> Held:
    """What the repository has of it; `require` says whether that is enough."""
    count = len(document.references())
    if count <= MANY:
        return await (db.read if count <= FEW else db.scan)(lambda tx: _look(tx, repository, document))
    held = Held({}, {})
    for part in document.parts(MANY):
        found = await rested(db.scan(lambda tx: _look(tx, repository, part)))  # noqa: B023
        held.manifests.update(found.manifests)
        held.blobs.update(found.blobs)
    return held


def confirm(tx: Tx, repository: str, repository_id: int, document: Document, held: Held) -> Held:
    """What the repository still has of it, and keeps until the transaction ends. Raises ManifestBlobUnknown.

    Rows are changed table by table and in the order of digests, so that concurrent pushes wait for each other and
    seldom have to start again.
    """
    while not guard_all(tx, repository_id, held):
        held = _look(tx, repository, document)
        require(document, held)
    return held


def guard_all(tx: Tx, repository_id: int, held: Held) -> bool:
    """Whether all of it is still here; nobody deletes it before the transaction ends."""
    manifests, layers = sorted(held.manifests), sorted(held.blobs)
    here = guard(tx, repository_id, manifests) + blobs.guard(tx, repository_id, layers)
    return here == len(manifests) + len(layers)


def guard(tx: Tx, repository_id: int, digests: list[str]) -> int:
    """How many of these manifests are here; nobody deletes them before the transaction ends. A lock would not reach the
    other nodes of a Galera cluster; of two transactions that changed the same row it lets only one commit.
    """
    if tx.alone:
        return sum(count for (count,) in _COUNT.all(tx, (repository_id,), digests))
    return _TOUCH.run(tx, (repository_id,), digests)


def record(tx: Tx, repository_id: int, digest: str, held: Held) -> None:
    """Record the references: none of the content is deleted while the manifest is here."""
    _REFER_TO_BLOBS.run(tx, (digest, digest, repository_id), sorted(held.blobs))
    _REFER_TO_MANIFESTS.run(tx, (digest, digest, repository_id), sorted(held.manifests))


def forget(tx: Tx, repository_id: int, digest: str, most: int) -> int:
    """Remove at most so many references of a manifest that is gone; the lease of each blob begins now.

    Returns how many were removed.
    """
    found = [blob for (blob,) in tx.all(_BLOBS_OF, repository_id, digest, most)]
    blobs.renew_all(tx, repository_id, found, now())
    _FORGET_BLOBS.run(tx, (repository_id, digest), found)
    children = [child for (child,) in tx.all(_CHILDREN_OF, repository_id, digest, most - len(found))]
    _FORGET_CHILDREN.run(tx, (repository_id, digest), children)
    return len(found) + len(children)


def warning(document: Document, held: Held, pace: Pace = NO_PACE) -> str | None:
    """A warning about the first wrong size; None if all are right. Other registries store such manifests too."""
    wrong = [
        (at, entry)
        for at, entry in enumerate(pace.over(document.references()))
        if held.size(entry.digest) not in (None, entry.size)
    ]
    if not wrong:
        return None
    at, entry = wrong[0]
    others = f"; {len(wrong) - 1} more sizes are wrong" if len(wrong) > 1 else ""
    return f"{document.place(at)}.size is {entry.size}, but {entry.digest} has {held.size(entry.digest)} bytes{others}"


def _look(tx: Tx, repository: str, document: Document) -> Held:
    """An index may also name blobs."""
    children = {entry.digest for entry in document.children}
    manifests = dict(_MANIFESTS.all(tx, (repository,), sorted(children)))
    others = {entry.digest for entry in document.blobs} | (children - manifests.keys())
    return Held(manifests, dict(_BLOBS.all(tx, (repository,), sorted(others))))


def require(document: Document, held: Held, pace: Pace = NO_PACE) -> None:
    """Raises ManifestBlobUnknown where something is not there."""
    missing = {
        entry.digest: at
        for at, entry in enumerate(pace.over(document.references()))
        if entry.required and held.size(entry.digest) is None
    }
    if not missing:
        return
    digest, at = next(iter(missing.items()))
    others = f", and {len(missing) - 1} more that the manifest refers to" if len(missing) > 1 else ""
    raise ManifestBlobUnknown(
        f"{document.place(at)}: this repository lacks {digest}{others}", digests=list(missing)[:_NAMED]
    )
