"""What the database layer reports (db/observer.py), in a part of the worker's row on the board."""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator

from ..db import CAUSES, KINDS, PoolUse
from .exposition import head, histogram, sample

_EDGES = (0.0001, 0.0005, 0.002, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0)
# Of each kind: the pool's four gauges, a count for every edge and one above them, seconds. Then the retries by cause,
# and the unknown outcomes.
_GAUGES = (
    ("connections_limit", "Connections to the database that may be open, by pool."),
    ("connections_open", "Connections to the database that are open."),
    ("connections_busy", "Connections to the database that work."),
    ("waiting", "Work for the database that waits for a connection."),
)
_COUNTS = len(_GAUGES)
_SECONDS = _COUNTS + len(_EDGES) + 1
_KIND = _SECONDS + 1
_RETRIES = len(KINDS) * _KIND
_UNKNOWN = _RETRIES + len(CAUSES)
CELLS = _UNKNOWN + 1


class DatabaseMetrics:
    """An Observer over CELLS cells from `base`.

    Only the worker's loop reports times and pools; any thread reports the rest.
    """

    def __init__(self, cells: memoryview, base: int):
        self._cells, self._base = cells, base
        self._lock = threading.Lock()
        self.pools([])

    def timer(self, kind: str) -> Callable[[float], None]:
        cells, row = self._cells, self._base + KINDS.index(kind) * _KIND
        first, total = row + _COUNTS, row + _SECONDS

        def count(seconds: float) -> None:
            cells[first + bisect_left(_EDGES, seconds)] += 1.0
            cells[total] += seconds

        return count

    def retried(self, cause: str) -> None:
        self._add(_RETRIES + CAUSES.index(cause))

    def outcome_unknown(self) -> None:
        self._add(_UNKNOWN)

    def _add(self, cell: int) -> None:
        with self._lock:
            self._cells[self._base + cell] += 1.0

    def pools(self, uses: list[PoolUse]) -> None:
        """How the pools are used now. A restarted worker has none at first."""
        found = {kind: values for kind, *values in uses}
        for number, kind in enumerate(KINDS):
            row = self._base + number * _KIND
            for at, value in enumerate(found.get(kind, (0,) * len(_GAUGES))):
                self._cells[row + at] = value


def lines(sum_of: Callable[[int], float]) -> Iterator[str]:
    """All workers' figures. sum_of(cell) adds up one cell of all. There are pools only if connections are limited."""
    pooled = [(kind, number * _KIND) for number, kind in enumerate(KINDS) if sum_of(number * _KIND)]
    for at, (name, help) in enumerate(_GAUGES):
        yield from head(f"database_{name}", "gauge", help)
        yield from (sample(f"database_{name}", sum_of(row + at), pool=kind) for kind, row in pooled)
    yield from head(
        "database_seconds", "histogram", "Time from asking the database to its answer, waiting and retries included."
    )
    for number, kind in enumerate(KINDS):
        row = number * _KIND
        counts = [sum_of(row + _COUNTS + at) for at in range(len(_EDGES) + 1)]
        yield from histogram("database_seconds", zip(_EDGES, counts), sum_of(row + _SECONDS), sum(counts), kind=kind)
    yield from head("database_retries_total", "counter", "Work for the database that was run again, by cause.")
    yield from (sample("database_retries_total", sum_of(_RETRIES + at), cause=cause) for at, cause in enumerate(CAUSES))
    yield from head(
        "database_unknown_outcomes_total", "counter", "Writes whose connection was lost while COMMIT was under way."
    )
    yield sample("database_unknown_outcomes_total", sum_of(_UNKNOWN))
