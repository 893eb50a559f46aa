"""How often repositories and tags are pulled.

A pull is a GET of a manifest. By tag it counts for the tag and the repository, by digest for the repository. A worker
counts in memory and writes the sums once a minute and at its end. So a pull costs no write. What a worker has counted
since its last write is lost if it is killed.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby, islice

from ...db import Database, DatabaseBusy, DatabaseFailed, DatabaseFull, OutcomeUnknown, Tx, now
from ..content import repositories
from . import counting
from .later import Later

_SECONDS = 60.0
# Tags and repositories that are counted at the same time. Others are not counted until the next write.
MOST = 50_000
# Tags and repositories in one transaction.
_TOGETHER = 100
_ROW_BYTES = 100
_TAG = "UPDATE tags SET pulls = COALESCE(pulls, 0) + ?, pulled_at = ? WHERE repository_id = ? AND name = ?"

# Repository and tag; None: by digest.
Key = tuple[str, str | None]


class PullCounts:
    def __init__(self, db: Database):
        self._db = db
        self._counts: dict[Key, int] = {}
        self._saving = Later("pull counts", _SECONDS, self.save)

    def count(self, repository: str, tag: str | None) -> None:
        """Somebody got a manifest that exists."""
        key = repository, tag
        known = self._counts.get(key)
        if known is not None:
            self._counts[key] = known + 1
        elif len(self._counts) < MOST:
            self._counts[key] = 1
            self._saving.ask()

    async def save(self) -> None:
        """Write the sums. What cannot be written is kept for the next time."""
        counted, self._counts = self._counts, {}
        ordered = iter(sorted(counted.items(), key=lambda item: (item[0][0], item[0][1] or "")))
        while part := list(islice(ordered, _TOGETHER)):
            try:
                await self._add(part)
            except OutcomeUnknown:
                pass  # perhaps they were written; no pull is counted twice
            except (DatabaseBusy, DatabaseFull, DatabaseFailed):
                self._put_back([*part, *ordered])

    async def finish(self) -> None:
        """Write what is left. A failure loses it."""
        await self._saving.finish()

    async def _add(self, part: Sequence[tuple[Key, int]]) -> None:
        at = now()
        await self._db.write(lambda tx: _add(tx, part, at), durable=False, brings=_ROW_BYTES * len(part), long=True)

    def _put_back(self, items: Iterable[tuple[Key, int]]) -> None:
        for key, count in items:
            if key in self._counts or len(self._counts) < MOST:
                self._counts[key] = self._counts.get(key, 0) + count
        self._saving.ask()


def _add(tx: Tx, part: Sequence[tuple[Key, int]], at: int) -> None:
    """part: sorted by repository. What was deleted meanwhile is left out."""
    for name, items in groupby(part, lambda item: item[0][0]):
        repository_id = repositories.find(tx, name)
        if repository_id is None:
            continue
        counts = [(tag, count) for (_, tag), count in items]
        counting.add_pulls(tx, repository_id, name, sum(count for _, count in counts), at)
        for tag, count in counts:
            if tag is not None:
                tx.run(_TAG, count, at, repository_id, tag)
