"""What clients tried, written down before they sent it, and what the registry acknowledged.

Every thing that a registry promises to keep is a cell: a blob or a manifest of a repository (present or not) and a
tag (a digest or nothing). A cell is a linearizable register, so after a fault it may hold the value of any operation
that no later acknowledged operation has overwritten: the last acknowledged one, or one whose answer never came.
"""

import itertools
import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.support.http import Response, digest_of

ABSENT = None
"""The value of a cell whose object is not there."""


class Key(NamedTuple):
    """Names a cell; `kind` is blob, manifest or tag, `name` a digest or a tag."""

    kind: str
    repository: str
    name: str


@dataclass(frozen=True)
class Content:
    """Reproducible bytes of a layer or config, so that a journal need not hold them.

    >>> Content(7, 1000).data() == Content(7, 1000).data()
    True
    """

    seed: int
    size: int

    def data(self) -> bytes:
        return random.Random(self.seed).randbytes(self.size)


class Refused(Exception):
    """The registry said no (4xx): nothing may have changed."""

    def __init__(self, response: Response):
        super().__init__(f"{response.method} {response.path}: {response.status} {response.body[:500]!r}")
        self.status = response.status


@dataclass(eq=False)
class Attempt:
    """One request that changes cells; `ended` is None while no answer and no closed connection was seen."""

    what: str
    changes: dict[Key, str | None]
    started: int
    ended: int | None = None
    acknowledged: bool = False


class Cell:
    """The attempts that may still decide what this cell holds; the oldest is always an acknowledged one."""

    def __init__(self, key: Key):
        self.key = key
        self.attempts = [Attempt("never written", {key: ABSENT}, 0, 0, True)]

    def allowed(self) -> set[str | None]:
        return {attempt.changes[self.key] for attempt in self.attempts}

    def prune(self) -> None:
        """Forget what an acknowledged later attempt has overwritten for sure."""
        newest = max((a.started for a in self.attempts if a.acknowledged), default=0)
        self.attempts = [a for a in self.attempts if a.ended is None or a.ended >= newest]

    def story(self) -> str:
        return "; ".join(f"{a.what} -> {'acknowledged' if a.acknowledged else 'no answer'}" for a in self.attempts)


@dataclass
class Journal:
    """Thread-safe record of one history; `path` gets one JSON line per event for reading after a failure."""

    path: Path
    seed: int = 1
    cells: dict[Key, Cell] = field(default_factory=dict)
    contents: dict[str, Content | bytes] = field(default_factory=dict)
    touched: set[Key] = field(default_factory=set)
    acknowledged: int = 0
    unanswered: int = 0
    frozen: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._clock = itertools.count(1)
        self._seeds = itertools.count(self.seed * 1_000_000)
        self._file = self.path.open("a", encoding="utf-8")

    def new_content(self, size: int) -> tuple[str, bytes]:
        """Make bytes nobody has pushed yet; returns (digest, bytes)."""
        with self._lock:
            content = Content(next(self._seeds), size)
        data = content.data()
        return self.remember(data, content), data

    def remember(self, data: bytes, content: Content | None = None) -> str:
        """Keep what a digest stands for, so that the verifier can compare byte for byte."""
        digest = digest_of(data)
        with self._lock:
            self.contents[digest] = content or data
        return digest

    def bytes_of(self, digest: str) -> bytes:
        held = self.contents[digest]
        return held.data() if isinstance(held, Content) else held

    @contextmanager
    def attempt(self, what: str, changes: dict[Key, str | None]) -> Iterator[None]:
        """Wrap exactly one request: leaving normally means acknowledged, Refused means nothing changed,
        any other exception means that nobody knows."""
        attempt = self._begin(what, changes)
        try:
            yield
        except Refused:
            self._end(attempt, "refused", self._drop)
            raise
        except BaseException:
            self._end(attempt, "no answer", self._lose)
            raise
        self._end(attempt, "acknowledged", self._acknowledge)

    def freeze(self) -> None:
        """From here on an acknowledgement counts as no answer: the power is about to go."""
        with self._lock:
            self.frozen = True

    def thaw(self) -> None:
        with self._lock:
            self.frozen = False

    def observe(self, key: Key, value: str | None) -> None:
        """The verifier has read this value after the fault: it may not change again by itself."""
        with self._lock:
            now = next(self._clock)
            self.cells[key].attempts = [Attempt("read back", {key: value}, now, now, True)]

    def allowed(self, key: Key) -> set[str | None]:
        with self._lock:
            return self.cells[key].allowed() if key in self.cells else {ABSENT}

    def keys(self, kind: str, among: Iterable[Key] | None = None) -> list[Key]:
        with self._lock:
            return [key for key in (self.cells if among is None else among) if key.kind == kind]

    def story(self, key: Key) -> str:
        with self._lock:
            return self.cells[key].story()

    def take_touched(self) -> set[Key]:
        """The keys tried since the last call."""
        with self._lock:
            touched, self.touched = self.touched, set()
            return touched

    def _begin(self, what: str, changes: dict[Key, str | None]) -> Attempt:
        with self._lock:
            attempt = Attempt(what, changes, next(self._clock))
            self._write("try", attempt)
            for key in changes:
                self.cells.setdefault(key, Cell(key)).attempts.append(attempt)
                self.touched.add(key)
            return attempt

    def _end(self, attempt: Attempt, outcome: str, apply: Callable[[Attempt], None]) -> None:
        with self._lock:
            attempt.ended = next(self._clock)
            self._write(outcome, attempt)
            apply(attempt)

    def _acknowledge(self, attempt: Attempt) -> None:
        if self.frozen:
            return self._lose(attempt)
        attempt.acknowledged = True
        self.acknowledged += 1
        for key in attempt.changes:
            self.cells[key].prune()

    def _lose(self, attempt: Attempt) -> None:
        self.unanswered += 1

    def _drop(self, attempt: Attempt) -> None:
        for key in attempt.changes:
            self.cells[key].attempts.remove(attempt)

    def _write(self, event: str, attempt: Attempt) -> None:
        changes = [[*key, value] for key, value in attempt.changes.items()]
        self._file.write(
            json.dumps({"time": time.time(), "event": event, "what": attempt.what, "changes": changes}) + "\n"
        )
        self._file.flush()
