"""What is inside of an image or an artifact, and what of it is missing: read for its page, in two steps.

`kept` is part of the snapshot that the page is read in. `inside` then asks the store for what the database lacks.
"""

from collections.abc import Mapping
from typing import NamedTuple

from ...db import Database, Tx
from ...storage import Storage
from . import artifacts, kinds, linked_blobs, stored_blobs
from .artifacts import Artifact
from .manifest_content import ManifestContent
from .stored_blobs import BlobRow, DamagedBlob


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
    damaged = await stored_blobs.damaged(storage, content.blobs(), kept.rows)
    bodies = dict(kept.bodies)
    for digest in _wanted(content):
        row = kept.rows.get(digest)
        if digest not in bodies and row is not None and row.size <= artifacts.LONGEST:
            found = await linked_blobs.stored(db, storage, row.key, row.size)
            bodies |= {} if found is None else {digest: found}
    return Inside(artifacts.read(content, bodies), damaged)


def _wanted(content: ManifestContent) -> list[str]:
    """Of an image nothing is looked into: its layers are archives."""
    return [] if content.kind == kinds.IMAGE else [blob.digest for blob in artifacts.looked_into(content)]
