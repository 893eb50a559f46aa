"""Conditional requests and byte ranges (RFC 9110 sections 13 and 14), as far as content that never changes needs them."""

import re

from ..errors import RangeInvalid
from .messages import Request

_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})", re.A | re.I)


def not_modified(request: Request, digest: str) -> bool:
    """Does If-None-Match name this digest, so that the client has the content already?"""
    given = request.headers.get("If-None-Match")
    if given is None:
        return False
    tags = [part.strip().removeprefix("W/").strip('"') for part in given.split(",")]
    return digest in tags or "*" in tags


def byte_range(request: Request, size: int, digest: str) -> tuple[int, int] | None:
    """(start, stop) of the one range asked for, stop exclusive; None for the whole.

    Several ranges, other units and what is not of the grammar are answered with the whole, as the RFC allows.
    Raises RangeInvalid where nothing of the content lies inside.
    """
    text = request.headers.get("Range")
    found = _RANGE.fullmatch(text) if text else None
    if found is None or found[1] == found[2] == "" or request.headers.get("If-Range", f'"{digest}"').strip('"') != digest:
        return None
    if found[1] == "":
        start, stop = max(size - int(found[2]), 0), size
        outside = found[2].strip("0") == ""
    else:
        start = int(found[1])
        stop = min(int(found[2]) + 1, size) if found[2] else size
        outside = start >= stop
    if outside or start >= size:
        raise RangeInvalid(f"the content has {size} bytes", headers={"Content-Range": f"bytes */{size}"})
    return start, stop
