"""What keeps a blob or a manifest: the references of manifests to what they need. All who delete ask here.

    a link of a blob to its repository   while its lease lasts, or while a manifest of the repository refers to the blob
    a blob                               while a repository has it
    a manifest                           while an index of the repository refers to it, or until somebody deletes it

What a pushed manifest refers to is looked up before the transaction of its push, confirmed in it, and recorded with the
manifest. An index may name thousands of manifests, and an image thousands of layers. All of them are asked for in few
statements, and outside the transaction, so that a push that is refused never has the write lock, and one that is not
has it for a short time.
"""

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from ...db import Database, Tx, now
from ...db.each import FEW, MANY, Each
from ...errors import InUse, ManifestBlobUnknown
from . import links
from .documents import Document
from .pace import NO_PACE, Pace, rested

# Conditions on rows of repository_blobs, blobs, manifests and repositories.
UNREFERENCED_LINK = (
    "NOT EXISTS (SELECT 1 FROM manifest_blobs WHERE manifest_blobs.repository_id = repository_blobs.repository_id"
    " AND manifest_blobs.blob_digest = repository_blobs.digest)"
)
UNLINKED_BLOB = "NOT EXISTS (SELECT 1 FROM repository_blobs WHERE repository_blobs.digest = blobs.digest)"
HELD_BY_NO_INDEX = (
    "NOT EXISTS (SELECT 1 FROM manifest_children WHERE manifest_children.repository_id = manifests.repository_id AND"
    " manifest_children.child_digest = manifests.digest)"
)
FILLED_REPOSITORY = (
    "(EXISTS (SELECT 1 FROM manifests WHERE manifests.repository_id = repositories.id)"
    " OR EXISTS (SELECT 1 FROM repository_blobs WHERE repository_blobs.repository_id = repositories.id))"
)
# The digests of the blobs that a namespace keeps. The parameters are the bounds of its names, twice, because rows of
# deleted repositories that are left keep theirs too. CROSS JOIN keeps SQLite from looking through all links of the
# registry for those of deleted repositories.
BLOBS_OF_NAMESPACE = (
    "SELECT repository_blobs.digest FROM (SELECT id FROM repositories WHERE name > ? AND name < ? UNION ALL SELECT id"
    " FROM deleted_repositories WHERE name > ? AND name < ?) own CROSS JOIN repository_blobs ON"
    " repository_blobs.repository_id = own.id"
)
# What a repository records of references: how some rows are found, and how one is deleted.
ROWS = (
    (
        "SELECT parent_digest, child_digest FROM manifest_children WHERE repository_id = ? LIMIT ?",
        "DELETE FROM manifest_children WHERE repository_id = ? AND parent_digest = ? AND child_digest = ?",
    ),
    (
        "SELECT manifest_digest, blob_digest FROM manifest_blobs WHERE repository_id = ? LIMIT ?",
        "DELETE FROM manifest_blobs WHERE repository_id = ? AND manifest_digest = ? AND blob_digest = ?",
    ),
)
# What should be there and is not: (repository, digests) of each case, by its name.
BROKEN = {
    "link without blob": (
        "SELECT repositories.name, repository_blobs.digest FROM repository_blobs JOIN repositories ON repositories.id ="
        " repository_blobs.repository_id WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.digest ="
        " repository_blobs.digest)"
    ),
    "manifest without blob": (
        "SELECT repositories.name, manifest_blobs.manifest_digest, manifest_blobs.blob_digest FROM manifest_blobs JOIN"
        " repositories ON repositories.id = manifest_blobs.repository_id WHERE NOT EXISTS (SELECT 1 FROM"
        " repository_blobs WHERE repository_blobs.repository_id = manifest_blobs.repository_id AND"
        " repository_blobs.digest = manifest_blobs.blob_digest)"
    ),
    "index without manifest": (
        "SELECT repositories.name, manifest_children.parent_digest, manifest_children.child_digest FROM"
        " manifest_children JOIN repositories ON repositories.id = manifest_children.repository_id WHERE NOT EXISTS"
        " (SELECT 1 FROM manifests WHERE manifests.repository_id = manifest_children.repository_id AND manifests.digest"
        " = manifest_children.child_digest)"
    ),
}
_MANIFEST_THAT_NEEDS = "SELECT manifest_digest FROM manifest_blobs WHERE repository_id = ? AND blob_digest = ? LIMIT 1"
_MANIFESTS_THAT_NEED = (
    "SELECT DISTINCT manifest_digest FROM manifest_blobs WHERE repository_id = ? AND blob_digest >= ? AND blob_digest <"
    " ? ORDER BY manifest_digest LIMIT ?"
)
_INDEX_THAT_NEEDS = "SELECT parent_digest FROM manifest_children WHERE repository_id = ? AND child_digest = ? LIMIT 1"
_UNLINK = (
    f"DELETE FROM repository_blobs WHERE repository_id = ? AND digest = ? AND leased_at <= ? AND {UNREFERENCED_LINK}"
)
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
_IS_STORED = "SELECT 1 FROM manifests WHERE repository_id = ? AND digest = ?"
_COUNT_OF = (
    "SELECT (SELECT COUNT(*) FROM manifest_blobs WHERE repository_id = ? AND manifest_digest = ?),"
    " (SELECT COUNT(*) FROM manifest_children WHERE repository_id = ? AND parent_digest = ?)"
)
_INDEXES_WITH = (
    "SELECT parent_digest FROM manifest_children WHERE repository_id = ? AND child_digest = ? ORDER BY parent_digest"
    " LIMIT ?"
)
_USED_TWICE = Each(
    "SELECT digest FROM blobs WHERE (SELECT 1 FROM manifest_blobs WHERE manifest_blobs.repository_id = ? AND"
    " manifest_blobs.blob_digest = blobs.digest LIMIT 1 OFFSET 1) = 1 AND digest IN (...)"
)
_COUNT_BLOBS = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM manifest_blobs WHERE repository_id = ? LIMIT ?) counted"
# Pages show own bytes of layers, so configs do not count.
_OWN_BYTES = (
    "SELECT manifest_facts.digest, SUM(blobs.size) FROM (SELECT DISTINCT digest FROM tags WHERE repository_id = ?)"
    " tagged JOIN manifest_facts ON manifest_facts.repository_id = ? AND manifest_facts.digest = tagged.digest JOIN"
    " manifest_blobs ON manifest_blobs.repository_id = manifest_facts.repository_id AND manifest_blobs.manifest_digest"
    " = manifest_facts.image_digest JOIN blobs ON blobs.digest = manifest_blobs.blob_digest WHERE"
    " (manifest_facts.config_digest IS NULL OR manifest_blobs.blob_digest <> manifest_facts.config_digest) AND"
    " (SELECT 1 FROM manifest_blobs other WHERE other.repository_id = manifest_blobs.repository_id AND"
    " other.blob_digest = manifest_blobs.blob_digest LIMIT 1 OFFSET 1) IS NULL GROUP BY manifest_facts.digest"
)
_NAMED = 100
_A = {"manifest": "a manifest", "index": "an index"}


