"""When a request that failed is sent again, and after which pause.

Pauses grow, and chance shortens each of them, so that many clients do not come back at the same moment. What the server
says with Retry-After is the least. All requests of a client share an allowance, so that a server that fails gets few
more requests than usual.
"""

import random
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

RETRIED = frozenset({429, 500, 502, 503, 504})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_ALLOWANCE, _EARNED = 20.0, 0.1


class Allowance:
    """How many retries all requests together still have. Each success earns a tenth of one."""

    def __init__(self):
        self._lock = threading.Lock()
        self._left = _ALLOWANCE

    def earn(self) -> None:
        with self._lock:
            self._left = min(self._left + _EARNED, _ALLOWANCE)

    def take(self) -> bool:
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True


class Attempts:
    """The attempts of one request: at most `most`, within `seconds`."""

    def __init__(self, allowance: Allowance, most: int, seconds: float):
        self._allowance, self._left = allowance, most - 1
        self._end = time.monotonic() + seconds

    def pause(self, least: float = 0.0) -> float | None:
        """The seconds to wait before the next attempt. None: there is none."""
        number = self._left
        longest = min(_FIRST_PAUSE * 2 ** max(0, 5 - number), _LONGEST_PAUSE)
        seconds = max(least, random.uniform(longest / 4, longest))
        if number <= 0 or time.monotonic() + seconds > self._end or not self._allowance.take():
            return None
        self._left -= 1
        return seconds


def wanted_pause(headers: Mapping[str, str]) -> float:
    """The seconds that Retry-After asks for; 0 if it is missing or not understood."""
    text = (headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:6])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return 0.0
