"""`Storage` over one bucket.

Uploads in parts are under the names of their objects too, and are listed apart from them.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...errors import StartError
from .. import KeyMissing, Marker, NotDeleted, Saved, StorageFailed, Stored
from .bucket import Bucket, Found, Refused
from .buffers import Budget
from .names import BLOBS, MARKER, key_of, name_of
from .source import ObjectSource
from .upload import ObjectUpload

_MEMORY = 128 << 20
_THREADS, _SENDERS, _HASHERS = 16, 8, 2
# Keys that are deleted together: for so few, uploads under way are looked for one by one, because MinIO lists them so.
_FEW = 8
# Clients that come together get the same URL for so many seconds, because it takes longer to sign one than all else of
# an answer. So many URLs are kept.
_URL_SECONDS, _URLS = 10.0, 1024
# Seconds for which `check` believes its last look.
_LOOK = 5.0
_END = object()
_KEY = re.compile(r"[0-9a-f]{40}", re.A)


def marker_text(owner: Marker) -> bytes:
    return (f"{owner.id}\n{owner.epoch}\n" if owner.epoch else f"{owner.id}\n").encode()


def read_marker(bucket: Bucket) -> Marker | None:
    """Which database owns the store. Raises StorageFailed."""
    try:
        answer = bucket.get(MARKER)
    except Refused as error:
        if error.missing:
            return None
        raise
    try:
        id, _, epoch = answer.read(200).decode("utf-8", "replace").strip().partition("\n")
    finally:
        answer.close()
    return Marker(id, int(epoch) if epoch.isdigit() else 0)


class ObjectStorage:
    """redirects: whether clients get URLs of the store."""

    locks = False

    def __init__(self, bucket: Bucket, redirects: bool):
        self.bucket, self._redirects = bucket, redirects
        self.budget = Budget(_MEMORY)
        self._threads = ThreadPoolExecutor(_THREADS, "objects")
        self.senders = ThreadPoolExecutor(_SENDERS, "parts")
        self.hashers = ThreadPoolExecutor(_HASHERS, "hash")
        self._looked = float("-inf")
        self._urls: dict[str, tuple[float, str]] = {}

    def run(self, function, *arguments) -> asyncio.Future:
        """Call a function that waits for the store, in a thread."""
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    async def open(self, key: str) -> ObjectSource:
        return await self.run(self.source, name_of(key))

    def source(self, name: str) -> ObjectSource:
        """Called in a thread. Raises KeyMissing, StorageFailed."""
        try:
            answer = self.bucket.get(name)
        except Refused as error:
            if error.missing:
                raise KeyMissing(key_of(name)) from error
            raise
        if answer.length is None:
            answer.close()
            raise StorageFailed("the object store does not tell the size of an object")
        return ObjectSource(self.bucket, name, answer, self.run)

    async def delete(self, keys: list[str]) -> int:
        return await self.run(self._delete, sorted(keys))

    def _delete(self, keys: list[str]) -> int:
        """The store does not tell how many bytes it freed."""
        if not keys:
            return 0
        for found in self._uploads_of(keys):
            self.bucket.abort(found.name, found.upload)
        failed = self.bucket.delete([name_of(key) for key in keys])
        if failed:
            raise NotDeleted(
                f"the object store answered {', '.join(sorted(set(failed.values())))}",
                {key_of(name) for name in failed},
                0,
            )
        return 0

    def _uploads_of(self, keys: list[str]) -> Iterator[Found]:
        if len(keys) <= _FEW:
            for key in keys:
                yield from (found for page in self.bucket.uploads(name_of(key)) for found in page)
            return
        wanted = set(keys)
        for page in self.bucket.uploads(BLOBS, name_of(keys[0])[:-1]):
            yield from (found for found in page if key_of(found.name) in wanted)
            if page and page[-1].name > name_of(keys[-1]):
                return

    async def keys(self, after: str = "") -> AsyncIterator[Stored]:
        start = name_of(after) if after else ""
        objects = _Pages(self, self.bucket.objects(BLOBS, start))
        uploads = _Pages(self, self.bucket.uploads(BLOBS, start))
        one, other, last = await objects.next(), await uploads.next(), after
        while one is not None or other is not None:
            takes_one = other is None or (one is not None and one.name <= other.name)
            found = one if takes_one else other
            key = key_of(found.name)
            if key > last and _KEY.fullmatch(key) and found.name == name_of(key):
                last = key
                yield Stored(key, found.written_at, found.size)
            one, other = (await objects.next(), other) if takes_one else (one, await uploads.next())

    def resume(self, key: str, saved: Saved, size: int) -> ObjectUpload:
        return ObjectUpload(self, name_of(key), saved, size)

    def url(self, key: str) -> str | None:
        if not self._redirects:
            return None
        until, known = self._urls.get(key, (0.0, None))
        return known if time.monotonic() < until else self._new_url(key)

    def _new_url(self, key: str) -> str | None:
        try:
            made = self.bucket.url(name_of(key))
        except StartError as error:  # the keys cannot be read
            raise StorageFailed(str(error)) from error
        self._urls.pop(key, None)
        if made is not None:
            self._urls[key] = time.monotonic() + _URL_SECONDS, made
        if len(self._urls) > _URLS:
            del self._urls[next(iter(self._urls))]
        return made

    def refuse_when_full(self) -> None:
        """An object store has room, or it refuses the bytes."""

    async def marker(self) -> Marker | None:
        return await self.run(read_marker, self.bucket)

    async def check(self) -> None:
        if time.monotonic() - self._looked > _LOOK:
            if await self.marker() is None:
                raise StorageFailed(f"the object {MARKER} is not there")
            self._looked = time.monotonic()

    def close(self) -> None:
        for pool in (self._threads, self.senders, self.hashers):
            pool.shutdown()
        self.bucket.close()


class _Pages:
    """The entries of a list, one by one. A page is asked for when the one before was used."""

    def __init__(self, storage: ObjectStorage, pages: Iterator[list[Found]]):
        self._storage, self._pages = storage, pages
        self._rest: Iterator[Found] = iter(())

    async def next(self) -> Found | None:
        found: Any = next(self._rest, None)
        while found is None:
            page = await self._storage.run(next, self._pages, _END)
            if page is _END:
                return None
            self._rest = iter(page)
            found = next(self._rest, None)
        return found
