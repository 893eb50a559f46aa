"""Free room on the file system of a directory, and a spare file that reserves room there for a full disk."""

import contextlib
import os
import re
from pathlib import Path
from typing import NamedTuple

from .private_files import open_own

_RESERVE_SHARE, _RESERVE_MOST = 0.05, 1 << 30
# A spare file takes a 64th of the disk within these bounds, and at most a 16th of it.
_SPARE_PART, _SPARE_LEAST, _SPARE_MOST, _SPARE_SHARE = 64, 1 << 20, 16 << 20, 16


# File systems on local disks or in memory. An unknown one may wait for another machine or for a program.
_LOCAL = frozenset(
    "bcachefs btrfs ecryptfs exfat ext2 ext3 ext4 f2fs jfs nilfs2 ntfs3 overlay reiserfs rootfs tmpfs vfat xfs"
    " zfs".split()
)
_UNKNOWN = 1 << 62
_OCTAL = re.compile(r"\\([0-7]{3})")


def is_local(*folders: Path) -> bool:
    """Whether all of these directories lie on disks of this machine, as the system says in mountinfo (proc(5))."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return True
    mounts = [_mount(line) for line in lines]
    return all(_type(mounts, os.path.realpath(folder)) in _LOCAL for folder in folders)


def _mount(line: str) -> tuple[str, str]:
    """A line of mountinfo as (mount point, type of the file system)."""
    before, _, after = line.partition(" - ")
    return _OCTAL.sub(lambda found: chr(int(found[1], 8)), before.split(" ")[4]), after.split(" ")[0]


def _type(mounts: list[tuple[str, str]], path: str) -> str:
    """The type of the innermost mount.

    Of several mounts at one place the last one counts, because it covers the others.
    """
    inside = [
        (len(place), number, kind)
        for number, (place, kind) in enumerate(mounts)
        if f"{path}/".startswith(place.rstrip("/") + "/")
    ]
    return max(inside)[2] if inside else ""


class Room(NamedTuple):
    """Bytes of a file system: in all, free, and of the free ones those that growing changes leave."""

    total: int
    free: int
    reserve: int

    @property
    def full(self) -> bool:
        """Whether growing changes are refused."""
        return bool(self.total) and self.free < self.reserve

    @property
    def nearly_full(self) -> bool:
        """Whether less than twice the reserve is free."""
        return bool(self.total) and self.free < 2 * self.reserve


class Disk:
    """The file system of a directory.

    reserve: bytes that growing changes leave free; negative means 5 %, but at most 1 GiB.
    """

    def __init__(self, folder: str | os.PathLike, reserve: int):
        self._folder = folder
        self._reserve = reserve

    def left(self) -> int:
        """The free bytes beyond the reserve. Negative if less than the reserve is free. Raises OSError."""
        room = self.room()
        return room.free - room.reserve if room.total else _UNKNOWN

    def room(self) -> Room:
        """All 0 where the file system has no known size. Raises OSError."""
        found = os.statvfs(self._folder)
        total, reserve = found.f_blocks * found.f_frsize, self._reserve
        if not total:
            return Room(0, 0, 0)
        if reserve < 0:
            reserve = min(int(total * _RESERVE_SHARE), _RESERVE_MOST)
        return Room(total, found.f_bavail * found.f_frsize, reserve)

    def spare_size(self) -> int:
        """Bytes that a spare file should have here. Raises OSError."""
        found = os.statvfs(self._folder)
        total = found.f_blocks * found.f_frsize
        return min(max(total // _SPARE_PART, _SPARE_LEAST), _SPARE_MOST, total // _SPARE_SHARE)


class SpareFile:
    """A file that reserves room and has no content.

    When a change that frees room, or must not fail, finds no room, the file is removed.
    """

    def __init__(self, path: str):
        self._path = path

    def exists(self) -> bool:
        return os.path.lexists(self._path)

    def make(self, size: int) -> None:
        """Allocate so many bytes. Do nothing if the file exists or the bytes are not free."""
        with contextlib.suppress(OSError):
            descriptor = open_own(self._path, os.O_WRONLY | os.O_EXCL)
            try:
                os.posix_fallocate(descriptor, 0, size)
            except OSError:
                os.unlink(self._path)
            finally:
                os.close(descriptor)

    def release(self) -> bool:
        """Remove the file; False if there was none."""
        try:
            os.unlink(self._path)
        except OSError:
            return False
        return True
