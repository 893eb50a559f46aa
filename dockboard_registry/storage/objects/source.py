"""Reads an object. What is read in order comes from one answer of the store, which stays open between the reads."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from ...outbound.client import Answer
from ...outbound.errors import OutboundError
from .. import StorageFailed
from .bucket import Bucket

# Shorter pieces that do not follow the last one are asked for alone.
_ALONE = 64 << 10
# So often an answer that broke off is asked for again from there.
_TRIES = 3


class ObjectSource:
    """answer: the whole object, of which nothing was read. run(function, ...) calls a function in a thread."""

    def __init__(self, bucket: Bucket, name: str, answer: Answer, run: Callable[..., Any]):
        self._bucket, self._name, self._run = bucket, name, run
        self._answer: Answer | None = answer
        self._at = 0
        self.size = answer.length or 0

    def fileno(self) -> None:
        return None

    async def read(self, start: int, length: int) -> bytes:
        return await self._run(self.read_here, start, length)

    async def read_each(self, places: list[tuple[int, int]]) -> list[bytes]:
        return await self._run(lambda: [self.read_here(start, length) for start, length in places])

    def read_now(self, start: int, length: int) -> None:
        return None

    def read_here(self, start: int, length: int) -> bytes:
        """The same, called in a thread."""
        length = min(length, self.size - start)
        if length <= 0:
            return b""
        for attempt in range(_TRIES):
            try:
                return self._read_once(start, length)
            except OutboundError as error:
                self.leave()
                if attempt == _TRIES - 1:
                    raise StorageFailed(f"the object store broke off: {error}") from error
        return b""

    def _read_once(self, start: int, length: int) -> bytes:
        if (self._answer is None or start != self._at) and length <= _ALONE:
            with contextlib.closing(self._bucket.get(self._name, start, length)) as alone:
                return alone.read(length)
        if self._answer is None or start != self._at:
            self.leave()
            self._answer, self._at = self._bucket.get(self._name, start), start
        data = self._answer.read(length)
        self._at += len(data)
        return data

    def leave(self) -> None:
        """The same as `close`, called in a thread."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def close(self) -> None:
        """A read may be under way, whose outcome nobody awaits. It ends first."""
        if self._answer is not None:
            asyncio.ensure_future(self._run(self.leave))
