"""A pipe by which bytes go from one socket to another within the kernel (splice(2))."""

import contextlib
import fcntl
import functools
import os
import select
import socket

# So many pipes of a worker are long, because fewer system calls take less of the processor (docs/performance.md). All
# pipes of a user may have 64 MiB, unless the user is root. After that the kernel gives short ones.
_FEW, _LONG, _SHORT = 4, 1 << 20, 128 << 10
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class Pipe:
    """size: the bytes that it is meant for. held: those that are in it. into: the descriptor of its entry."""

    _open = 0

    def __init__(self) -> None:
        self._out, self.into = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        Pipe._open += 1
        self.size, self.held = _LONG if Pipe._open <= _FEW else _SHORT, 0
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.into, fcntl.F_SETPIPE_SZ, self.size)

    def give(self, client: int, patience: float) -> int:
        """Move bytes to a socket that does not block, and return their number; 0 if it takes none.

        patience: seconds to wait for the socket. Raises OSError if the connection is broken.
        """
        with contextlib.suppress(BlockingIOError):
            return self._moved(client)
        if patience and _takes_more(client, patience):
            with contextlib.suppress(BlockingIOError):
                return self._moved(client)
        return 0

    def _moved(self, client: int) -> int:
        count = os.splice(self._out, client, self.held, flags=_FLAGS)
        self.held -= count
        return count

    def close(self) -> None:
        Pipe._open -= 1
        os.close(self._out)
        os.close(self.into)


def _takes_more(client: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(client, select.POLLOUT)
    return bool(poll.poll(seconds * 1000))


@functools.cache
def works() -> bool:
    """Whether this system can do it. Some sandboxes cannot."""
    ours, theirs = socket.socketpair()
    with ours, theirs, contextlib.closing(Pipe()) as pipe:
        ours.send(b"x")
        try:
            pipe.held = os.splice(theirs.fileno(), pipe.into, 1, flags=_FLAGS)
            return pipe.give(theirs.fileno(), 0.0) == 1
        except OSError:
            return False
