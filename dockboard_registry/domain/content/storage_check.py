"""Compares the rows of blobs with the keys of the store: what is missing, of another size, or named by no row.

It costs a few requests to the store for each 1,000 keys. Bytes are read only if that is wanted.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from ...db import Database, now
from ...storage import Storage, Stored
from ..garbage.strays import unnamed
from .check import Examiner, Problem
from .stored_blobs import StoredBlob, side_by_side, total

_AT_ONCE, _PAGE = 4, 1000
# Problems that a report names. The others are counted.
_MOST = 1000


class StorageReport(NamedTuple):
    """Numbers of blobs and keys compared, of bytes read, of keys without a row that are too young to judge, and of
    problems found. problems: the first 1,000 of them.
    """

    blobs: int
    keys: int
    bytes: int
    young: int
    found: int
    problems: list[Problem]


class StorageChecker:
    """youth: seconds for which a key without a row may belong to a push or a deletion under way."""

    def __init__(self, db: Database, storage: Storage, youth: float):
        self._db, self._storage, self._youth = db, storage, int(youth * 1000)
        self._examiner = Examiner(db, storage)
        self._blobs = self._keys = self._young = self._found = 0
        self._problems: list[Problem] = []

    async def run(self, progress: Callable[[int, int], None], read: bool = False) -> StorageReport:
        """Compare once; progress(done, total) counts blobs. read: verify the bytes of each blob too.

        Safe beside a running server.
        """
        (blobs, _), turn, suspects = await total(self._db), asyncio.Lock(), self._suspects(read)

        async def following() -> StoredBlob | None:
            async with turn:
                return await anext(suspects, None)

        async def examine() -> None:
            while (blob := await following()) is not None:
                self._note(await self._examiner.examine(*blob, read))
                progress(min(self._blobs, blobs), blobs)

        await asyncio.gather(*(examine() for _ in range(_AT_ONCE)))
        return StorageReport(self._blobs, self._keys, self._examiner.bytes, self._young, self._found, self._problems)

    def _note(self, problems: list[Problem]) -> None:
        self._found += len(problems)
        self._problems += problems[: _MOST - len(self._problems)]

    async def _suspects(self, read: bool) -> AsyncIterator[StoredBlob]:
        """The blobs to look at one by one. Keys without a row are looked up a page at a time."""
        extra: list[Stored] = []
        async for blob, stored in side_by_side(self._db, self._storage):
            self._blobs += blob is not None
            self._keys += stored is not None
            if blob is None:
                extra.append(stored)
            elif read or stored is None or stored.size != blob.size:
                yield blob
            if len(extra) == _PAGE:
                await self._look_up(extra)
                extra = []
        await self._look_up(extra)

    async def _look_up(self, extra: list[Stored]) -> None:
        cutoff = now() - self._youth
        strays = set(await unnamed(self._db, [each.key for each in extra]))
        for each in extra:
            if each.key in strays and each.written_at > cutoff:
                self._young += 1
            elif each.key in strays:
                self._note([Problem("bytes without a blob", each.key, "no row names this key; gc removes it")])
