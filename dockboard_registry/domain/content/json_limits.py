"""How much JSON of others is read at once, and where: long JSON in a thread, with rests.

The reader of JSON lets nobody else work until it comes to the end of an object, so the number of values is bounded too.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from .pace import NO_PACE, Pace

T = TypeVar("T")
# Longer JSON is not read in the event loop.
SHORT = 32 << 10
# Commas, colons and brackets.
MOST_VALUES = 250_000


def values(data: bytes) -> int:
    """How many commas, colons and brackets there are: no fewer than values."""
    return sum(map(data.count, (b",", b":", b"[", b"{")))


def is_readable(data: bytes, longest: int) -> bool:
    """longest: in bytes."""
    return len(data) <= longest and values(data) <= MOST_VALUES


def pace_for(data: bytes) -> Pace:
    """The rests while these bytes are read; none for bytes that may be read in the event loop."""
    return NO_PACE if len(data) <= SHORT else Pace()


async def apart(read: Callable[[bytes], T], data: bytes) -> T:
    """What `read` makes of the bytes; of long ones in a thread."""
    return read(data) if len(data) <= SHORT else await asyncio.to_thread(read, data)
