"""Blobs as files of one directory tree on a local or shared file system.

    <root>/store-id                 marks the root, so that an unmounted disk is not taken for an empty store
    <root>/blobs/<2 hex>/<key>      256 directories, made and synced before the first use

An upload is written to its final name from the first byte: no row of the blobs table names it before commit, so it is
as invisible as a temporary file, and commit needs no rename. Durable means fdatasync of the file and fsync of its
directory.
"""

import contextlib
import errno
import fcntl
import os
import re
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from pathlib import Path

from ..disk import Disk, is_local
from ..private_files import adopt, open_own, sync_directory
from . import (
    Hasher,
    KeyMissing,
    Marker,
    NotDeleted,
    Saved,
    StorageError,
    StorageFailed,
    StorageFull,
    Stored,
    UploadBusy,
    UploadLost,
)
from .calls import Calls, translate
from .relay import Relay, thread_buffer

MARKER, BLOBS = "store-id", "blobs"
FOLDERS = [f"{number:02x}" for number in range(256)]
OWN_NAMES = (MARKER, BLOBS, ".lock")
# A thread lists so many directories at a time. There are 256, and most stores are small.
_LISTED = 16
_KEY = re.compile(r"[0-9a-f]{40}", re.A)
_READ = 1 << 20
# Uploads may write so many bytes, for so many seconds, and at most a part of the free room, before they look again at
# what is free.
_LOOK_BYTES, _LOOK_SECONDS, _LOOK_PART = 16 << 20, 1.0, 16
_SMALL = 32 << 10
_SAVED = Saved()
_HALF = 1 << 20


def prepare(root: Path, owner: Marker) -> None:
    """Make and sync the directories and the marker. Raises OSError."""
    blobs = root / BLOBS
    for folder in (blobs, *(blobs / name for name in FOLDERS)):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            adopt(folder)
    sync_directory(blobs)
    found = marker(root)
    if found is None or found.precedes(owner):
        write_marker(root, owner)


