"""Reads a span piece by piece, for answers that go out in the event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from ...storage import Source, StorageError
from ..messages import Piece, Span

# Up to so many answers at once count as few.
_FEW = 16
# The first size if a worker sends few such answers, the second if many, because a client that stops reading holds its
# piece in memory.
_LARGE, SMALL = 1 << 20, 128 << 10


async def pieces(span: Span, edge) -> AsyncIterator[bytes]:
    """All bytes of a span as they are sent. edge.spans counts such answers. Raises StorageError."""
    edge.spans += 1
    try:
        async with contextlib.aclosing(_pieces(span, lambda: edge.spans <= _FEW)) as found:
            async for piece in found:
                yield piece
    finally:
        edge.spans -= 1


async def _pieces(span: Span, few_answers: Callable[[], bool]) -> AsyncIterator[bytes]:
    for group in _groups(span.pieces):
        if len(group) > 1:
            yield await _together(span.source, group)
            continue
        [(start, stop, before)] = group
        if before:
            yield before
        if start < stop:
            async with contextlib.aclosing(_read(span.source, start, stop, few_answers)) as found:
                async for piece in found:
                    yield piece


def _groups(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Short pieces that follow each other are read and sent as one, because a thread for each of a thousand would cost
    too much.
    """
    group, size = [], 0
    for piece in pieces:
        more = len(piece.before) + piece.stop - piece.start
        if group and size + more > SMALL:
            yield group
            group, size = [], 0
        group.append(piece)
        size += more
    yield group


async def _together(source: Source, group: list[Piece]) -> bytes:
    """Raises StorageError."""
    found = await source.read_each([(start, stop - start) for start, stop, _ in group])
    if any(len(data) != stop - start for data, (start, stop, _) in zip(found, group)):
        raise StorageError("the stored bytes end early")
    return b"".join(before + data for data, (_, _, before) in zip(found, group))


async def _read(source: Source, start: int, stop: int, few_answers: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The bytes from start to stop. If there are few such answers, each piece is read while the one before is encrypted
    and sent.

    Raises StorageError.
    """

    def read() -> asyncio.Future:
        return asyncio.ensure_future(source.read(start, min(_LARGE if few_answers() else SMALL, stop - start)))

    reading = read()
    try:
        while piece := await reading:
            start += len(piece)
            ahead = start < stop and few_answers()
            if ahead:
                reading = read()
            yield piece
            if start >= stop:
                return
            if not ahead:
                reading = read()
        raise StorageError("the stored bytes end early")
    finally:
        # The caller closes the source next, so no read may be under way.
        await asyncio.gather(reading, return_exceptions=True)
