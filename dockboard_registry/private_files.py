"""Directories and files that belong to the registry alone: which ones are refused, and how they are made and opened."""

import grp
import os
import pwd
import stat
from collections.abc import Iterable
from pathlib import Path


def refusal(folder: Path, names: Iterable[str]) -> str:
    """Why the registry may not keep its data in this directory under these names.

    Empty if it may, or if the directory does not exist yet.
    """
    try:
        found = os.stat(folder)
    except FileNotFoundError:
        return ""
    if found.st_mode & stat.S_IWOTH:
        return (
            f"others may write to {folder} (mode {stat.S_IMODE(found.st_mode):04o}): run chmod o-w {folder}, or use a"
            " directory below it"
        )
    if not _is_ours(found):
        return (
            f"{folder} belongs to {_user(found.st_uid)}, and this process is {_user(os.geteuid())}: run it as"
            f" {_user(found.st_uid)}, or run chown -R {_user(os.geteuid())} {folder}. A group of this process may share"
            f" it where the group may write ({_group(found.st_gid)} may not, or is none)"
        )
    return next(filter(None, (_wrong(folder / name) for name in names)), "")


def _is_ours(found: os.stat_result) -> bool:
    """Root may work on anybody's data. A group that may write to a volume may share it."""
    mine = os.geteuid()
    shared = found.st_mode & stat.S_IWGRP and found.st_gid in {os.getegid(), *os.getgroups()}
    return mine == 0 or found.st_uid == mine or bool(shared)


def _wrong(path: Path) -> str:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return ""
    if stat.S_ISLNK(mode):
        return (
            f"{path} is a symbolic link, which the registry does not follow: move what it points to here, or name that"
            " place in storage.root or database.url"
        )
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        return f"{path} is not a plain file: move it away"
    return ""


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def open_own(path: str | Path, flags: int = os.O_RDWR) -> int:
    """Open a file of the registry, or create it. Symbolic links are not followed. Raises OSError."""
    descriptor = os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    adopt(path, descriptor)
    return descriptor


def adopt(path: str | Path, descriptor: int | None = None) -> None:
    """Give a file that root has made to the owner of its directory, because the service that runs there has to open it.

    Raises OSError.
    """
    if os.geteuid() != 0:
        return
    owner = os.stat(os.path.dirname(path))
    if owner.st_uid != 0:
        os.chown(path if descriptor is None else descriptor, owner.st_uid, owner.st_gid)


def make_directory(path: Path) -> None:
    """Make a directory of the owner's and its missing parents, each durable in its parent. Raises OSError."""
    if path.is_dir():
        return
    make_directory(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path | str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
