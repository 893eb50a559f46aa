"""Answers with a part of a stored blob."""

from ..http.messages import Piece, Response, Span
from ..storage import Source, read_whole

_SMALL = 64 << 10


async def part(status: int, headers: dict, source: Source, start: int, stop: int) -> Response:
    """Bytes start to stop (exclusive). The source is closed afterwards. Raises StorageFailed."""
    if stop - start > _SMALL:
        return Response(status, headers, span=Span(source, (Piece(start, stop),)))
    body = source.read_now(start, stop - start)
    if body is None:
        body = await read_whole(source, start, stop - start)
    source.close()
    return Response(status, headers, body)
