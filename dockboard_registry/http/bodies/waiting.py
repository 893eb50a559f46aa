"""How long a thread that moves bytes stays with one client before it gives the transfer back to the event loop.

A client that keeps up is ready again within a fraction of a millisecond. Passing the transfer to the loop and back
costs more than that, because it changes the thread and often the core. But threads are few: when more transfers wait
than there are threads to spare, no thread waits for a client, and each transfer gives way to the others early.
"""

import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 0.02
_SLICE_SECONDS = 0.5
_AT_ONCE = 3
_ENOUGH = 8 << 20
_transfers = 0


class TimeSlice:
    """A transfer's stay in a thread. `moved` counts its bytes. It waits for the socket for at most `seconds`."""

    def __init__(self, seconds: float = 0.0):
        self.seconds = seconds
        self.moved = 0
        self._end = 0.0

    def over(self) -> bool:
        """Whether the thread should go to another transfer. The slice begins with the first call, in the thread."""
        if not self.moved:
            self._end = time.monotonic() + _SLICE_SECONDS
            return False
        return self.moved >= _ENOUGH and _crowded() or time.monotonic() >= self._end

    def retry(self, step: Callable[[], int], file) -> int:
        """step(), and once more if the socket became ready in time.

        Raises BlockingIOError if it did not, and what step raises.
        """
        try:
            return step()
        except BlockingIOError:
            if not self.seconds:
                raise
        poll = select.poll()
        poll.register(file, select.POLLIN)
        poll.poll(self.seconds * 1000)
        return step()


def _crowded() -> bool:
    return _transfers > _AT_ONCE


@contextmanager
def time_slice() -> Iterator[TimeSlice]:
    """Around one stay in a thread, with the wait for a free thread."""
    global _transfers
    _transfers += 1
    try:
        yield TimeSlice(0.0 if _crowded() else SECONDS)
    finally:
        _transfers -= 1