def write_marker(root: Path, owner: Marker) -> None:
    """Write durably which database owns the store.

    Older versions know no epoch, so none is written for a database that was never copied.
    """
    temporary = root / f"{MARKER}.new.{os.getpid()}.{secrets.token_hex(4)}"  # other nodes may do this at the same time
    with os.fdopen(open_own(temporary, os.O_WRONLY | os.O_EXCL), "w") as file:
        file.write(f"{owner.id}\n{owner.epoch}\n" if owner.epoch else f"{owner.id}\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, root / MARKER)
    sync_directory(root)


def marker(root: Path) -> Marker | None:
    """What the root's marker file says, or None if there is none."""
    try:
        id, _, epoch = (root / MARKER).read_text().strip().partition("\n")
    except FileNotFoundError:
        return None
    return Marker(id, int(epoch) if epoch.isdigit() else 0)


def _other_owner(root: Path) -> tuple[int, int] | None:
    """The user and group that own the store, if root works on somebody else's store."""
    if os.geteuid() != 0 or not root.is_dir():
        return None
    found = os.stat(root)
    return (found.st_uid, found.st_gid) if found.st_uid != 0 else None


class FilesystemSource:
    """An open file. Its reader keeps the bytes if it is unlinked meanwhile."""

    def __init__(self, descriptor: int, calls: Calls):
        self._descriptor, self._calls = descriptor, calls
        self.size = os.fstat(descriptor).st_size

    def fileno(self) -> int:
        return self._descriptor

    async def read(self, start: int, length: int) -> bytes:
        return await self._calls.long(os.pread, self._descriptor, length, start)

    async def read_each(self, places: list[tuple[int, int]]) -> list[bytes]:
        return await self._calls.long(lambda: [os.pread(self._descriptor, length, start) for start, length in places])

    def read_now(self, start: int, length: int) -> bytes | None:
        if not self._calls.is_local:
            return None
        try:
            return os.pread(self._descriptor, length, start)
        except OSError as error:
            raise translate(error) from error

    def passing(self) -> None:
        return None

    def close(self) -> None:
        if self._descriptor >= 0:
            self._calls.later(os.close, self._descriptor)
            self._descriptor = -1


class FilesystemStorage:
    """`Storage` over a directory. reserve: bytes that uploads leave free; negative means 5 % but at most 1 GiB."""

    locks = True

    def __init__(self, root: Path, reserve: int = -1, threads: int = 8):
        self._root = root
        self._blobs = f"{root}/blobs/"
        self._disk = Disk(root, reserve)
        self._owner = _other_owner(root)
        self._room = threading.Lock()
        self._looked, self._granted, self._looking = 0.0, 0, False
        self._full: StorageError | None = None
        self.calls = Calls(is_local(root, root / BLOBS), threads)
        self.hashers = ThreadPoolExecutor(2, "hash")
        self.syncers = ThreadPoolExecutor(threads, "sync")

    def path(self, key: str) -> str:
        return f"{self._blobs}{key[:2]}/{key}"

    async def open(self, key: str) -> FilesystemSource:
        return await self.calls.short(self._open, key, undo=FilesystemSource.close)

    def _open(self, key: str) -> FilesystemSource:
        try:
            return FilesystemSource(os.open(self.path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), self.calls)
        except FileNotFoundError as error:
            raise KeyMissing(key) from error

    def open_upload(self, path: str) -> int:
        """Give a file that root has made to the store's owner."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        if self._owner is not None:
            os.fchown(descriptor, *self._owner)
        return descriptor

    async def delete(self, keys: list[str]) -> int:
        return await self.calls.long(self._delete, keys)

    def _delete(self, keys: list[str]) -> int:
        freed, failed, why = 0, set(), ""
        for key in keys:
            try:
                size = os.stat(self.path(key)).st_size
                os.unlink(self.path(key))
                freed += size
            except (FileNotFoundError, IsADirectoryError):
                pass
            except OSError as error:
                failed.add(key)
                why = os.strerror(error.errno or errno.EIO)
        if failed:
            raise NotDeleted(why, failed, freed)
        return freed

    async def keys(self, after: str = "") -> AsyncIterator[Stored]:
        folders = [folder for folder in FOLDERS if folder >= after[:2]]
        for first in range(0, len(folders), _LISTED):
            for found in await self.calls.long(self._all_files, folders[first : first + _LISTED]):
                if found.key > after:
                    yield found

    def _all_files(self, folders: list[str]) -> list[Stored]:
        return [found for folder in folders for found in self._files(folder)]

    def _files(self, folder: str) -> list[Stored]:
        """The files in one directory. Those whose names are not keys are left out."""
        found = []
        for entry in os.scandir(self._blobs + folder):
            if _KEY.fullmatch(entry.name) and entry.name.startswith(folder):
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat()
                    found.append(Stored(entry.name, status.st_mtime_ns // 1_000_000, status.st_size))
        return sorted(found)

    def resume(self, key: str, saved: Saved, size: int) -> "FilesystemUpload":
        return FilesystemUpload(self, key, size)

    def url(self, key: str) -> None:
        return None

    async def marker(self) -> Marker | None:
        return await self.calls.long(marker, self._root)

    async def check(self) -> None:
        await (self.calls.long if self.calls.is_local else self.calls.short)(self._check)

    def _check(self) -> None:
        if marker(self._root) is None or not os.access(self._blobs, os.R_OK | os.W_OK | os.X_OK):
            raise StorageFailed("the storage root is not there or not accessible")
        if os.statvfs(self._root).f_flag & os.ST_RDONLY:
            raise StorageFailed("the storage is read-only")

    def refuse_when_full(self) -> None:
        if self.calls.is_local:
            return self.claim(0)
        if time.monotonic() - self._looked > _LOOK_SECONDS and not self._looking:
            self._looking = True
            self.calls.later(self._look)
        if self._full is not None:
            raise self._full

    def _look(self) -> None:
        """Runs in a thread, so that nobody waits for a file system that does not answer.

        The next caller uses the result.
        """
        try:
            self.claim(0)
            self._full = None
        except StorageError as error:
            self._full = error
        finally:
            self._looking = False

    def claim(self, count: int) -> None:
        """Raise StorageFull if so many more bytes would not leave the reserve."""
        at = time.monotonic()
        with self._room:
            if count > self._granted or at - self._looked > _LOOK_SECONDS:
                try:
                    left = self._disk.left()
                except OSError as error:
                    raise translate(error) from error
                if left < count:
                    raise StorageFull("less is free than the reserve")
                self._looked, self._granted = at, max(count, min(left // _LOOK_PART, _LOOK_BYTES))
            self._granted -= count

    def close(self) -> None:
        self.calls.close()
        self.hashers.shutdown()
        self.syncers.shutdown()


class FilesystemUpload:
    """`Upload` into one file, held by flock, which the kernel takes back when the writer dies."""

    def __init__(self, storage: FilesystemStorage, key: str, size: int):
        self._storage = storage
        self._calls = storage.calls
        self._path = storage.path(key)
        self._size = size
        self._descriptor = -1
        self._trimmed = False

    async def write(self, data: bytes, hasher: Hasher | None = None) -> None:
        """A small piece goes into the page cache and the hash in place, in a fifth of the time that a thread would
        take.
        """
        await (self._calls.long if len(data) > _SMALL else self._calls.short)(self._write, data, hasher)

    def _write(self, data: bytes, hasher: Hasher | None) -> None:
        self._trim()
        self._append(memoryview(data))
        if hasher is not None:
            hasher.update(data)

    async def pour(self, fill: Callable[[memoryview], int], hasher: Hasher | None = None, dear: bool = False) -> int:
        return await self._calls.long(self._relay if dear else self._pour, fill, hasher)

    def _relay(self, fill: Callable[[memoryview], int], hasher: Hasher | None) -> int:
        self._trim()
        return Relay(fill, hasher and hasher.update, self._claim, self._put).run(self._storage.hashers)

    def _pour(self, fill: Callable[[memoryview], int], hasher: Hasher | None) -> int:
        """Two buffers in turn: while a thread hashes one, the next bytes are received and written."""
        self._trim()
        hashing, total, both = None, 0, thread_buffer()
        for buffer in cycle((both[:_HALF], both[_HALF:])):
            count = fill(buffer)
            if not count:
                break
            if hashing is not None:
                hashing.result()
            if hasher is not None:
                hashing = self._storage.hashers.submit(hasher.update, buffer[:count])
            self._append(buffer[:count])
            total += count
        if hashing is not None:
            hashing.result()
        return total

    def _append(self, view: memoryview) -> None:
        self._put(view, self._claim(len(view)))

    def _claim(self, count: int) -> int:
        """The place of the next so many bytes. Raises StorageFull."""
        if count:
            self._storage.claim(count)
        place, self._size = self._size, self._size + count
        return place

    def _put(self, view: memoryview, place: int) -> None:
        written = 0
        while written < len(view):
            written += os.pwrite(self._descriptor, view[written:], place + written)

    async def hold(self) -> None:
        """Opening and flock without waiting take less time than passing them to a thread, so they are done in place."""
        await self._calls.short(self._hold, undo=lambda _: self._release())

    def _hold(self) -> None:
        descriptor = self._storage.open_upload(self._path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise UploadBusy("another request is writing to this upload") from error
        self._descriptor = descriptor

    def _trim(self) -> None:
        """Before the first write, drop what a writer that died left beyond the saved bytes."""
        if self._trimmed:
            return
        length = os.fstat(self._descriptor).st_size
        if length < self._size:
            raise UploadLost("the store has fewer bytes than were received")
        if length > self._size:
            os.ftruncate(self._descriptor, self._size)
        self._trimmed = True

    async def suspend(self) -> Saved:
        return _SAVED

    async def release(self) -> None:
        with contextlib.suppress(StorageError):
            await self._calls.short(self._release)

    async def hash(self, hasher: Hasher) -> None:
        await self._calls.long(self._hash, hasher)

    def _hash(self, hasher: Hasher) -> None:
        self._trim()
        offset = 0
        while offset < self._size:
            data = os.pread(self._descriptor, _READ, offset)
            if not data:
                raise UploadLost("the store has fewer bytes than were received")
            hasher.update(data)
            offset += len(data)

    async def commit(self) -> None:
        await self._calls.long(self._commit)

    def _commit(self) -> None:
        """Sync file and directory at the same time: the file system writes its journal once, and the disk flushes its
        cache once.
        """
        self._trim()
        entry = self._storage.syncers.submit(sync_directory, os.path.dirname(self._path))
        os.fdatasync(self._descriptor)
        entry.result()

    async def abort(self) -> None:
        await self._calls.long(self._abort)

    def _abort(self) -> None:
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass

    def _release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
