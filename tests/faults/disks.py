"""Disks that a test may break: ext4 on a loop device, tmpfs; only ones made here are ever unmounted."""

import fcntl
import os
import struct
import subprocess
import time
from pathlib import Path

from tests.support import tools

EXT4_IOC_SHUTDOWN = 0x8004587D
"""_IOR('X', 125, __u32), linux/fs/ext4/ext4.h."""
NO_LOG_FLUSH = 2
"""EXT4_GOING_FLAGS_NOLOGFLUSH: neither data nor journal reaches the disk any more."""


class Disk:
    """A mounted file system; use it as a context manager, which unmounts in the end whatever happened."""

    def __init__(self, where: Path):
        self.where = where
        self.mounted = False

    def __enter__(self):
        self.where.mkdir(parents=True, exist_ok=True)
        self.make()
        self.mount()
        return self

    def __exit__(self, *_):
        self.unmount()

    def make(self) -> None:
        """Prepare what will be mounted."""

    def mount(self) -> None:
        _run(*self.mount_command(), str(self.where))
        self.mounted = True

    def mount_command(self) -> list[str]:
        raise NotImplementedError

    def unmount(self) -> None:
        """Waits up to 10 s for the processes that still use it to go."""
        deadline = time.monotonic() + 10
        while self.mounted:
            result = subprocess.run(["umount", str(self.where)], capture_output=True, text=True)
            if result.returncode == 0:
                self.mounted = False
            elif time.monotonic() > deadline:
                raise AssertionError(f"umount {self.where}: {result.stderr}")
            else:
                time.sleep(0.05)

    def remount(self, option: str) -> None:
        _run("mount", "-o", f"remount,{option}", str(self.where))


class Ext4(Disk):
    """A sparse file with ext4 on a loop device, whose power can be cut."""

    def __init__(self, where: Path, size: str = "512M"):
        super().__init__(where)
        self.image = where.with_name(where.name + ".img")
        self.size = size

    def make(self) -> None:
        _run("truncate", "-s", self.size, str(self.image))
        _run("mkfs.ext4", "-q", "-F", str(self.image))

    def mount_command(self) -> list[str]:
        return ["mount", "-t", "ext4", "-o", "loop,errors=remount-ro", str(self.image)]

    def fail(self) -> None:
        """What an ext4 does that meets an error in its own data: it turns read-only under the processes that use it."""
        _run("mount", "-o", "remount,abort", str(self.where))

    def cut(self) -> None:
        """From now on nothing reaches the disk; what it has received stays. Mount again to see what that is."""
        descriptor = os.open(self.where, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def __exit__(self, *_):
        super().__exit__()
        self.image.unlink(missing_ok=True)


class Tmpfs(Disk):
    """A file system in memory that is full after `size`."""

    def __init__(self, where: Path, size: str):
        super().__init__(where)
        self.size = size

    def mount_command(self) -> list[str]:
        return ["mount", "-t", "tmpfs", "-o", f"size={self.size}", "tmpfs"]


class Ramfs(Disk):
    """A file system in memory of a kind that the registry takes for one that may not
    answer, as it takes NFS and FUSE.
    """

    def mount_command(self) -> list[str]:
        return ["mount", "-t", "ramfs", "ramfs"]


def need_disks() -> None:
    """Mounting needs root and mkfs.ext4."""
    if os.geteuid() != 0:
        tools.missing("root, for mount")
    for program in ("mount", "mkfs.ext4"):
        tools.need(program)


def _run(*command: str) -> None:
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {result.stderr}")
