"""Checksums of whole objects from those of their parts: CRC-32, and CRC-64 of ECMA-182.

A CRC is the rest of a division of polynomials, so that of two pieces follows from those of each and the length of the
second one (as in crc32_combine of zlib).
"""

import functools
from collections.abc import Iterable
from typing import NamedTuple


class Crc(NamedTuple):
    """polynomial: with the lowest power in the highest bit, of `width` bits."""

    polynomial: int
    width: int

    def of_parts(self, parts: Iterable[tuple[int, int]]) -> int:
        """Of the joined bytes. parts: the checksum of each, and its bytes."""
        whole = 0
        for checksum, size in parts:
            whole = self.product(_power(self, size), whole) ^ checksum
        return whole

    def product(self, one: int, other: int) -> int:
        """Of two polynomials, modulo that of the checksum."""
        made, bit = 0, 1 << (self.width - 1)
        while one:
            if one & bit:
                made ^= other
                one ^= bit
            bit >>= 1
            other = (other >> 1) ^ self.polynomial if other & 1 else other >> 1
        return made


CRC32 = Crc(0xEDB88320, 32)
CRC64 = Crc(0xC96C5795D7870F42, 64)


@functools.lru_cache(64)
def _power(kind: Crc, size: int) -> int:
    """x to the number of bits in so many bytes. Most parts of an upload have one size."""
    made, square, exponent = 1 << (kind.width - 1), 1 << (kind.width - 2), 8 * size
    while exponent:
        if exponent & 1:
            made = kind.product(square, made)
        square = kind.product(square, square)
        exponent >>= 1
    return made


def with_checksum(etag: str, checksum: int | str | None) -> str:
    """The tag by which a session's row keeps a part; only the ETag where the server told no checksum."""
    return f"{etag}:{checksum}" if str(checksum or "").isdecimal() or checksum == 0 else etag


def etags(tags: Iterable[str]) -> tuple[str, ...]:
    """The ETags in such tags."""
    return tuple(tag.partition(":")[0] for tag in tags)


def of_whole(kind: Crc, tags: Iterable[str], sizes: Iterable[int]) -> int | None:
    """The checksum of the object of these parts; None where that of a part is not known."""
    found = [tag.partition(":")[2] for tag in tags]
    return kind.of_parts(zip(map(int, found), sizes, strict=True)) if all(found) else None
