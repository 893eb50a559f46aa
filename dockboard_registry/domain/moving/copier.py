"""Copies the bytes of blobs to another store, several at once, and verifies the digest of each on its way.

Servers go on meanwhile, and so does their collector. What they push is found by the next pass: a pass copies all blobs
that are not noted as copied (notes.py). Before the first one, the list of the other store is compared with the
database. What is not there after all is copied again, and what no blob needs any more is deleted there.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import NamedTuple

from ...db import Database
from ...errors import StartError
from ...names import algorithm_of
from ...storage import KeyMissing, Saved, Source, Storage, StorageError, StorageFailed, Upload
from ..content.check import UNREADABLE, Examiner, Problem
from ..content.small_blobs import LIMIT
from ..content.stored_blobs import IN_STORE, StoredBlob, blobs_of, side_by_side
from ..garbage.strays import unnamed
from . import notes
from .notes import CopyRun

_IS_NEW = "NOT EXISTS (SELECT 1 FROM copied_keys WHERE copied_keys.storage_key = blobs.storage_key)"
_LEFT = (
    f"SELECT storage_key, digest, size FROM blobs WHERE storage_key > ? AND {IN_STORE} AND {_IS_NEW}"
    " ORDER BY storage_key LIMIT ?"
)
_SUM = f"SELECT COUNT(*), COALESCE(SUM(size), 0) FROM blobs WHERE {IN_STORE} AND {_IS_NEW}"
_PIECE = 1 << 20
# What a run copies before it notes it: keys, bytes and seconds at most. A run that is killed copies so much again.
_NOTED_KEYS, _NOTED_BYTES, _NOTED_SECONDS = 100, 64 << 20, 2.0
# Blobs that cannot be read. With more of them the store has failed, not single blobs.
_MOST_PROBLEMS = 100
_PAGE = 1000


class Left(NamedTuple):
    """What a pass would copy."""

    blobs: int
    bytes: int


# What may be left for the last step, in which pushes wait.
_PASSES, _FEW = 8, Left(500, 256 << 20)


class Copier:
    """at_once: how many blobs. progress(done, total): bytes of all passes.

    problems: blobs that the source does not have with their digests. blobs, bytes: what was copied.
    """

    def __init__(
        self,
        db: Database,
        source: Storage,
        target: Storage,
        run: CopyRun,
        at_once: int,
        progress: Callable[[int, int], None],
    ):
        self._db, self._source, self._target, self._run = db, source, target, run
        self._at_once, self._progress = at_once, progress
        self._examiner = Examiner(db, source)
        self.problems: dict[str, Problem] = {}
        self.blobs = self.bytes = 0
        self._done = self._total = 0
        self._doubtful = False
        self._unnoted: list[StoredBlob] = []
        self._noted_at = time.monotonic()

    async def left(self) -> Left:
        """What is still to be copied, with the blobs that cannot be."""
        count, size = await self._db.scan(lambda tx: tx.one(_SUM, LIMIT), long=True)
        return Left(count, int(size))

    async def is_complete(self) -> bool:
        """Whether the last pass has copied all blobs but for those with problems."""
        return not self._doubtful or all([blob.key in self.problems async for blob in blobs_of(self._db, _LEFT)])

    async def compare(self) -> None:
        """Compare the list of the other store with the blobs."""
        wrong: list[str] = []
        needless: list[str] = []
        async for blob, stored in side_by_side(self._db, self._target):
            if blob is None or (stored is not None and stored.size is None):
                needless.append(stored.key)  # or part of an upload, which a killed run has left
            if blob is not None and (stored is None or stored.size != blob.size):
                wrong.append(blob.key)
            if len(wrong) == _PAGE or len(needless) == _PAGE:
                await self._correct(wrong, needless)
                wrong, needless = [], []
        await self._correct(wrong, needless)

    async def _correct(self, wrong: list[str], needless: list[str]) -> None:
        """wrong: keys that the other store does not have in full. needless: those that can be deleted there."""
        await notes.remove(self._db, self._run, wrong)
        # A blob that was pushed since the list of blobs was read is not needless.
        gone = await unnamed(self._db, needless)
        # A later run may have copied these keys since they were listed.
        await notes.require(self._db, self._run)
        await self._target.delete(sorted({*gone, *(set(needless) & set(wrong))}))

    async def forget(self) -> None:
        """After the hand-over: forget what was noted. Blobs that were collected after they were copied go too."""
        try:
            while keys := await notes.some(self._db):
                await self._target.delete(await unnamed(self._db, keys))
                await notes.forget(self._db, keys)
        except StorageError:
            await notes.forget_all(self._db)  # servers look for strays once a day

    async def copy_most(self) -> None:
        """Passes until few blobs are left, or until servers push as fast as this copies."""
        left = await self.left()
        for _ in range(_PASSES):
            self._total = self._done + left.bytes
            await self.copy()
            left = await self.left()
            if left.blobs - len(self.problems) < _FEW.blobs and left.bytes < _FEW.bytes:
                return

    async def copy(self) -> None:
        """One pass. Blobs that the source did not give for a moment are tried again.

        Raises StorageError if the other store fails, StartError if the source does or if a later run has begun.
        """
        self._doubtful = False
        self.problems = {key: problem for key, problem in self.problems.items() if problem.kind != UNREADABLE}
        turn, blobs = asyncio.Lock(), blobs_of(self._db, _LEFT)

        async def following() -> StoredBlob | None:
            async with turn:
                return await anext(blobs, None)

        async def work() -> None:
            while (blob := await following()) is not None:
                if blob.key not in self.problems:
                    await self._take(blob)

        await asyncio.gather(*(work() for _ in range(self._at_once)))
        await self._note()

    async def _take(self, blob: StoredBlob) -> None:
        if await self._is_there(blob) or await self._copied(blob):
            self._unnoted.append(blob)
        since = time.monotonic() - self._noted_at
        much = sum(each.size for each in self._unnoted) >= _NOTED_BYTES
        if much or len(self._unnoted) >= _NOTED_KEYS or since > _NOTED_SECONDS:
            await self._note()

    async def _note(self) -> None:
        blobs, self._unnoted, self._noted_at = self._unnoted, [], time.monotonic()
        await notes.add(self._db, self._run, blobs)

    async def _is_there(self, blob: StoredBlob) -> bool:
        """Whether a directory has the bytes already, of an earlier move or a run that was killed. Then they are synced.

        Somebody may still read them, so they are not written again.
        """
        if not self._target.locks:
            return False
        try:
            source = await self._target.open(blob.key)
        except KeyMissing:
            return False
        size = source.size
        source.close()
        if size != blob.size:
            return False
        upload, hasher = self._target.resume(blob.key, Saved(), size), hashlib.new(algorithm_of(blob.digest))
        await upload.hold()
        try:
            await upload.hash(hasher)
            if not _fits(hasher, blob):
                return False
            await upload.commit()
            self._step(size)
            return True
        finally:
            await upload.release()

    async def _copied(self, blob: StoredBlob) -> bool:
        """False if the source does not have the blob with its digest, or nobody needs it any more."""
        try:
            source = await self._source.open(blob.key)
        except StorageError:
            return await self._failed(blob)
        try:
            return await self._copy_from(source, blob) or await self._failed(blob)
        finally:
            source.close()

    async def _copy_from(self, source: Source, blob: StoredBlob) -> bool:
        upload = self._target.resume(blob.key, Saved(), 0)
        await upload.hold()
        try:
            whole = source.size == blob.size and await self._send(source, upload, blob)
            await (upload.commit if whole else upload.abort)()
        finally:
            await upload.release()
        self.blobs += whole
        self.bytes += blob.size if whole else 0
        return whole

    async def _send(self, source: Source, upload: Upload, blob: StoredBlob) -> bool:
        """Whether these are the blob's bytes."""
        hasher, at = hashlib.new(algorithm_of(blob.digest)), 0
        if not blob.size:
            await upload.write(b"", hasher)
        while at < blob.size:
            try:
                piece = await source.read(at, min(_PIECE, blob.size - at))
            except StorageFailed:
                return False
            if not piece:
                return False
            await upload.write(piece, hasher)
            at += len(piece)
            self._step(len(piece))
        return _fits(hasher, blob)

    async def _failed(self, blob: StoredBlob) -> bool:
        """Note what is wrong with the blob, if it still is there."""
        found = await self._examiner.examine(*blob)
        self._doubtful = self._doubtful or not found  # its row has gone, or it can be read again
        for problem in found:
            self.problems[blob.key] = problem
        if len(self.problems) > _MOST_PROBLEMS:
            last = list(self.problems.values())[-1]
            raise StartError(f"more than {_MOST_PROBLEMS} blobs can't be read, the last one: {last.detail}")
        return False

    def _step(self, count: int) -> None:
        self._done += count
        self._total = max(self._total, self._done)
        self._progress(self._done, self._total)


def _fits(hasher: "hashlib._Hash", blob: StoredBlob) -> bool:
    return f"{algorithm_of(blob.digest)}:{hasher.hexdigest()}" == blob.digest
