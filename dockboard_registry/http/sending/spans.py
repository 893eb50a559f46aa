"""Reads a span piece by piece, for answers that go out in the event loop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator

from ...storage import Source, StorageError
from ..messages import Piece, Span

# Up to so many such answers of a worker at once get pieces of this size. Long pieces take fewer changes of the thread,
# and a client that stops reading holds its pieces in memory: two of these.
_SIZES = ((2, 4 << 20), (16, 1 << 20))
# If there are more, each holds one piece of this size.
SMALL = 128 << 10


async def pieces(span: Span, edge) -> AsyncIterator[bytes]:
    """All bytes of a span as they are sent. edge.spans counts such answers. Raises StorageError."""
    edge.spans += 1
    try:
        async with contextlib.aclosing(_pieces(span, lambda: _size(edge.spans))) as found:
            async for piece in found:
                yield piece
    finally:
        edge.spans -= 1


def _size(answers: int) -> int:
    return next((size for most, size in _SIZES if answers <= most), SMALL)


async def _pieces(span: Span, size: Callable[[], int]) -> AsyncIterator[bytes]:
    for group in _groups(span.pieces):
        if len(group) > 1:
            yield await _together(span.source, group)
            continue
        [(start, stop, before)] = group
        if before:
            yield before
        if start < stop:
            async with contextlib.aclosing(_read(span.source, start, stop, size)) as found:
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


async def _read(source: Source, start: int, stop: int, size: Callable[[], int]) -> AsyncIterator[bytes]:
    """The bytes from start to stop. size: of the next piece. If pieces are long, each is read while the one before is
    encrypted and sent.

    Raises StorageError.
    """

    def read() -> asyncio.Future:
        return asyncio.ensure_future(source.read(start, min(size(), stop - start)))

    reading = read()
    try:
        while piece := await reading:
            start += len(piece)
            ahead = start < stop and size() > SMALL
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
