"""Room for a SQLite database on its disk: which changes may still make it grow, and what to do when the disk is full.

A change takes room twice: in the log at once, and in the database when the log is copied there. Free pages of the
database, and a log whose content was copied, are reused before either file grows. A spare file reserves room for
changes that free room, and for those that must not fail.
"""

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from ...disk import Disk, SpareFile

_SPARE_FOR_LOG = 8 << 20
# Bytes that a change writes into the log in addition to its own: the pages that it touches.
_LOG_BESIDE = 64 << 10
_MARGIN = 1 << 20
_LOOK_SECONDS = 0.1
_COMPACT_LEAST, _COMPACT_MOST = 1 << 20, 64 << 20


def spare_file(path: Path) -> SpareFile:
    return SpareFile(f"{path}.spare")


class Room:
    """reserve: as storage.reserve; None for commands, which are never refused."""

    def __init__(self, path: Path, reserve: int | None):
        self._path = path
        self._asks = reserve is not None
        self._disk = Disk(path.parent, reserve if reserve is not None else -1)
        self._spare = spare_file(path)
        self._released = False
        self._looked, self._seen = 0.0, 0

    def set_aside(self) -> None:
        """Make the spare file, where there is room for it beyond the reserve. Raises OSError."""
        size = self._disk.spare_size()
        if not self._spare.exists() and self._disk.left() > 2 * size:
            self._spare.make(size)
        self._released = not self._spare.exists()

    def is_small(self) -> bool:
        """Whether the spare file is smaller than the growth of the database when 1,000 pages of the log are copied into
        it.
        """
        try:
            return self._disk.spare_size() < _SPARE_FOR_LOG
        except OSError:
            return False

    def is_plenty(self, brings: int) -> bool:
        """Whether so many bytes fit for sure. For the event loop: it asks the system at most ten times a second."""
        if not self._asks or not brings:
            return True
        at = time.monotonic()
        if at - self._looked > _LOOK_SECONDS:
            try:
                self._looked, self._seen = at, self._beyond_the_log()
            except OSError:
                return False
        self._seen -= _taken(brings)
        return self._seen > _MARGIN

    def refused(self, connection: sqlite3.Connection, sizes: list[int]) -> list[bool]:
        """Which of the changes that bring so many bytes do not fit.

        For whoever has the write lock, outside of a transaction.
        """
        if not self._asks or not any(sizes):
            return [False] * len(sizes)
        left = self._beyond_the_log() - sum(map(_taken, sizes))
        if left < _MARGIN:
            return self._refused(connection, sizes)
        if self._released and left > _COMPACT_MOST:
            self.set_aside()
        return [False] * len(sizes)

    def _refused(self, connection: sqlite3.Connection, sizes: list[int]) -> list[bool]:
        """A change fits if it needs no more of the disk, or leaves the reserve free."""
        log, growing, pages = _usable(connection, self._path)
        left, refused = self._disk.left() - growing, []
        for size in sizes:
            logged = size + _LOG_BESIDE
            need = max(0, logged - log) + max(0, size - pages)
            fits = not size or not need or need <= left
            if fits and size:
                left, log, pages = left - need, max(0, log - logged), max(0, pages - size)
            refused.append(not fits)
        return refused

    def _beyond_the_log(self) -> int:
        """Free bytes, less the reserve and the growth of the database when the log is copied into it."""
        return self._disk.left() - _size(f"{self._path}-wal")

    def release(self, connection: sqlite3.Connection) -> None:
        """Delete the spare file, and copy the log into the database, so that the next writes reuse the log from its
        beginning.
        """
        self._released = self._spare.release() or self._released
        with contextlib.suppress(sqlite3.Error):  # if even this finds no room, the log has some now
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def compact(self, connection: sqlite3.Connection) -> None:
        """Give the database's free pages back to a disk that is nearly full, and make the spare file again.

        For whoever has the write lock.

        The new database is built in memory and written through the log, so it must not be large.
        """
        if self._beyond_the_log() < self._disk.spare_size() + _MARGIN:
            try:
                self._compact(connection)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
                    raise
                self.release(connection)
        if not self._spare.exists():
            self.set_aside()

    def _compact(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        kept, free = _used(connection)
        if free >= max(_COMPACT_LEAST, kept // 4) and kept <= min(
            _COMPACT_MOST, _free(self._path.parent) - _LOG_BESIDE
        ):
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _taken(size: int) -> int:
    return 2 * size + _LOG_BESIDE if size else 0


def _usable(connection: sqlite3.Connection, path: Path) -> tuple[int, int, int]:
    """Bytes of the log that can be reused, bytes by which the database will still grow, and bytes that are free inside
    it.
    """
    busy, logged, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    log = _size(f"{path}-wal") if not busy and logged == copied else 0
    kept, free = _used(connection)
    return log, max(0, kept + free - _size(path)), free


def _used(connection: sqlite3.Connection) -> tuple[int, int]:
    """Used and free bytes of the database."""
    questions = "PRAGMA page_size", "PRAGMA page_count", "PRAGMA freelist_count"
    page, pages, free = (connection.execute(question).fetchone()[0] for question in questions)
    return (pages - free) * page, free * page


def _size(path: str | Path) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def is_full(folder: Path) -> bool:
    """Whether there is no room for the files that a connection needs beside the database."""
    try:
        return _free(folder) < _LOG_BESIDE
    except OSError:
        return False


def _free(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
