"""Tries a directory: whether it may be used, then what the registry does with files there.

What is written has the name of a stray, which the collector removes if this process is killed.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import Awaitable, Callable

from ...disk import Disk, is_local
from ...steps import Examined, StepFailed, Steps
from ...wording import counted, why
from .. import KeyMissing, Saved, StorageError, UploadBusy, filesystem, new_key, read_whole
from ..filesystem import FilesystemStorage
from ..stores import FilesystemDriver

_PIECE = 100_000
PLACE, OWNED, MARKED, ROOM = "directory", "rights", "marker", "room"
WRITTEN, ALONE, CONTINUED, READ_BACK, RANGE = "write", "one writer at a time", "go on elsewhere", "read", "read a part"
LISTED, DELETED, CLEAN = "list", "delete", "leave nothing"


def examine_files(section) -> Examined:
    """section: the section `storage` of the configuration, which names a directory."""
    trial = _Trial(section)
    try:
        trial.run()
    except BaseException:
        with contextlib.suppress(StorageError, OSError):
            trial.clean()
        raise
    return Examined("storage", str(section.root), trial.steps.done)


class _Trial:
    def __init__(self, section):
        self._root, self._reserve = section.root, section.reserve
        self._driver = FilesystemDriver(section.root, section.reserve)
        self._data, self._key = secrets.token_bytes(2 * _PIECE), new_key()
        self.steps = Steps(lambda step, error: _words(error))

    def run(self) -> None:
        run = self.steps.run
        run(PLACE, self._place)
        run(OWNED, self._rights, after=(PLACE,))
        run(MARKED, self._marker, after=(PLACE,))
        run(ROOM, self._room, after=(PLACE,))
        self._try_files()
        run(CLEAN, self.clean, after=(PLACE, OWNED))

    def _try_files(self) -> None:
        run = self.steps.run
        run(WRITTEN, lambda: self._with_storage(self._write), after=(PLACE, OWNED))
        run(ALONE, lambda: self._with_storage(self._alone), after=(WRITTEN,))
        run(CONTINUED, lambda: self._with_storage(self._continue), after=(WRITTEN,))
        run(READ_BACK, lambda: self._with_storage(self._read), after=(CONTINUED,))
        run(RANGE, lambda: self._with_storage(self._range), after=(CONTINUED,))
        run(LISTED, lambda: self._with_storage(self._list), after=(WRITTEN,))
        run(DELETED, lambda: self._with_storage(self._delete), after=(WRITTEN,))

    def _with_storage(self, work: Callable[[FilesystemStorage], Awaitable]) -> str:
        """With an opened store of its own, as another process has."""

        async def main() -> str:
            storage = FilesystemStorage(self._root, self._reserve)
            try:
                return await work(storage)
            finally:
                storage.close()

        return asyncio.run(main())

    def _place(self) -> str:
        if not self._root.is_dir():
            raise StepFailed("it is not there: name the right one with --data DIR (storage.root)")
        blobs = self._root / filesystem.BLOBS
        if not blobs.is_dir():
            raise StepFailed("it is not prepared yet: run `registry.pyz migrate` with it, or start the server once")
        return "" if is_local(self._root, blobs) else "it is on no local disk: a server that hangs holds up requests"

    def _rights(self) -> str:
        if reason := self._driver.exposed():
            raise StepFailed(reason)
        return ""

    def _marker(self) -> str:
        found = self._driver.marker()
        return "no registry has this place yet" if found is None else f"a registry has this place; its id is {found.id}"

    def _room(self) -> str:
        room, files = Disk(self._root, self._reserve).room(), os.statvfs(self._root)
        if room.total and room.free < room.reserve:
            raise StepFailed(
                f"{counted(room.free, 'byte')} are free, less than the reserve of {counted(room.reserve, 'byte')}: make"
                " room, or set storage.reserve"
            )
        if files.f_files and not files.f_favail:
            raise StepFailed("the file system takes no more files (inodes): delete some, or use another one")
        return f"{counted(room.free, 'byte')} are free" if room.total else ""

    async def _write(self, storage: FilesystemStorage) -> str:
        upload = storage.resume(self._key, Saved(), 0)
        await upload.hold()
        try:
            await upload.write(self._data[:_PIECE])
            await upload.suspend()
        finally:
            await upload.release()
        return ""

    async def _alone(self, storage: FilesystemStorage) -> str:
        first, second = (storage.resume(self._key, Saved(), _PIECE) for _ in range(2))
        await first.hold()
        try:
            await second.hold()
        except UploadBusy:
            return ""
        finally:
            await second.release()
            await first.release()
        raise StepFailed("the file system does not lock files (flock): use another one, or an object store")

    async def _continue(self, storage: FilesystemStorage) -> str:
        upload = storage.resume(self._key, Saved(), _PIECE)
        await upload.hold()
        try:
            await upload.write(self._data[_PIECE:])
            await upload.commit()
        finally:
            await upload.release()
        return "written through to the disk"

    async def _read(self, storage: FilesystemStorage) -> str:
        if await self._bytes(storage, 0, 2 * _PIECE) != self._data:
            raise StepFailed("the file system gave other bytes than were written: it can't be trusted")
        return ""

    async def _bytes(self, storage: FilesystemStorage, start: int, length: int) -> bytes:
        source = await storage.open(self._key)
        try:
            return await read_whole(source, start, length)
        finally:
            source.close()

    async def _range(self, storage: FilesystemStorage) -> str:
        if await self._bytes(storage, _PIECE - 10, 20) != self._data[_PIECE - 10 : _PIECE + 10]:
            raise StepFailed("the file system gave other bytes than were written: it can't be trusted")
        return ""

    async def _list(self, storage: FilesystemStorage) -> str:
        """From just before our key, so that few directories are read."""
        found = ""
        async for stored in storage.keys(self._key[:-1]):
            found = stored.key
            if found >= self._key:
                break
        if found != self._key:
            raise StepFailed("the list does not show a file that was written")
        return ""

    async def _delete(self, storage: FilesystemStorage) -> str:
        await storage.delete([self._key])
        try:
            (await storage.open(self._key)).close()
        except KeyMissing:
            return ""
        raise StepFailed("the file system still has a file that was deleted")

    def clean(self) -> str:
        """Whatever failed before."""
        self._with_storage(lambda storage: storage.delete([self._key]))
        return ""


def _words(error: Exception) -> str | None:
    if isinstance(error, OSError):
        return f"{why(error)}: check that the directory is mounted, and that this user may write there"
    if isinstance(error, StorageError):
        return f"{str(error)[:1].lower()}{str(error)[1:]}: check the directory and its disk"
    return None
