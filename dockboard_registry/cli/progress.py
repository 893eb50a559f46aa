"""Shows how far a long command is."""

import sys

BAR_WIDTH = 40


class Progress:
    """A bar on standard error if that is a terminal."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = -1

    def show(self, done: int, total: int) -> None:
        """Draw the bar when it has moved by at least one part in a thousand."""
        part = 1000 * done // total if total else 1000
        if not self._terminal or part == self._shown:
            return
        self._shown = part
        filled = "#" * (BAR_WIDTH * part // 1000)
        sys.stderr.write(f"\r[{filled:<{BAR_WIDTH}}] {part / 10:5.1f} %  {done:,} of {total:,}\x1b[K")
        sys.stderr.flush()

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown >= 0:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
