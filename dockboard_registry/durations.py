"""Durations as people write them: 90d, 24h, 30m."""

import re
import time

from .errors import FieldInvalid

DURATION_GRAMMAR = "[0-9]{1,6}[smhdw]"
_DURATION = re.compile(DURATION_GRAMMAR, re.A)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def duration(text: str) -> int:
    """Seconds of 90d, 24h, 30m, 45s or 2w. Raises FieldInvalid."""
    if not _DURATION.fullmatch(text):
        raise FieldInvalid("this is not a duration", "write a whole number and s, m, h, d or w, such as 90d")
    return int(text[:-1]) * _SECONDS[text[-1]]


def in_future(text: str | None) -> int | None:
    """Milliseconds since 1970 of the time that is so far away; None stays None. Raises FieldInvalid, for no time at all too: what would end at once is a mistake."""
    if text is None:
        return None
    seconds = duration(text)
    if not seconds:
        raise FieldInvalid("it would have expired at once", "write how long it counts, such as 90d, or leave that out")
    return int((time.time() + seconds) * 1000)
