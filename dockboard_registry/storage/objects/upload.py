"""Writes an object: in one request if the bytes fit into the first part, otherwise in parts.

    write, pour  fill a buffer; a full one is sent as a part while the next one is filled
    suspend      sends what is left if it is long enough for a part; the session keeps the rest
    commit       sends the rest and puts the parts together; before that nobody can read anything under the key

What an earlier writer sent and did not save does not count: the parts are named by their tags, so a part that somebody
replaced makes `commit` fail.
"""

from collections.abc import Callable
from concurrent.futures import Future

from ...clients import current_client
from .. import Hasher, Saved, StorageFailed, StorageFull, UploadLost
from .bucket import Refused
from .buffers import Buffer
from .parts import LEAST, Parts

# Bytes that are received, and then hashed while the next ones are received.
_PIECE = 1 << 20


class ObjectUpload:
    """`Upload` of one object. shared: what all uploads of the worker have in common (storage.py)."""

    def __init__(self, shared, name: str, saved: Saved, size: int):
        self._shared, self._bucket, self._name = shared, shared.bucket, name
        self._parts, self._rest = Parts.of(saved.state), saved.rest
        self._is_lost = self._parts.size + len(saved.rest) != size
        self._buffer: Buffer | None = None
        self._sending: tuple[int, Future] | None = None
        self._is_whole, self._owner = False, ""
        # Whether our bytes may lie under the name. Those of others, who write the same ones, are not ours to delete.
        self._is_begun = False

    async def hold(self) -> None:
        """The session's row decides who writes."""

    async def release(self) -> None:
        """Give the memory back. A part that is on its way gives its own back when it has arrived."""
        buffer, self._buffer = self._buffer, None
        if buffer is not None:
            self._shared.budget.give(buffer.size, self._owner)

    async def write(self, data: bytes, hasher: Hasher | None = None) -> None:
        rest = memoryview(data)

        def fill(room: memoryview) -> int:
            nonlocal rest
            count = min(len(room), len(rest))
            room[:count] = rest[:count]
            rest = rest[count:]
            return count

        await self.pour(fill, hasher)

    async def pour(self, fill: Callable[[memoryview], int], hasher: Hasher | None = None, dear: bool = False) -> int:
        self._require_all()
        if self._buffer is None:
            self._owner = current_client.get().owner
            await self._shared.budget.take(self._next_size(), self._owner)
            self._buffer = Buffer(self._next_size())
            self._buffer.room(len(self._rest))[:] = self._rest
            self._buffer.filled, self._rest = len(self._rest), b""
        total = await self._shared.run(self._pour, fill, hasher)
        if self._shared.budget.is_wanted and self._buffer.filled >= LEAST:
            await self._shared.run(self._send_last)
        return total

    def _require_all(self) -> None:
        if self._is_lost:
            raise UploadLost("the store has fewer bytes than were received")

    def _next_size(self) -> int:
        """The size of the part that is filled next. Raises StorageFull beyond the last one."""
        size = self._bucket.part_size(len(self._parts.sizes) + (self._sending is not None) + 1)
        if not size:
            raise StorageFull("an upload has 10,000 parts at most")
        return size

    def _pour(self, fill: Callable[[memoryview], int], hasher: Hasher | None) -> int:
        """While a thread hashes one piece, the next one is received."""
        hashing, total = None, 0
        while True:
            if self._buffer.filled == self._buffer.size:
                _settle(hashing)
                self._send()
            piece = self._buffer.room(_PIECE)
            count = fill(piece)
            _settle(hashing)
            if not count:
                return total
            hashing = self._shared.hashers.submit(hasher.update, piece[:count]) if hasher is not None else None
            self._buffer.filled += count
            total += count

    def _send(self) -> None:
        """Send the full buffer: beside the filling of another one if there is memory for that, otherwise at once."""
        self._arrived()
        full = self._buffer
        self._begin()
        following = self._bucket.part_size(len(self._parts.sizes) + 2)
        if following and self._shared.budget.try_take(following, self._owner):
            self._sending = full.filled, self._shared.senders.submit(self._part, full, True)
            self._buffer = Buffer(following)
        else:
            self._send_last()

    def _send_last(self) -> None:
        """Send what is in the buffer, and wait. The buffer is used again."""
        self._arrived()
        self._begin()
        self._parts = self._parts.with_one(self._buffer.filled, self._part(self._buffer, False))
        wanted = self._next_size()
        if self._buffer.size < wanted and not self._shared.budget.try_take(wanted - self._buffer.size, self._owner):
            wanted = self._buffer.size
        self._buffer = self._buffer if self._buffer.size >= wanted else Buffer(wanted)
        self._buffer.filled = 0

    def _begin(self) -> None:
        if not self._parts.upload:
            self._parts = self._parts._replace(upload=self._bucket.begin(self._name))

    def _part(self, buffer: Buffer, give: bool) -> str:
        return self._sent_part(len(self._parts.sizes) + 1, buffer.content(), buffer.size if give else 0)

    def _sent_part(self, number: int, content: memoryview, size: int) -> str:
        try:
            tag = self._bucket.part(self._name, self._parts.upload, number, content)
        except Refused as error:
            if error.gone:
                raise UploadLost("the store has dropped the upload") from error
            raise
        finally:
            if size:
                self._shared.budget.give(size, self._owner)
        if not tag:
            raise StorageFailed("the object store's answer to a part has no ETag")
        return tag

    def _arrived(self) -> None:
        """Wait for the part that is on its way."""
        if self._sending is not None:
            (size, sending), self._sending = self._sending, None
            self._parts = self._parts.with_one(size, sending.result())

    async def suspend(self) -> Saved:
        self._require_all()
        return await self._shared.run(self._suspend)

    def _suspend(self) -> Saved:
        self._arrived()
        if self._buffer is not None and self._buffer.filled >= LEAST:
            self._send_last()
        return Saved(self._parts.text(), bytes(self._left()))

    def _left(self) -> memoryview:
        """What is in no part yet."""
        return self._buffer.content() if self._buffer is not None else memoryview(self._rest)

    async def hash(self, hasher: Hasher) -> None:
        """Parts cannot be read before they are put together, so that comes first."""
        self._require_all()
        await self._shared.run(self._hash, hasher)

    def _hash(self, hasher: Hasher) -> None:
        self._finish()
        source = self._shared.source(self._name)
        try:
            at = 0
            while piece := source.read_here(at, _PIECE):
                hasher.update(piece)
                at += len(piece)
        finally:
            source.leave()
        if at != self._parts.size:
            raise UploadLost("the store has fewer bytes than were received")

    async def commit(self) -> None:
        self._require_all()
        await self._shared.run(self._finish)

    def _finish(self) -> None:
        if self._is_whole:
            return
        self._arrived()
        left, self._is_begun = self._left(), True
        if not self._parts.upload:
            self._put(left)
        else:
            if left:
                number = len(self._parts.sizes) + 1
                self._parts = self._parts.with_one(len(left), self._sent_part(number, left, 0))
            self._complete()
        self._is_whole = True

    def _put(self, content: memoryview) -> None:
        tag = self._bucket.put(self._name, content)
        self._parts = self._parts.with_one(len(content), tag)
        if tag != self._bucket.etag_of(content):
            self._compare()

    def _complete(self) -> None:
        """Where nobody knows what became of the request, the object's tag tells whether it has these parts."""
        expected = self._bucket.whole_etag(self._parts)
        try:
            found = self._bucket.complete(self._name, self._parts.upload, self._parts)
        except StorageFailed as error:
            if not expected or not self._has_tag(expected):
                if isinstance(error, Refused) and error.gone:
                    raise UploadLost("the store has other parts than were sent, or has dropped them") from error
                raise
            return
        if not expected or found != expected:
            self._compare()

    def _has_tag(self, expected: str) -> bool:
        try:
            return self._bucket.size(self._name)[1] == expected
        except Refused as error:
            if error.status == 404:
                return False
            raise

    def _compare(self) -> None:
        """Compare the number of bytes with what was sent. Some servers check nothing themselves."""
        if self._bucket.size(self._name)[0] != self._parts.size:
            raise StorageFailed("the object store has another number of bytes than were sent")

    async def abort(self) -> None:
        await self._shared.run(self._abort)

    def _abort(self) -> None:
        try:
            self._arrived()
        except (StorageFailed, UploadLost):
            pass
        if self._parts.upload:
            self._bucket.abort(self._name, self._parts.upload)
        if self._is_begun:
            self._bucket.delete([self._name])


def _settle(work: Future | None) -> None:
    if work is not None:
        work.result()
