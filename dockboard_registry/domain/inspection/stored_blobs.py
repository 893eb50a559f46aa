"""Whether the blobs of one image are there: in the database, and in a store whose files are at hand.

A blob may be missing after a restore from a backup, or after the disk lost it. Only sizes are compared here; the
command `check` reads all bytes. An object store is not asked, because each question would cost a request.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...db import Tx
from ...db.each import Each
from ...storage import KeyMissing, Storage, StorageError
from ..content import documents
from .manifest_content import Layer

MISSING, OTHER_SIZE = "missing", "size"
# Files that are looked at for one page.
_MOST_FILES = 50
_ROWS = Each(
    "SELECT repository_blobs.digest, blobs.storage_key, blobs.size, LENGTH(small_blobs.body) FROM repository_blobs JOIN"
    " blobs ON blobs.digest = repository_blobs.digest LEFT JOIN small_blobs ON small_blobs.storage_key ="
    " blobs.storage_key WHERE repository_blobs.repository_id = ? AND repository_blobs.digest IN (...)"
)


class BlobRow(NamedTuple):
    """key: in the store. size: in bytes. held: how many of them lie in the database; None: they lie in the store."""

    key: str
    size: int
    held: int | None


class DamagedBlob(NamedTuple):
    """problem: MISSING, or OTHER_SIZE where the store has another number of bytes than were pushed."""

    digest: str
    problem: str


def rows(tx: Tx, repository_id: int, blobs: Sequence[Layer]) -> dict[str, BlobRow]:
    """What the database knows of these blobs of the repository, by digest."""
    digests = sorted({blob.digest for blob in blobs})
    return {digest: BlobRow(*rest) for digest, *rest in _ROWS.all(tx, (repository_id,), digests)}


async def look(storage: Storage, known: Mapping[str, BlobRow], found: dict[str, str]) -> None:
    """Add to `found` what is wrong with the files of these blobs, by digest. An object store is not asked.

    Whoever stops it, because the store hangs, has what was found until then.
    """
    files = [(digest, row) for digest, row in known.items() if row.held is None] if storage.locks else []
    for digest, row in files[:_MOST_FILES]:
        problem = await _problem(storage, row.key, row.size)
        if problem:
            found[digest] = problem


def damaged(blobs: Sequence[Layer], known: Mapping[str, BlobRow], in_files: Mapping[str, str]) -> list[DamagedBlob]:
    """Those of the blobs that are known to be missing or damaged. in_files: what `look` found."""
    wanted = [blob.digest for blob in blobs if not documents.is_foreign(blob.media_type)]
    found = {digest: MISSING for digest in wanted if digest not in known}
    found |= {digest: OTHER_SIZE for digest, row in known.items() if row.held not in (None, row.size)}
    found |= in_files
    return [DamagedBlob(digest, found[digest]) for digest in dict.fromkeys(wanted) if digest in found]


async def _problem(storage: Storage, key: str, size: int) -> str | None:
    try:
        source = await storage.open(key)
    except KeyMissing:
        return MISSING
    except StorageError:
        return None
    try:
        return None if source.size == size else OTHER_SIZE
    finally:
        source.close()
