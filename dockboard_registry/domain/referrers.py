"""Referrers: the manifests of a repository whose subject is a given digest (distribution specification 1.1, "Listing Referrers")."""

import json

from ..db import Database, Tx
from . import repositories

_PAGE_BYTES = 2 << 20
_ALL = (
    "SELECT digest, media_type, size, artifact_type, annotations FROM manifests"
    " WHERE repository_id = ? AND subject = ? AND digest > ? ORDER BY digest LIMIT ?"
)
_OF_TYPE = (
    "SELECT digest, media_type, size, artifact_type, annotations FROM manifests"
    " WHERE repository_id = ? AND subject = ? AND digest > ? AND artifact_type = ? ORDER BY digest LIMIT ?"
)


class Referrers:
    def __init__(self, db: Database):
        self._db = db

    async def list(self, repository: str, subject: str, artifact_type: str | None, after: str, limit: int) -> tuple[list[dict], str | None]:
        """Descriptors with a digest greater than `after`, at most `limit` and 2 MiB, and the digest to go on after, if there are more."""
        rows = await self._db.scan(lambda tx: _query(tx, repository, subject, artifact_type, after, limit + 1))
        found, size = [], 0
        for row in rows[:limit]:
            size += len(row[4] or "")
            if found and size > _PAGE_BYTES:
                break
            found.append(_descriptor(*row))
        more = len(found) < len(rows)
        return found, found[-1]["digest"] if more and found else None


def _query(tx: Tx, repository: str, subject: str, artifact_type: str | None, after: str, limit: int) -> list:
    found = repositories.find(tx, repository)
    if artifact_type is None:
        return tx.all(_ALL, found, subject, after, limit)
    return tx.all(_OF_TYPE, found, subject, after, artifact_type, limit)


def _descriptor(digest: str, media_type: str, size: int, artifact_type: str | None, annotations: str | None) -> dict:
    found = {"mediaType": media_type, "digest": digest, "size": size}
    if artifact_type:
        found["artifactType"] = artifact_type
    if annotations:
        found["annotations"] = json.loads(annotations)
    return found
