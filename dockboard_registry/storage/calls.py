"""Calls to the file system of a store: in the event loop where that is a disk of this machine, else in threads, which a server that does not answer may hold."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from . import StorageError, StorageFailed, StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Of a file system on the network: how long a short call may take, and how many calls may wait at a time.
_ANSWER_SECONDS, _MOST = 10.0, 256
_SILENT = "the file system does not answer"


def translate(error: OSError) -> StorageError:
    if error.errno in _FULL:
        return StorageFull(os.strerror(error.errno))
    return StorageFailed(os.strerror(error.errno or errno.EIO))


class Calls:
    """One store's. is_local: its file system answers at once, and never waits for another machine."""

    def __init__(self, is_local: bool, threads: int):
        self.is_local = is_local
        self.pool = ThreadPoolExecutor(threads, "storage")
        self._free = threading.Semaphore(_MOST)

    async def long(self, fn: Callable, *arguments):
        """What takes its time, in a thread. Raises StorageError, and what fn raises."""
        try:
            return await asyncio.wrap_future(self._submit(fn, *arguments))
        except OSError as error:
            raise translate(error) from error

    async def short(self, fn: Callable, *arguments, undo: Callable[..., object] | None = None):
        """What takes less than a way through a thread, where the file system is local. Raises as `long` does, and where there is no answer in time.

        undo: what to do with an outcome that comes when nobody waits for it any more.
        """
        if not self.is_local:
            return await self._answered(self._submit(fn, *arguments), undo)
        try:
            return fn(*arguments)
        except OSError as error:
            raise translate(error) from error

    def _submit(self, fn: Callable, *arguments) -> Future:
        if self.is_local:
            return self.pool.submit(fn, *arguments)
        if not self._free.acquire(blocking=False):
            raise StorageFailed(f"{_SILENT}, and too many calls wait for it")
        work = self.pool.submit(fn, *arguments)
        work.add_done_callback(lambda _: self._free.release())
        return work

    async def _answered(self, work: Future, undo: Callable[..., object] | None):
        waiting = asyncio.wrap_future(work)
        waiting.add_done_callback(lambda done: done.cancelled() or done.exception())  # asked for, or else asyncio complains of what comes late
        done, _ = await _wait(waiting, work, undo)
        if not done:
            _when_late(work, undo)
            raise StorageFailed(_SILENT)
        try:
            return waiting.result()
        except OSError as error:
            raise translate(error) from error

    def later(self, fn: Callable, *arguments) -> None:
        """What nobody waits for."""
        if self.is_local:
            fn(*arguments)
        else:
            self.pool.submit(fn, *arguments)

    def close(self) -> None:
        self.pool.shutdown()


async def _wait(waiting: asyncio.Future, work: Future, undo: Callable[..., object] | None):
    try:
        return await asyncio.wait([waiting], timeout=_ANSWER_SECONDS)
    except BaseException:
        _when_late(work, undo)
        raise


def _when_late(work: Future, undo: Callable[..., object] | None) -> None:
    """Whoever asked has gone: work that has not begun is given up, and the outcome of what has is undone."""
    if not work.cancel() and undo is not None:
        work.add_done_callback(lambda done: done.exception() or undo(done.result()))
