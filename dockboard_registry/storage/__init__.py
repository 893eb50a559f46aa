"""The storage seam: opaque keys to bytes. Names, digests and permissions are not its business.

Contract, tested by one suite over every driver (tests/contract/):
- A key is made by `new_key`, written once by one upload and never used again. So nothing is renamed or overwritten, and
  a late delete can never hit other content. Whoever names a key in the database does so before the first byte is
  written.
- Bytes are durable when `Upload.commit` returns: content and directory entry survive a power cut.
- Where a driver `locks`, one writer at a time holds an upload, and its bytes lie under their key from the first one on.
  Elsewhere, as in an object store, nobody can be shut out. There the row of the session decides: a writer changes the
  row before it holds and when it saves, so only the bytes count that the newest state of the row names. What was saved
  is durable, and the key has no bytes before `commit`.
- All methods are coroutines; none holds the event loop for longer than a small piece in the page cache takes.
"""

import secrets
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple, Protocol

from . import identity


class StorageError(Exception):
    """Base of the storage's errors."""


class KeyMissing(StorageError):
    """There are no bytes under this key."""


class StorageFull(StorageError):
    """There is no room, or less than the reserve would be left."""


class StorageFailed(StorageError):
    """The device failed. What was being written can't be trusted and was dropped."""


class NotDeleted(StorageFailed):
    """Some of the keys could not be deleted; the others were. keys: those that stay. freed: the bytes of the others."""

    def __init__(self, why: str, keys: set[str], freed: int):
        super().__init__(why)
        self.keys, self.freed = keys, freed


class UploadBusy(StorageError):
    """Another writer holds this upload."""


class UploadLost(StorageError):
    """Bytes that were received earlier are gone, as after a power cut before commit. The upload has to start again."""


class Saved(NamedTuple):
    """What the caller keeps of an upload that goes on later. state: the driver's own words. rest: the last bytes, where
    the driver has not stored them yet; fewer than 5 MiB.
    """

    state: str = ""
    rest: bytes = b""


class Marker(NamedTuple):
    """The store's record of the database that owns it. epoch: how often it has moved from a database to its copy."""

    id: str
    epoch: int

    def precedes(self, owner: "Marker") -> bool:
        """Whether the owner's marker takes the place of this one: after a copy of the database, or of the blobs."""
        return self.id == identity.unfinished(owner.id) or (self.id == owner.id and self.epoch < owner.epoch)


class Stored(NamedTuple):
    """One key of a list. written_at: the time of its last write, in milliseconds since 1970. size: in bytes; None for
    an upload under way, where the store tells only that there is one.
    """

    key: str
    written_at: int
    size: int | None


def new_key() -> str:
    """160 random bits in hex."""
    return secrets.token_hex(20)


class Hasher(Protocol):
    def update(self, data: bytes) -> None: ...


class Source(Protocol):
    """Bytes that can be read, from open until close.

    Where the driver locks they can be read even when the key is deleted meanwhile. Elsewhere the grace of the collector
    gives readers their time. Long parts are read in order, so a driver may keep one answer of its server open from one
    `read` to the next.
    """

    size: int

    def fileno(self) -> int | None:
        """A descriptor for sendfile. None if there is none; then the bytes are read."""

    async def read(self, start: int, length: int) -> bytes:
        """At most `length` bytes from `start`. Empty only at the end. Raises StorageFailed."""

    async def read_each(self, places: list[tuple[int, int]]) -> list[bytes]:
        """Several (start, length), each as long as asked for unless the bytes end. Raises StorageFailed."""

    def read_now(self, start: int, length: int) -> bytes | None:
        """The same for a small piece if it needs no waiting worth mentioning, otherwise None."""

    def passing(self) -> "Passing | None":
        """For a client without TLS. None if the bytes have to be read."""

    def close(self) -> None: ...


class Passing(Protocol):
    """A source whose bytes come from a socket and go to another one without entering the process."""

    async def pass_on(self, client: int, start: int, stop: int, patience: float) -> int:
        """Give the bytes from `start` to `stop` to a socket that does not block, as far as it takes them.

        Returns after a while in any case, with the number of bytes. The next call begins where this one ended.
        client: the socket's descriptor. patience: seconds to wait for the socket each time. Raises StorageFailed, and
        OSError if the client's connection is broken.
        """


async def read_whole(source: Source, start: int, length: int) -> bytes:
    """So many bytes from `start`. Raises StorageFailed, also if the bytes end before that."""
    pieces, read = [], 0
    while read < length:
        piece = await source.read(start + read, length - read)
        if not piece:
            raise StorageFailed("the stored bytes end early")
        pieces.append(piece)
        read += len(piece)
    return b"".join(pieces)


class Upload(Protocol):
    """One writer's work on an upload. `hold` comes first and `release` last. Nothing changes before the first write.

    Between them the caller makes sure that the upload still is as it knew it: another writer may have finished it, and
    then its bytes are a blob.
    """

    async def hold(self) -> None:
        """Shut out other writers, if the driver locks. Raises UploadBusy."""

    async def release(self) -> None:
        """Let other writers in. The object is of no use after this."""

    async def write(self, data: bytes, hasher: Hasher | None = None) -> None:
        """Append. hasher.update(data) runs beside it, off the loop. Raises StorageFull, StorageFailed, UploadLost."""

    async def pour(self, fill: Callable[[memoryview], int], hasher: Hasher | None = None, dear: bool = False) -> int:
        """Append what fill(buffer) puts into the driver's buffer, and return the number of bytes.

        A thread calls fill until it returns 0; then the turn is over. fill waits for a moment at most and never raises.
        Several threads may call it in turn. dear: fill takes the processor about as long as the hash does, as
        decrypting can. Raises what `write` raises.
        """

    async def suspend(self) -> Saved:
        """Put what was written where any process finds it. Returns what `resume` needs. Writing may go on."""

    async def hash(self, hasher: Hasher) -> None:
        """Feed all bytes to the hasher. Nothing is written after this."""

    async def commit(self) -> None:
        """Make the bytes durable under their key.

        After an error never call it again, because the kernel may have marked lost pages clean. The bytes have to be
        dropped.
        """

    async def abort(self) -> None:
        """Delete the bytes."""


class Storage(Protocol):
    locks: bool  # whether `Upload.hold` shuts out the writers of all processes

    async def open(self, key: str) -> Source:
        """Raises KeyMissing, StorageFailed."""

    async def delete(self, keys: list[str]) -> int:
        """Returns the bytes freed, as far as known. A key without bytes is no error.

        Raises NotDeleted after all keys were tried.
        """

    def keys(self, after: str = "") -> AsyncIterator[Stored]:
        """Every key greater than `after` in order. It includes uploads under way."""

    def resume(self, key: str, saved: Saved, size: int) -> Upload:
        """An upload of which `size` bytes were saved; 0 for a new one. No I/O happens before `hold`.

        The first write drops bytes beyond `size`, which a writer left that died.
        """

    def url(self, key: str) -> str | None:
        """Where a client may fetch the bytes itself for nearly 20 minutes. None if it has to ask us. No I/O.

        Raises StorageFailed.
        """

    def refuse_when_full(self) -> None:
        """Raise StorageFull if less than the reserve is free. The reserve is for what must not fail. Does not block."""

    async def marker(self) -> Marker | None:
        """Which database owns the store now. Raises StorageFailed."""

    async def check(self) -> None:
        """Raise StorageError if the store can't serve: not mounted, read-only, failing."""
