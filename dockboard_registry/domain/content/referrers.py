"""Referrers: the manifests of a repository whose subject is a given digest (distribution specification 1.1, "Listing
Referrers").

A page is bounded in three ways: the descriptors on it, the bytes that are read for it, and the rows that are looked at.
Annotations may be as long as a manifest; long ones are read one manifest at a time, from its body (see manifests.py).
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

from ...db import Database, Tx
from . import documents, repositories

# Clients read as much as a manifest may have, 4 MiB. A descriptor without its annotations has 1 KiB at most.
_PAGE_BYTES, _DESCRIPTOR_BYTES = 4 << 20, 1 << 10
_ROWS, _LOOKED_AT = 100, 10_000
# The annotations of a short manifest are short, whichever version stored them.
_SHORT_MANIFEST = "manifests.size <= 16384"
_NEXT = (
    f"SELECT digest, media_type, size, artifact_type, CASE WHEN {_SHORT_MANIFEST} THEN annotations END,"
    f" {_SHORT_MANIFEST} FROM manifests WHERE repository_id = ? AND subject = ? AND digest > ? ORDER BY digest LIMIT ?"
)
_ANNOTATIONS = "SELECT annotations FROM manifests WHERE repository_id = ? AND digest = ?"
_BODY = "SELECT body FROM manifests WHERE repository_id = ? AND digest = ?"
# The column has this in place of annotations that are too long for it. The version before reads it as none.
IN_BODY = ""


class _Row(NamedTuple):
    """complete: `annotations` has the column's value; otherwise the column has not been read yet."""

    digest: str
    media_type: str
    size: int
    artifact_type: str | None
    annotations: str | None
    complete: int


class Referrers:
    def __init__(self, db: Database):
        self._db = db

    async def list(
        self, repository: str, subject: str, artifact_type: str | None, after: str, limit: int
    ) -> tuple[list[dict], str | None]:
        """Descriptors with a digest greater than `after`, and the digest after which to go on, if there may be more.

        There are at most `limit` of them, and at most 4 MiB are read for all but the first.
        """
        return await self._db.scan(
            lambda tx: _page(tx, repositories.find(tx, repository), subject, artifact_type, after, limit)
        )


def _page(
    tx: Tx, repository_id: int | None, subject: str, artifact_type: str | None, after: str, limit: int
) -> tuple[list[dict], str | None]:
    found: list[dict] = []
    read = looked_at = 0
    for row in _rows(tx, repository_id, subject, after):
        looked_at += 1
        if artifact_type in (None, row.artifact_type):
            if len(found) == limit:
                return found, found[-1]["digest"]
            annotations, size = _annotations(tx, repository_id, row, _PAGE_BYTES - read if found else None)
            read += size + _DESCRIPTOR_BYTES
            if found and read > _PAGE_BYTES:
                return found, found[-1]["digest"]
            found.append(_descriptor(row, annotations))
        if looked_at == _LOOKED_AT:
            return found, row.digest
    return found, None


def _rows(tx: Tx, repository_id: int | None, subject: str, after: str) -> Iterator[_Row]:
    """All of them, some at a time."""
    while True:
        rows = [_Row(*row) for row in tx.all(_NEXT, repository_id, subject, after, _ROWS)]
        yield from rows
        if len(rows) < _ROWS:
            return
        after = rows[-1].digest


def _annotations(tx: Tx, repository_id: int, row: _Row, room: int | None) -> tuple[dict | None, int]:
    """The annotations, and how many bytes were read for them.

    room: no more bytes than this are read; if they do not suffice, the annotations stay unknown.
    """
    text = row.annotations if row.complete else tx.one(_ANNOTATIONS, repository_id, row.digest)[0]
    if text is None:
        return None, 0
    if text != IN_BODY:
        return json.loads(text), len(text)
    if room is not None and row.size > room:
        return None, row.size
    (body,) = tx.one(_BODY, repository_id, row.digest)
    return documents.annotations(json.loads(body)), row.size


def _descriptor(row: _Row, annotations: dict | None) -> dict:
    found = {"mediaType": row.media_type, "digest": row.digest, "size": row.size}
    if row.artifact_type:
        found["artifactType"] = row.artifact_type
    if annotations:
        found["annotations"] = annotations
    return found
