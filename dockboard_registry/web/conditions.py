"""Conditional requests and byte ranges (RFC 9110 sections 13 and 14), as far as immutable content needs them."""

import re

from ..errors import RangeInvalid
from ..http.messages import Piece, Request

MOST_RANGES = 1000
_RANGE = re.compile(r"(\d{0,19})-(\d{0,19})", re.A)


def not_modified(request: Request, digest: str) -> bool:
    """Whether If-None-Match names this digest, so that the client has the content already."""
    given = request.headers.get("If-None-Match")
    if given is None:
        return False
    tags = [part.strip().removeprefix("W/").strip('"') for part in given.split(",")]
    return digest in tags or "*" in tags


def byte_ranges(request: Request, size: int, digest: str) -> list[tuple[int, int]] | None:
    """(start, stop) of each range, stop exclusive, in the order of the request. None for the whole content.

    Overlapping ranges are joined. Adjacent ones are not, because podman counts the parts that it gets. Other units,
    malformed ranges, more than MOST_RANGES, and empty content are answered with the whole content, which every client
    understands. Raises RangeInvalid if no byte of the content lies inside any range.
    """
    wanted = request.headers.get("Range")
    if wanted is None:
        return None
    unit, _, given = wanted.partition("=")
    if unit.lower() != "bytes" or size == 0 or request.headers.get("If-Range", f'"{digest}"').strip('"') != digest:
        return None
    texts = [text for part in given.split(",") if (text := part.strip(" \t"))]
    if not 0 < len(texts) <= MOST_RANGES:
        return None
    found = [_RANGE.fullmatch(text) for text in texts]
    if not all(match and match[0] != "-" for match in found):
        return None
    inside = [bounds for match in found if (bounds := _bounds(match[1], match[2], size)) is not None]
    if not inside:
        raise RangeInvalid(f"the content has {size} bytes", headers={"Content-Range": f"bytes */{size}"})
    return _joined(inside) if len(inside) > 1 else inside


def _bounds(first: str, last: str, size: int) -> tuple[int, int] | None:
    """Start and stop of a range in content of this size; None if no byte lies inside."""
    if first == "":
        start, stop = max(size - int(last), 0), size
    else:
        start, stop = int(first), min(int(last) + 1, size) if last else size
    return (start, stop) if start < stop else None


def _joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join overlapping ranges, at the place of the first of them."""
    joined: list[list[int]] = []
    for start, stop, place in sorted((start, stop, place) for place, (start, stop) in enumerate(ranges)):
        if joined and start < joined[-1][2]:
            joined[-1][0] = min(joined[-1][0], place)
            joined[-1][2] = max(joined[-1][2], stop)
        else:
            joined.append([place, start, stop])
    return [(start, stop) for _, start, stop in sorted(joined)]


def multipart(ranges: list[tuple[int, int]], size: int, digest: str) -> tuple[str, tuple[Piece, ...]]:
    """Content type and pieces of a multipart/byteranges body (RFC 9110 section 14.6).

    The boundary is a part of the content's digest: content that holds a part of its own digest can't be made.
    """
    boundary = digest.rpartition(":")[2][:32]
    pieces, line_end = [], ""
    for start, stop in ranges:
        head = (
            f"{line_end}--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes"
            f" {start}-{stop - 1}/{size}\r\n\r\n"
        )
        pieces.append(Piece(start, stop, head.encode()))
        line_end = "\r\n"
    return f"multipart/byteranges; boundary={boundary}", (*pieces, Piece(0, 0, f"\r\n--{boundary}--\r\n".encode()))
