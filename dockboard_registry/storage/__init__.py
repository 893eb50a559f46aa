"""The storage seam: opaque keys to bytes. Names, digests and permissions are not its business.

Contract, tested by one suite over every driver (tests/contract/):
- A key is made by `new_key`, written once by one upload and never used again; so nothing is renamed or overwritten, and
  deleting
  late can never hit other content. Whoever names a key in the database does so before the first byte is written.
- Bytes are durable when `Upload.commit` returns: content and directory entry survive a power cut.
- All methods are coroutines; none holds the event loop for longer than a small piece in the page cache takes.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol


class StorageError(Exception):
    """Base of the storage's errors."""


class KeyMissing(StorageError):
    """There are no bytes under this key."""


class StorageFull(StorageError):
    """No room, or less than the reserve would be left."""


class StorageFailed(StorageError):
    """The device failed; what was being written is not to be trusted and was dropped."""


class NotDeleted(StorageFailed):
    """Some of the keys could not be deleted; the others are. keys: those that stay; freed: the bytes of the others."""

    def __init__(self, why: str, keys: set[str], freed: int):
        super().__init__(why)
        self.keys, self.freed = keys, freed


class UploadBusy(StorageError):
    """Another writer holds this upload."""


class UploadLost(StorageError):
    """Bytes that were received earlier are gone (a power cut before commit); the upload has to start again."""


class Marker(NamedTuple):
    """The store's record of the database that owns it. epoch: how often it has moved from a database to its copy."""

    id: str
    epoch: int


def new_key() -> str:
    """160 random bits in hex."""
    return secrets.token_hex(20)


class Hasher(Protocol):
    def update(self, data: bytes) -> None: ...


class Source(Protocol):
    """Bytes that can be read, from open until close, even when the key is deleted meanwhile.

    Long parts are read in order, so a driver may keep one answer of its server open from one `read` to the next.
    """

    size: int

    def fileno(self) -> int | None:
        """A descriptor for sendfile; None where there is none, and then the bytes are read."""

    async def read(self, start: int, length: int) -> bytes:
        """At most length bytes from start; empty only at the end. Raises StorageFailed."""

    async def read_each(self, places: list[tuple[int, int]]) -> list[bytes]:
        """Several (start, length), each as long as asked for unless the bytes end. Raises StorageFailed."""

    def read_now(self, start: int, length: int) -> bytes | None:
        """The same for a small piece, where it takes no waiting to speak of; None where it would."""

    def close(self) -> None: ...


async def read_whole(source: Source, start: int, length: int) -> bytes:
    """So many bytes from start. Raises StorageFailed, also where the bytes end before that."""
    pieces, read = [], 0
    while read < length:
        piece = await source.read(start + read, length - read)
        if not piece:
            raise StorageFailed("the stored bytes end early")
        pieces.append(piece)
        read += len(piece)
    return b"".join(pieces)


class Upload(Protocol):
    """One writer's work on an upload. `hold` comes first and `release` last; nothing is changed before the first write.

    Between hold and first write the caller makes sure that the upload still is as it knew it: another writer may have
    finished it, and its bytes may be a blob by now.
    """

    async def hold(self) -> None:
        """Shut out other writers. Raises UploadBusy."""

    async def release(self) -> None:
        """Let other writers in; after this the object is of no use."""

    async def write(self, data: bytes, hasher: Hasher | None = None) -> None:
        """Append; hasher.update(data) runs beside it, off the loop. Raises StorageFull, StorageFailed, UploadLost."""

    async def pour(self, fill: Callable[[memoryview], int], hasher: Hasher | None = None, dear: bool = False) -> int:
        """Append what fill(buffer) puts into the driver's buffer, called in a thread until it returns 0 (then the turn
        is over).

        Returns the number of bytes. fill waits a moment at most, and never raises; it may be called from several
        threads in turn. dear: it takes the processor about as long as the hash does, as decrypting can. Raises as
        `write` does.
        """

    async def suspend(self) -> str:
        """Bring what was written where any process finds it; returns the driver's state for `resume`."""

    async def hash(self, hasher: Hasher) -> None:
        """Feed all bytes written so far to the hasher."""

    async def commit(self) -> None:
        """Make the bytes durable under their key.

        After an error never call it again: the kernel may have marked lost pages clean. The bytes have to be dropped.
        """

    async def abort(self) -> None:
        """Delete the bytes."""


class Storage(Protocol):
    async def open(self, key: str) -> Source:
        """Raises KeyMissing, StorageFailed."""

    async def delete(self, keys: list[str]) -> int:
        """Returns the bytes freed, as far as known.

        Idempotent: a key without bytes is no error. Raises NotDeleted after all keys were tried.
        """

    def keys(self, after: str = "") -> AsyncIterator[tuple[str, int]]:
        """Every key greater than `after`, in order, uploads under way included, with the time of its last write in
        milliseconds since 1970.
        """

    def resume(self, key: str, state: str, size: int) -> Upload:
        """An upload of which `size` bytes were saved, 0 for a new one; no I/O before `hold`.

        Bytes beyond `size`, of a writer that died, are dropped at the first write.
        """

    def refuse_when_full(self) -> None:
        """Raise StorageFull if less than the reserve is free. The reserve is for what must not fail. Does not block."""

    async def marker(self) -> Marker | None:
        """Which database owns the store now. Raises StorageFailed."""

    async def check(self) -> None:
        """Raise StorageError where the store can't serve: not mounted, read-only, failing."""
