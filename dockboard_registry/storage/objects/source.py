"""Reads an object. What is read in order comes from one answer of the store, which stays open between the reads.

Where neither the store nor the client has TLS, the bytes go from socket to socket and do not enter the process.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ...outbound.client import Answer
from ...outbound.errors import OutboundError
from .. import StorageFailed
from .bucket import Bucket
from .pipe import Pipe, works

T = TypeVar("T")
# Shorter pieces that do not follow the last one are asked for alone.
_ALONE = 64 << 10
# So often an answer that broke off is asked for again from there.
_TRIES = 3
# A transfer keeps its thread for so many seconds before it lets the others have it.
_TURN_SECONDS = 0.05


class ObjectSource:
    """answer: the whole object, of which nothing was read. run(function, ...) calls a function in a thread."""

    def __init__(self, bucket: Bucket, name: str, answer: Answer, run: Callable[..., Any]):
        self._bucket, self._name, self._run = bucket, name, run
        self._answer: Answer | None = answer
        self._at = 0
        self._pipe: Pipe | None = None
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
        return self._repeated(lambda: self._read_once(start, length))

    def _repeated(self, step: Callable[[], T]) -> T:
        """Raises StorageFailed if the step fails each time."""
        for _ in range(_TRIES - 1):
            try:
                return step()
            except OutboundError:
                self.leave()
        try:
            return step()
        except OutboundError as error:
            self.leave()
            raise StorageFailed(f"the object store broke off: {error}") from error

    def _read_once(self, start: int, length: int) -> bytes:
        if (self._answer is None or start != self._at) and length <= _ALONE:
            with contextlib.closing(self._bucket.get(self._name, start, length)) as alone:
                return alone.read(length)
        data = self._answer_at(start).read(length)
        self._at += len(data)
        return data

    def _answer_at(self, start: int) -> Answer:
        """The answer of which the bytes from `start` come next."""
        if self._answer is None or start != self._at:
            self.leave()
            self._answer, self._at = self._bucket.get(self._name, start), start
        return self._answer

    def passing(self) -> "ObjectSource | None":
        with contextlib.suppress(OSError):  # no descriptor is free
            if self._answer is not None and self._answer.passes and works():
                self._pipe = self._pipe or Pipe()
                return self
        return None

    async def pass_on(self, client: int, start: int, stop: int, patience: float) -> int:
        return await self._run(self._pass_on, client, start, stop, patience)

    def _pass_on(self, client: int, start: int, stop: int, patience: float) -> int:
        """The same, called in a thread."""
        pipe, place, end = self._pipe, start, time.monotonic() + _TURN_SECONDS
        while place < stop and time.monotonic() < end:
            if not pipe.held:
                pipe.held = self._repeated(lambda: self._fill(pipe, place, stop))
            count = pipe.give(client, patience)
            if not count:
                break
            place += count
        return place - start

    def _fill(self, pipe: Pipe, start: int, stop: int) -> int:
        """Move what comes next of the store's answer into an empty pipe, and return the number of bytes."""
        count = self._answer_at(start).pass_on(pipe.into, min(pipe.size, stop - start))
        self._at += count
        return count

    def leave(self) -> None:
        """Leave the answer of the store, in a thread."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.close()

    def close(self) -> None:
        """A read may be under way, whose outcome nobody awaits. It ends first."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        if self._answer is not None:
            asyncio.ensure_future(self._run(self.leave))
