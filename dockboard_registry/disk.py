"""What is free on the file system of a directory, and a file that keeps room there for the time when nothing else is free."""

import contextlib
import os

from .private_files import open_own

_RESERVE_SHARE, _RESERVE_MOST = 0.05, 1 << 30
# A spare file has a 64th of the disk within these bounds, and never more than a 16th.
_SPARE_PART, _SPARE_LEAST, _SPARE_MOST, _SPARE_SHARE = 64, 1 << 20, 16 << 20, 16


class Disk:
    """The file system of a directory. reserve: bytes that what grows leaves free; negative means 5 %, but at most 1 GiB."""

    def __init__(self, folder: str | os.PathLike, reserve: int):
        self._folder = folder
        self._reserve = reserve

    def left(self) -> int:
        """Bytes that are free beyond the reserve; negative where less than the reserve is free. Raises OSError."""
        found = os.statvfs(self._folder)
        reserve = self._reserve
        if reserve < 0:
            reserve = min(int(found.f_blocks * found.f_frsize * _RESERVE_SHARE), _RESERVE_MOST)
        return found.f_bavail * found.f_frsize - reserve

    def spare_size(self) -> int:
        """Bytes that a spare file should have here. Raises OSError."""
        found = os.statvfs(self._folder)
        total = found.f_blocks * found.f_frsize
        return min(max(total // _SPARE_PART, _SPARE_LEAST), _SPARE_MOST, total // _SPARE_SHARE)


class SpareFile:
    """A file of no content that takes room. It is removed when a change that frees room, or has to go on, finds none."""

    def __init__(self, path: str):
        self._path = path

    def exists(self) -> bool:
        return os.path.lexists(self._path)

    def make(self, size: int) -> None:
        """Take so many bytes of the disk; does nothing where the file is there, or where they are not free."""
        with contextlib.suppress(OSError):
            descriptor = open_own(self._path, os.O_WRONLY | os.O_EXCL)
            try:
                os.posix_fallocate(descriptor, 0, size)
            except OSError:
                os.unlink(self._path)
            finally:
                os.close(descriptor)

    def release(self) -> bool:
        """Give its room back to the disk; False where there was none."""
        try:
            os.unlink(self._path)
        except OSError:
            return False
        return True
