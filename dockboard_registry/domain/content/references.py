"""What a manifest refers to: looked up before the transaction of its push, confirmed in it, and recorded with the
manifest.

An index may name thousands of manifests, and an image thousands of layers. All of them are asked for in few statements,
and outside the transaction, so that a push that is refused never has the write lock, and one that is not has it for a
short time.
"""

from typing import NamedTuple

from ...db import Database, Tx, now
from ...db.each import FEW, Each
from ...errors import ManifestBlobUnknown
from . import blobs
from .documents import Document

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
_NAMED = 100


class Held(NamedTuple):
    """What a document refers to and its repository has: sizes in bytes by digest."""

    manifests: dict[str, int]
    blobs: dict[str, int]

    def size(self, digest: str) -> int | None:
        return self.manifests.get(digest, self.blobs.get(digest))


async def ask(db: Database, repository: str, document: Document) -> Held:
    """Raises ManifestBlobUnknown where something is not there."""
    few = len(document.blobs) + len(document.children) <= FEW
    held = await (db.read if few else db.scan)(lambda tx: _look(tx, repository, document))
    _require(document, held)
    return held


def confirm(tx: Tx, repository: str, repository_id: int, document: Document, held: Held) -> Held:
    """What the repository still has of it, and keeps until the transaction ends. Raises ManifestBlobUnknown.

    Rows are changed table by table and in the order of digests, so that concurrent pushes wait for each other and
    seldom have to start again.
    """
    while guard(tx, repository_id, sorted(held.manifests)) + blobs.guard(tx, repository_id, sorted(held.blobs)) < sum(
        map(len, held)
    ):
        held = _look(tx, repository, document)
        _require(document, held)
    return held


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


def forget(tx: Tx, repository_id: int, digest: str) -> None:
    """The manifest is gone; the lease of each of its blobs begins now."""
    found = tx.all(
        "SELECT blob_digest FROM manifest_blobs WHERE repository_id = ? AND manifest_digest = ? ORDER BY blob_digest",
        repository_id,
        digest,
    )
    blobs.renew_all(tx, repository_id, [blob for (blob,) in found], now())
    tx.run("DELETE FROM manifest_blobs WHERE repository_id = ? AND manifest_digest = ?", repository_id, digest)
    tx.run("DELETE FROM manifest_children WHERE repository_id = ? AND parent_digest = ?", repository_id, digest)


def warning(document: Document, held: Held) -> str | None:
    """A warning about the first wrong size; None if all are right. Other registries store such manifests too."""
    wrong = [
        (at, entry)
        for at, entry in enumerate(document.references())
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


def _require(document: Document, held: Held) -> None:
    missing = {
        entry.digest: at
        for at, entry in enumerate(document.references())
        if entry.required and held.size(entry.digest) is None
    }
    if not missing:
        return
    digest, at = next(iter(missing.items()))
    others = f", and {len(missing) - 1} more that the manifest refers to" if len(missing) > 1 else ""
    raise ManifestBlobUnknown(
        f"{document.place(at)}: this repository lacks {digest}{others}", digests=list(missing)[:_NAMED]
    )
