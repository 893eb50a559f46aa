"""Stops asking a server that has failed for a while, so that nobody waits for it in vain.

After several failures in a row the breaker opens: requests fail at once. After a pause one request is let through. If
it succeeds, all go on; otherwise the next pause is twice as long.
"""

import threading
import time
from collections.abc import Callable

from .errors import NotTried

# Failures in a row, over so many seconds at least, without a success in between.
_FAILURES, _SECONDS = 5, 2.0
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 10.0


class Breaker:
    """name: of the server, for messages. clock: seconds that only grow. changed(is_open) hears when the breaker opens
    and closes. Used by many threads.
    """

    def __init__(
        self,
        name: str,
        clock: Callable[[], float] = time.monotonic,
        changed: Callable[[bool], None] = lambda is_open: None,
    ):
        self._name, self._clock, self._changed = name, clock, changed
        self._lock = threading.Lock()
        self._failures, self._since, self._why = 0, 0.0, ""
        self._pause, self._until = 0.0, 0.0

    @property
    def is_open(self) -> bool:
        return self._pause > 0

    def enter(self) -> None:
        """Before each attempt. Raises NotTried while the breaker is open."""
        with self._lock:
            left = self._until - self._clock()
            if self._pause and left > 0:
                raise NotTried(f"{self._name} has not answered for a while: {self._why}")
            if self._pause:
                # This caller tries. The others wait for another pause.
                self._until = self._clock() + self._pause

    def succeeded(self) -> None:
        if self._failures or self._pause:
            with self._lock:
                if self._pause:
                    self._changed(False)
                self._failures, self._pause = 0, 0.0

    def failed(self, why: str) -> None:
        with self._lock:
            at = self._clock()
            self._since = self._since if self._failures else at
            self._failures, self._why = self._failures + 1, why
            if self._pause:
                self._pause = min(2 * self._pause, _LONGEST_PAUSE)
                self._until = at + self._pause
            elif self._failures >= _FAILURES and at - self._since >= _SECONDS:
                self._pause, self._until = _FIRST_PAUSE, at + _FIRST_PAUSE
                self._changed(True)
