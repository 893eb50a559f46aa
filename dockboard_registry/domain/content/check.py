"""Checks that database and store agree: every row has its bytes with their digest, every manifest its blobs and
children.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from ...db import Database, Tx
from ...names import algorithm_of, digest_of
from ...storage import KeyMissing, Storage, StorageError
from . import references
from .small_blobs import digest_of_source, open_source

_BODY = "SELECT body FROM manifests WHERE repository_id = ? AND digest = ?"
_AT_ONCE = 4

_MISSING = {
    "tag without manifest": (
        "SELECT repositories.name, tags.name FROM tags JOIN repositories ON repositories.id = tags.repository_id WHERE"
        " NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.repository_id = tags.repository_id AND manifests.digest ="
        " tags.digest)"
    ),
    **references.BROKEN,
}


# The store may answer again. Every other problem of a blob stays.
UNREADABLE = "blob unreadable"


class Problem(NamedTuple):
    """kind: what is wrong. object: the repository, tag or digest. detail: more words."""

    kind: str
    object: str
    detail: str


class CheckReport(NamedTuple):
    """Numbers of blobs and manifests checked, bytes read, and everything that is wrong."""

    blobs: int
    manifests: int
    bytes: int
    problems: list[Problem]


class Checker:
    def __init__(self, db: Database, storage: Storage):
        self._db = db
        self._examiner = Examiner(db, storage)

    async def run(self, progress: Callable[[int, int], None]) -> CheckReport:
        """Read everything once; progress(done, total) counts blobs. Safe beside a running server."""
        problems = [problem for kind in _MISSING for problem in await self._missing(kind)]
        manifests = await self._manifests(problems)
        rows = await self._db.scan(lambda tx: tx.all("SELECT digest, storage_key, size FROM blobs ORDER BY digest"))
        waiting, done = iter(rows), 0

        async def consume() -> None:
            nonlocal done
            for digest, key, size in waiting:
                problems.extend(await self._examiner.examine(key, digest, size))
                done += 1
                progress(done, len(rows))

        await asyncio.gather(*(consume() for _ in range(_AT_ONCE)))
        return CheckReport(len(rows), manifests, self._examiner.bytes, problems)

    async def _missing(self, kind: str) -> list[Problem]:
        rows = await self._db.scan(lambda tx: tx.all(_MISSING[kind]))
        return [Problem(kind, row[0], " ".join(row[1:])) for row in rows]

    async def _manifests(self, problems: list[Problem]) -> int:
        count, after = 0, (0, "")
        while True:
            rows = await self._db.scan(lambda tx: _page(tx, *after))
            for repository_id, digest, body in rows:
                count += 1
                if body is None:
                    (body,) = await self._db.read(lambda tx: tx.one(_BODY, repository_id, digest)) or (None,)
                if body is not None and digest_of(algorithm_of(digest), body) != digest:
                    problems.append(Problem("manifest with other bytes", digest, "the stored body has another digest"))
            if not rows:
                return count
            after = rows[-1][:2]


class Examiner:
    """Looks at the stored bytes of single blobs. bytes: how many it has read."""

    def __init__(self, db: Database, storage: Storage):
        self._db, self._storage = db, storage
        self.bytes = 0

    async def examine(self, key: str, digest: str, size: int, read: bool = True) -> list[Problem]:
        """What is wrong with a blob, unless it has other bytes by now or none. read: compare the digest too."""
        problem = await self._problem(key, digest, size, read)
        if problem is None:
            return []
        row = await self._db.read(lambda tx: tx.one("SELECT storage_key FROM blobs WHERE digest = ?", digest))
        return [problem] if row and row[0] == key else []

    async def _problem(self, key: str, digest: str, size: int, read: bool) -> Problem | None:
        try:
            source = await open_source(self._db, self._storage, key, size)
        except KeyMissing:
            return Problem("blob without bytes", digest, "the store has nothing under its key")
        except StorageError as error:
            return Problem(UNREADABLE, digest, str(error))
        try:
            if source.size != size:
                return Problem(
                    "blob of other size", digest, f"{source.size} bytes in the store, {size} in the database"
                )
            found = await digest_of_source(source, algorithm_of(digest)) if read else digest
            self.bytes += size if read else 0
        except StorageError as error:
            return Problem(UNREADABLE, digest, str(error))
        finally:
            source.close()
        return (
            None
            if found == digest
            else Problem("blob with other bytes", digest, "the stored bytes have another digest")
        )


def _page(tx: Tx, repository_id: int, digest: str) -> list:
    """The next manifests. Bodies of long ones are left out and read one at a time."""
    return tx.all(
        "SELECT repository_id, digest, CASE WHEN size <= 16384 THEN body END FROM manifests WHERE repository_id > ? OR"
        " (repository_id = ? AND digest > ?) ORDER BY repository_id, digest LIMIT 100",
        repository_id,
        repository_id,
        digest,
    )
