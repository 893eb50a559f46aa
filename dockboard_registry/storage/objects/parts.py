"""The parts of an upload: what the row of its session keeps, and how large they are.

An upload has 10,000 parts at most, and each but the last has 5 MiB at least. Later parts are larger, so that a blob may
have 328 GiB, and a short one needs little memory.
"""

import hashlib
import json
import re
from typing import NamedTuple

LEAST = 5 << 20
_SIZES = ((2000, 8 << 20), (6000, 16 << 20), (10000, 64 << 20))
_MD5 = re.compile(r"[0-9a-f]{32}", re.A)


def size_of(number: int) -> int:
    """How many bytes the part with this number gets, counted from 1; 0 beyond the last one."""
    return next((size for last, size in _SIZES if number <= last), 0)


def equal_size_of(number: int) -> int:
    """The same for stores that want all parts of an upload but the last to have one length: 48 GiB together. What is
    kept for the next request is then always shorter than a part.
    """
    return LEAST if number <= _SIZES[-1][0] else 0


class Parts(NamedTuple):
    """upload: its id in the store; empty before the first part. sizes and etags: of all parts that were sent."""

    upload: str = ""
    sizes: tuple[int, ...] = ()
    etags: tuple[str, ...] = ()

    @classmethod
    def of(cls, state: str) -> "Parts":
        """From what `text` made."""
        if not state:
            return cls()
        upload, sizes, etags = json.loads(state)
        return cls(upload, tuple(sizes), tuple(etags))

    def text(self) -> str:
        return json.dumps(self, separators=(",", ":")) if self.upload else ""

    @property
    def size(self) -> int:
        return sum(self.sizes)

    def with_one(self, size: int, etag: str) -> "Parts":
        return self._replace(sizes=(*self.sizes, size), etags=(*self.etags, etag))

    def whole_etag(self) -> str:
        """The ETag that the object has where ETags are MD5s, as S3 makes it of those of the parts; else empty."""
        if not all(_MD5.fullmatch(each) for each in self.etags):
            return ""
        joined = b"".join(bytes.fromhex(each) for each in self.etags)
        return f"{hashlib.md5(joined, usedforsecurity=False).hexdigest()}-{len(self.etags)}"
