"""The lock file beside a SQLite database, by which one process writes at a time, and the order in which processes get
it.
"""

import contextlib
import fcntl
import os
import threading
import time
from pathlib import Path

from ...private_files import open_own
from .. import DatabaseBusy
from .connection import BUSY_MS

_BUSY_SECONDS = BUSY_MS / 1000
_TRUST, _DISTRUST = b"0", b"1"
# Pause between two tries for the lock. With a longer pause the process that has just released the lock gets it again,
# again and again.
_PAUSE, _LONGEST_PAUSE = 0.0002, 0.0005
# After waiting so long a process skips the queue, and does not use it again for a while: the process before it may be
# stopped.
_TURN_SECONDS, _NO_TURN_SECONDS = 0.5, 10.0


class WriteLock:
    """One writer at a time in all processes, by flock on a file beside the database; the file also notes a log not to
    be trusted.
    """

    def __init__(self, path: Path):
        self._file = open_own(f"{path}.lock")
        self._threads = threading.Lock()
        self._line = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._in_line_from = 0.0
        self._failed = False

    def try_now(self) -> bool:
        """Take the lock if nobody has it and the log is sound."""
        if not self._threads.acquire(blocking=False):
            return False
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._threads.release()
            return False
        if self.log_failed():
            self.leave()
            return False
        return True

    def take(self) -> None:
        """Wait for the lock. Raises DatabaseBusy when another process keeps it, as a stopped one does; OSError.

        One process at a time waits for the lock, and the others wait for that place. So a process that has just
        released the lock is not the next one.
        """
        self._threads.acquire()
        in_line = False
        try:
            in_line = self._wait_in_line()
            if not _wait(self._file, _BUSY_SECONDS):
                raise DatabaseBusy("another process keeps the lock of the database")
        except BaseException:
            self._threads.release()
            raise
        finally:
            if in_line:
                fcntl.flock(self._line, fcntl.LOCK_UN)

    def _wait_in_line(self) -> bool:
        """Whether it is this process's turn. Some file systems have no locks on directories."""
        now = time.monotonic()
        if now < self._in_line_from:
            return False
        with contextlib.suppress(OSError):
            if _wait(self._line, _TURN_SECONDS):
                return True
        self._in_line_from = now + _NO_TURN_SECONDS
        return False

    def leave(self) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def log_failed(self) -> bool:
        """Whether a sync of the current log has failed, in any process."""
        try:
            return self._failed or os.pread(self._file, 1, 0) == _DISTRUST
        except OSError:
            return True

    def note(self, failed: bool) -> None:
        self._failed = failed
        with contextlib.suppress(OSError):
            os.pwrite(self._file, _DISTRUST if failed else _TRUST, 0)

    def close(self) -> None:
        os.close(self._file)
        os.close(self._line)


def _wait(descriptor: int, seconds: float) -> bool:
    """Whether this process got the lock of the file within that time. Raises OSError."""
    deadline, pause = time.monotonic() + seconds, _PAUSE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
