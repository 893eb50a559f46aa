"""How long a thread that moves bytes waits for a client before it gives the wait back to the event loop.

A client that keeps up is ready again within a fraction of a millisecond, and a turn through the loop costs more than that. Threads
are few, though: when more transfers wait than there are threads to spare, none of them waits in a thread.
"""

import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_MILLISECONDS = 20
_AT_ONCE = 3
_waiting = 0


@contextmanager
def waiting() -> Iterator[int]:
    """Around one burst of a transfer: the milliseconds that its thread may wait."""
    global _waiting
    _waiting += 1
    try:
        yield _MILLISECONDS if _waiting <= _AT_ONCE else 0
    finally:
        _waiting -= 1


def retry(step: Callable[[], int], file, event: int, milliseconds: int) -> int:
    """step(), and once more when the socket became ready in time. Raises BlockingIOError where it did not, and what step raises."""
    try:
        return step()
    except BlockingIOError:
        if not milliseconds:
            raise
    poll = select.poll()
    poll.register(file, event)
    poll.poll(milliseconds)
    return step()