class FoundReferences(NamedTuple):
    """Which of the content that a document refers to its repository has: sizes in bytes by digest."""

    manifests: dict[str, int]
    blobs: dict[str, int]

    def size(self, digest: str) -> int | None:
        return self.manifests.get(digest, self.blobs.get(digest))

    def parts(self, size: int) -> Iterator["FoundReferences"]:
        """The same in parts of at most so many digests.

        Neighbours in the order of digests are in one part, because their rows share pages of the database.
        """
        blobs, manifests = iter(sorted(self.blobs)), iter(sorted(self.manifests))
        while part := list(islice(blobs, size)):
            yield FoundReferences({}, {digest: self.blobs[digest] for digest in part})
        while part := list(islice(manifests, size)):
            yield FoundReferences({digest: self.manifests[digest] for digest in part}, {})


def refuse_needed_blob(tx: Tx, repository_id: int, digest: str) -> None:
    """Raise InUse if a manifest of the repository refers to the blob. The caller has locked the blob's link."""
    if found := tx.one(_MANIFEST_THAT_NEEDS, repository_id, digest):
        raise _in_use(tx, repository_id, "blob", "manifest", found[0])


def refuse_needed_manifest(tx: Tx, repository_id: int, digest: str) -> None:
    """Raise InUse if an index of the repository refers to the manifest. The caller has locked the manifest's row."""
    if found := tx.one(_INDEX_THAT_NEEDS, repository_id, digest):
        raise _in_use(tx, repository_id, "manifest", "index", found[0])


def _in_use(tx: Tx, repository_id: int, what: str, kind: str, user: str) -> InUse:
    """what: the content. kind: "manifest" or "index". user: the digest of one that refers to it."""
    facts = {kind: user}
    if is_stored(tx, repository_id, user):
        return InUse(f"{_A[kind]} of this repository refers to the {what}", f"delete {kind} {user} first", **facts)
    return InUse(f"{_A[kind]} that is being pushed or deleted refers to the {what}", "try again later", **facts)


def is_stored(tx: Tx, repository_id: int, digest: str) -> bool:
    """Whether the repository has the manifest. References of one that it does not have are unfinished."""
    return tx.one(_IS_STORED, repository_id, digest) is not None


def manifests_with(tx: Tx, repository_id: int, first: str, end: str, most: int) -> list[str]:
    """Manifests that need a blob whose digest is `first` or a later one, but before `end`; at most so many."""
    return [digest for (digest,) in tx.all(_MANIFESTS_THAT_NEED, repository_id, first, end, most)]


def indexes_with(tx: Tx, repository_id: int, digest: str, most: int) -> list[str]:
    """Indexes of the repository that refer to the manifest, at most so many."""
    return [parent for (parent,) in tx.all(_INDEXES_WITH, repository_id, digest, most)]


def used_twice(tx: Tx, repository_id: int, digests: list[str]) -> list[str]:
    """Those of the blobs that more than one manifest of the repository refers to."""
    return [digest for (digest,) in _USED_TWICE.all(tx, (repository_id,), digests)]


