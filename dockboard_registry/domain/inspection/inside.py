"""What is inside of an image or an artifact, and what of it is missing: read for its page, in two steps.

`kept` is part of the snapshot that the page is read in. `inside` then asks the store for what the database lacks.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ...db import Database, Tx
from ...storage import Storage
from ..content.patience import within
from . import artifacts, kinds, linked_blobs, stored_blobs
from .artifacts import Artifact
from .manifest_content import ManifestContent
from .stored_blobs import BlobRow, DamagedBlob

# How long a page waits for the store in all.
_SECONDS = 1.0


class Kept(NamedTuple):
    """What the database knows, by digest. bodies: of short files of an artifact that lie there."""

    rows: Mapping[str, BlobRow] = {}
    bodies: Mapping[str, bytes] = {}


class Inside(NamedTuple):
    artifact: Artifact = Artifact()
    damaged: list[DamagedBlob] = []


def kept(tx: Tx, repository_id: int, content: ManifestContent) -> Kept:
    rows = stored_blobs.rows(tx, repository_id, content.blobs())
    wanted = [digest for digest in _wanted(content) if digest in rows]
    return Kept(rows, linked_blobs.in_rows(tx, repository_id, wanted, bytes, artifacts.LONGEST) if wanted else {})


async def inside(db: Database, storage: Storage, content: ManifestContent, kept: Kept) -> Inside:
    """The page does not wait for a store that hangs: what is found in time counts."""
    in_files: dict[str, str] = {}
    bodies = dict(kept.bodies)

    async def look() -> None:
        await stored_blobs.look(storage, kept.rows, in_files)
        await _add_bodies(db, storage, content, kept.rows, bodies)

    await within(_SECONDS, look())
    return Inside(artifacts.read(content, bodies), stored_blobs.damaged(content.blobs(), kept.rows, in_files))


async def _add_bodies(
    db: Database, storage: Storage, content: ManifestContent, rows: Mapping[str, BlobRow], bodies: dict[str, bytes]
) -> None:
    """Add the short files of an artifact that lie in the store."""
    for digest in _wanted(content):
        row = rows.get(digest)
        if digest not in bodies and row is not None and row.size <= artifacts.LONGEST:
            found = await linked_blobs.stored(db, storage, row.key, row.size)
            if found is not None:
                bodies[digest] = found


def _wanted(content: ManifestContent) -> list[str]:
    """Of an image nothing is looked into: its layers are archives."""
    return [] if content.kind == kinds.IMAGE else [blob.digest for blob in artifacts.looked_into(content)]
