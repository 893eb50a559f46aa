"""Receiving, writing and hashing in a few threads, each of which takes its piece through all three steps.

A piece stays with one processor and in its cache, and no thread waits because its kind of work is the shorter one:
receiving goes on piece by piece in whichever thread is free, hashing too and in the same order, and who waits for its
turn at that has written. (docs/performance.md has what it brought.)
"""

import mmap
import threading
from collections.abc import Callable
from concurrent.futures import Executor

_BUFFER = 2 << 20
# Beside the first thread, so that one is there to receive while others hash and write; as many as a worker has for
# this.
_HELPERS = 2
_local = threading.local()


class Relay:
    """fill(buffer) gives bytes, 0 at the end; update(bytes), where there is one, hashes them; claim(count) says where
    they belong, and write(bytes, place) brings them there. fill, claim and update are called in the bytes' order, never
    twice at a time.
    """

    def __init__(
        self,
        fill: Callable,
        update: Callable | None,
        claim: Callable[[int], int],
        write: Callable[[memoryview, int], None],
    ):
        self._fill, self._update, self._claim, self._write = fill, update, claim, write
        self._receiving = threading.Lock()
        self._last = (
            threading.Lock()
        )  # of the piece received last: held until it is hashed, so that pieces are hashed in their order
        self._over = False
        self._error: BaseException | None = None
        self._total = 0

    def run(self, helpers: Executor) -> int:
        """Do the work here and in those threads of `helpers` that are free; returns the number of bytes.

        Raises what claim and write raise.
        """
        beside = [helpers.submit(self._work) for _ in range(_HELPERS)]
        self._work()
        for each in beside:
            if not each.cancel():
                each.result()
        if self._error is not None:
            raise self._error
        return self._total

    def _work(self) -> None:
        try:
            buffer = thread_buffer()
            while self._step(buffer):
                pass
        except BaseException as error:
            self._error, self._over = error, True

    def _step(self, buffer: memoryview) -> bool:
        """Take one piece through; False when there is no more."""
        with self._receiving:
            count = 0 if self._over else self._fill(buffer)
            if not count:
                self._over = True
                return False
            self._total += count
            piece, place = buffer[:count], self._claim(count)
            before, mine = self._last, threading.Lock()
            mine.acquire()
            self._last = mine
        try:
            self._write(piece, place)
            with before:
                if self._update is not None:
                    self._update(piece)
        finally:
            mine.release()
        return True


def thread_buffer() -> memoryview:
    """The thread's own. Mapped, so that of a buffer which is never filled only the beginning takes memory."""
    if not hasattr(_local, "buffer"):
        _local.buffer = memoryview(mmap.mmap(-1, _BUFFER, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    return _local.buffer
