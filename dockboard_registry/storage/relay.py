"""Receives, writes and hashes in a few threads. Each thread takes its piece through all three steps.

So a piece stays in the cache of one processor, and no thread waits because its kind of work is shorter. Any free thread
receives the next piece. Hashing follows the order of pieces, and a thread that waits for its turn has written already.
docs/performance.md has the figures.
"""

import mmap
import threading
from collections.abc import Callable
from concurrent.futures import Executor

_BUFFER = 2 << 20
# Threads besides the first one, so that one can receive while others hash and write. A worker has so many in all.
_HELPERS = 2
_local = threading.local()


class Relay:
    """fill(buffer) gives bytes, 0 at the end. update(bytes), if given, hashes them. claim(count) returns their place,
    and write(bytes, place) writes them there.

    fill, claim and update are called in the order of the bytes, and never twice at a time.
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
        )  # of the piece received last: held until it is hashed, so pieces are hashed in order
        self._over = False
        self._error: BaseException | None = None
        self._total = 0

    def run(self, helpers: Executor) -> int:
        """Do the work here and in free threads of `helpers`, and return the number of bytes.

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
        """Take one piece through. False if there are no more."""
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
    """The thread's own buffer. It is mapped, so only the part that is filled takes memory."""
    if not hasattr(_local, "buffer"):
        _local.buffer = memoryview(mmap.mmap(-1, _BUFFER, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    return _local.buffer
