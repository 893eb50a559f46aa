"""Calls to the file system of a store: in the event loop if that is a local disk, otherwise in threads.

Another file system may wait for a server that does not answer.
"""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from . import StorageError, StorageFailed, StorageFull

_FULL = (errno.ENOSPC, errno.EDQUOT)
# For a file system on the network: how long a short call may take, and how many calls may wait at a time.
_ANSWER_SECONDS, _MOST = 10.0, 256
_SILENT = "the file system does not answer"


def translate(error: OSError) -> StorageError:
    if error.errno in _FULL:
        return StorageFull(os.strerror(error.errno))
    return StorageFailed(os.strerror(error.errno or errno.EIO))


class Calls:
    """The calls of one store. is_local: its file system answers at once and never waits for another machine."""

    def __init__(self, is_local: bool, threads: int):
        self.is_local = is_local
        self.pool = ThreadPoolExecutor(threads, "storage")
        self._free = threading.Semaphore(_MOST)

    async def long(self, fn: Callable, *arguments):
        """Run a long call in a thread. Raises StorageError, and what fn raises."""
        try:
            return await asyncio.wrap_future(self._submit(fn, *arguments))
        except OSError as error:
            raise translate(error) from error

    async def short(self, fn: Callable, *arguments, undo: Callable[..., object] | None = None):
        """Run a short call: in place if the file system is local, because a thread would take longer.

        Raises like `long`, and if there is no answer in time.

        undo: called with an outcome for which nobody waits any more.
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
        waiting.add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )  # read the exception, or asyncio logs late ones
        done, _ = await _wait(waiting, work, undo)
        if not done:
            _when_late(work, undo)
            raise StorageFailed(_SILENT)
        try:
            return waiting.result()
        except OSError as error:
            raise translate(error) from error

    def later(self, fn: Callable, *arguments) -> None:
        """Run a call for whose outcome nobody waits."""
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
    """The caller has gone: cancel work that has not begun, and undo the outcome of work that has."""
    if not work.cancel() and undo is not None:
        work.add_done_callback(lambda done: done.exception() or undo(done.result()))
