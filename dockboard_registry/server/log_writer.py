"""Writes log lines in a thread, so that only this thread waits for a stalled reader of standard error."""

import contextlib
import os
import select
import signal
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterable

# At most so many bytes of lines wait for the reader.
LIMIT = 1 << 20
# So many bytes are written to a file at once. Where there is no room for them they are dropped together.
_JOINED = 256 << 10


class LogWriter:
    """Lines wait in a queue of bounded size. A line that finds no room is dropped. When there is room again, one line
    says how many were dropped.

    note: makes this line from their number. on_drop: is called for each dropped line. lasting: the thread waits for
    more lines, as in a worker; otherwise it ends when all are written, as in the supervisor, which forks.
    """

    def __init__(
        self,
        note: Callable[[int], bytes],
        on_drop: Callable[[int], None],
        lasting: bool,
        descriptor: int = 2,
        limit: int = LIMIT,
    ):
        self._note, self._on_drop, self._lasting = note, on_drop, lasting
        self._descriptor, self._limit = descriptor, limit
        # In a file no line of another process stands between lines that are written at once.
        self._joins = _is_file(descriptor)
        self._waiting: deque[bytes] = deque()
        self._size = self._dropped = 0
        self._running = False
        self._changed = threading.Condition()

    def put(self, pieces: Iterable[bytes]) -> None:
        """Take whole lines, joined to pieces. Each piece is written at once."""
        if self._joins:
            pieces = _joined(pieces)
        with self._changed:
            for piece in pieces:
                self._keep(piece)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="log", daemon=True).start()
            self._changed.notify_all()

    def _keep(self, piece: bytes) -> None:
        # After a first dropped line wait for room for many. Otherwise single lines would be left of many.
        room = self._limit // 2 if self._dropped else self._limit
        if self._size + len(piece) > room:
            lines = piece.count(b"\n")
            self._dropped += lines
            self._on_drop(lines)
            return
        self._tell_dropped()
        self._append(piece)

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._append(self._note(self._dropped))
            self._dropped = 0

    def _append(self, piece: bytes) -> None:
        self._waiting.append(piece)
        self._size += len(piece)

    def _run(self) -> None:
        # Other threads get the signals, as the one that waits for them in the supervisor.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while (piece := self._next()) is not None:
            # The error can't be logged: the reader is gone, or the disk is full.
            with contextlib.suppress(OSError):
                self._write(piece)
            with self._changed:
                self._waiting.popleft()
                self._size -= len(piece)

    def _next(self) -> bytes | None:
        """The next piece to write, which stays in the queue until it is written. None: the thread ends."""
        with self._changed:
            while not self._waiting:
                self._tell_dropped()
                if self._waiting:
                    break
                self._changed.notify_all()
                if not self._lasting:
                    self._running = False
                    return None
                self._changed.wait()
            return self._waiting[0]

    def _write(self, piece: bytes) -> None:
        while piece:
            try:
                piece = piece[os.write(self._descriptor, piece) :]
            except BlockingIOError:  # another program has set the shared descriptor to non-blocking
                select.select([], [self._descriptor], [])

    def settle(self, seconds: float) -> None:
        """Wait until all lines are written, for at most so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting, seconds)


def _joined(pieces: Iterable[bytes]) -> Iterable[bytes]:
    together, size = [], 0
    for piece in pieces:
        if size + len(piece) > _JOINED:
            yield b"".join(together)
            together, size = [], 0
        together.append(piece)
        size += len(piece)
    yield b"".join(together)


def _is_file(descriptor: int) -> bool:
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    except OSError:  # there is no such descriptor: nobody reads the log
        return False
