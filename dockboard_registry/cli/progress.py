"""Shows how far a long command is."""

import sys
import time

from ..wording import counted, sized

BAR_WIDTH = 40
# Seconds between two figures of BytesProgress.
_TERMINAL_SECONDS, _LINE_SECONDS = 0.25, 60.0


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


class BytesProgress(Progress):
    """The same for bytes, with their rate. If standard error is no terminal, it has a line a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._begun = self._told = time.monotonic()

    def show(self, done: int, total: int) -> None:
        at = time.monotonic()
        if at - self._told < (_TERMINAL_SECONDS if self._terminal else _LINE_SECONDS):
            return
        self._told, rate = at, done / (at - self._begun)
        line = f"{sized(done)} of {sized(total)}, {sized(int(rate))} a second"
        line += f", {counted(round((total - done) / rate / 60), 'minute')} left" if rate else ""
        part = done / total if total else 1.0
        if not self._terminal:
            print(f"registry: {100 * part:.1f} %: {line}", file=sys.stderr, flush=True)
            return
        self._shown = 0
        sys.stderr.write(f"\r[{'#' * int(BAR_WIDTH * part):<{BAR_WIDTH}}] {100 * part:5.1f} %  {line}\x1b[K")
        sys.stderr.flush()