def count_blobs(tx: Tx, repository_id: int, most: int) -> int:
    """How many references to blobs the manifests of the repository have; not more than `most` are counted."""
    return tx.one(_COUNT_BLOBS, repository_id, most)[0]


def own_bytes(tx: Tx, repository_id: int) -> dict[str, int]:
    """Bytes of layers that only one manifest of the repository refers to: for each tagged manifest those of the image
    that stands for it (manifest_facts.image_digest). 0 is left out.
    """
    return {digest: int(size) for digest, size in tx.all(_OWN_BYTES, repository_id, repository_id)}


def unlink_unused(tx: Tx, repository_id: int, digest: str, cutoff: int) -> int:
    """Remove the link of a blob that no manifest needs, if it was leased before the cutoff. Returns the number of
    removed links.

    The lock comes first, so that the check sees what the push that held the row has committed.
    """
    links.lock(tx, repository_id, digest)
    return tx.run(_UNLINK, repository_id, digest, cutoff)


async def ask(db: Database, repository: str, document: Document) -> FoundReferences:
    """What the repository has of the document's references. `require` says whether that is enough."""
    count = len(document.references())
    if count <= MANY:
        return await (db.read if count <= FEW else db.scan)(lambda tx: _look(tx, repository, document))
    held = FoundReferences({}, {})
    for part in document.parts(MANY):
        found = await rested(db.scan(lambda tx: _look(tx, repository, part)))  # noqa: B023
        held.manifests.update(found.manifests)
        held.blobs.update(found.blobs)
    return held


def confirm(tx: Tx, repository: str, repository_id: int, document: Document, held: FoundReferences) -> FoundReferences:
    """What the repository still has of it, and keeps until the transaction ends. Raises ManifestBlobUnknown.

    Rows are changed table by table and in the order of digests, so that concurrent pushes wait for each other and
    seldom have to start again.
    """
    while not guard_all(tx, repository_id, held):
        held = _look(tx, repository, document)
        require(document, held)
    return held


def guard_all(tx: Tx, repository_id: int, held: FoundReferences) -> bool:
    """Whether all of it is still here. Nobody deletes it until the transaction ends."""
    manifests, layers = sorted(held.manifests), sorted(held.blobs)
    here = guard(tx, repository_id, manifests) + links.guard(tx, repository_id, layers)
    return here == len(manifests) + len(layers)


def guard(tx: Tx, repository_id: int, digests: list[str]) -> int:
    """How many of these manifests are here. Nobody deletes them until the transaction ends.

    A lock would not reach the other nodes of a Galera cluster. Of two transactions that changed the same row it lets
    only one commit.
    """
    if tx.alone:
        return sum(count for (count,) in _COUNT.all(tx, (repository_id,), digests))
    return _TOUCH.run(tx, (repository_id,), digests)


def record(tx: Tx, repository_id: int, digest: str, held: FoundReferences) -> None:
    """Record the references. None of the content is deleted while the manifest is here."""
    _REFER_TO_BLOBS.run(tx, (digest, digest, repository_id), sorted(held.blobs))
    _REFER_TO_MANIFESTS.run(tx, (digest, digest, repository_id), sorted(held.manifests))


def count(tx: Tx, repository_id: int, digest: str) -> int:
    """How many references of the manifest are recorded."""
    return sum(tx.one(_COUNT_OF, repository_id, digest, repository_id, digest))


def forget(tx: Tx, repository_id: int, digest: str, most: int) -> int:
    """Remove at most so many references of a manifest that is gone; the lease of each blob begins now.

    Returns how many were removed; 0 where a push has stored the manifest again. A push changes the rows of what it
    needs before it stores a manifest. They are changed here too, so that only one of the two transactions goes on.
    """
    found = [blob for (blob,) in tx.all(_BLOBS_OF, repository_id, digest, most)]
    children = [child for (child,) in tx.all(_CHILDREN_OF, repository_id, digest, most - len(found))]
    links.renew_all(tx, repository_id, found, now())
    guard(tx, repository_id, children)
    if is_stored(tx, repository_id, digest):
        return 0
    _FORGET_BLOBS.run(tx, (repository_id, digest), found)
    _FORGET_CHILDREN.run(tx, (repository_id, digest), children)
    return len(found) + len(children)


def warning(document: Document, held: FoundReferences, pace: Pace = NO_PACE) -> str | None:
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


def _look(tx: Tx, repository: str, document: Document) -> FoundReferences:
    """An index may also name blobs."""
    children = {entry.digest for entry in document.children}
    manifests = dict(_MANIFESTS.all(tx, (repository,), sorted(children)))
    others = {entry.digest for entry in document.blobs} | (children - manifests.keys())
    return FoundReferences(manifests, dict(_BLOBS.all(tx, (repository,), sorted(others))))


def require(document: Document, held: FoundReferences, pace: Pace = NO_PACE) -> None:
    """Raises ManifestBlobUnknown if something is missing."""
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
