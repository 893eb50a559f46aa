"""The lock file beside a SQLite database, by which one process writes at a time."""

import contextlib
import fcntl
import os
import threading
import time
from pathlib import Path

from . import DatabaseBusy
from .sqlite_connection import BUSY_MS

_TRUST, _DISTRUST = b"0", b"1"
# Between two looks at a lock that another process has. With longer pauses whoever has just let go takes it again first, again and again.
_PAUSE, _LONGEST_PAUSE = 0.0002, 0.0005


class WriteLock:
    """One writer at a time in all processes, by flock on a file beside the database; the file also notes a log not to be trusted."""

    def __init__(self, path: Path):
        self._file = os.open(f"{path}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        self._threads = threading.Lock()
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
        """Wait for the lock. Raises DatabaseBusy when another process keeps it, as a stopped one does; OSError."""
        deadline, pause = time.monotonic() + BUSY_MS / 1000, _PAUSE
        self._threads.acquire()
        try:
            while True:
                try:
                    return fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise DatabaseBusy("another process keeps the lock of the database") from None
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE)
        except BaseException:
            self._threads.release()
            raise

    def leave(self) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_UN)
        self._threads.release()

    def log_failed(self) -> bool:
        """Did a sync of the log fail, in any process, since it was begun?"""
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
