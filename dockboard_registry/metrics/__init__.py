"""Counters in memory that all workers share, so any worker answers for all. A restarted worker goes on counting.

The board is an array of doubles: one heartbeat for each slot, then one row of cells for each slot. Text format:
Prometheus exposition 0.0.4.
"""

import time
from bisect import bisect_left
from collections.abc import Sequence

from . import database, jobs, store
from .exposition import head, histogram, sample

SLOTS = 256
_BUCKETS = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)
ENDPOINTS = (
    "base",
    "catalog",
    "tags",
    "manifest",
    "blob",
    "uploads",
    "upload",
    "referrers",
    "health",
    "token",
    "v1",
    "api",
    "page",
    "unknown",
)
_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
_SINGLE = (
    ("in_flight", "gauge", "Requests being answered."),
    ("failures_total", "counter", "Requests that failed inside the server."),
    ("uploaded_bytes_total", "counter", "Bytes of blobs and manifests received."),
    ("gc_rounds_total", "counter", "Rounds of garbage collection finished."),
    ("gc_failures_total", "counter", "Rounds of garbage collection that failed."),
    ("gc_keys_total", "counter", "Stored keys deleted by garbage collection."),
    (
        "log_lines_dropped_total",
        "counter",
        "Lines of the log that workers dropped because standard error was not read.",
    ),
    ("gc_undeleted_total", "counter", "Stored keys that garbage collection could not delete, counted at each try."),
    (
        "memory_cut_total",
        "counter",
        "Connections that were cut off because they held memory for long while others needed it.",
    ),
    ("memory_refused_total", "counter", "Requests that found no room in memory for a body or an answer."),
    (
        "long_turns_total",
        "counter",
        "Turns of the event loop of more than 50 ms, in which all other requests of the worker waited.",
    ),
    (
        "untrusted_forwarding_total",
        "counter",
        "Requests with X-Forwarded-For or the like from addresses that are not in server.trusted_proxies.",
    ),
)
_REQUESTS = len(_SINGLE)
_SECONDS = _REQUESTS + len(ENDPOINTS) * len(_CLASSES)
_DATABASE = _SECONDS + len(ENDPOINTS) * (len(_BUCKETS) + 1)
_JOBS = _DATABASE + database.CELLS
_STORE = _JOBS + jobs.CELLS
_ROW = _STORE + store.CELLS
BOARD_SIZE = 8 * SLOTS * (1 + _ROW)


class Metrics:
    """One worker's row of the board. memory: BOARD_SIZE bytes, zero at first, shared between processes.

    job_names: the names of the periodic jobs.
    """

    def __init__(self, memory, slot: int, job_names: Sequence[str] = ()):
        self._cells = memoryview(memory).cast("d")
        self._slot = slot
        self._base = SLOTS + slot * _ROW
        self._cells[self._base] = 0.0
        # Of each endpoint: the cell before its first class, and that of its seconds.
        self._places = [
            (self._base + _REQUESTS + number * len(_CLASSES) - 1, self._base + _SECONDS + number * (len(_BUCKETS) + 1))
            for number in range(len(ENDPOINTS))
        ]
        self.database = database.DatabaseMetrics(self._cells, self._base + _DATABASE)
        self.store = store.StoreMetrics(self._cells, self._base + _STORE)
        rows = range(SLOTS + _JOBS, SLOTS + _JOBS + SLOTS * _ROW, _ROW)
        self.jobs = jobs.JobMetrics(self._cells, rows, slot, job_names)

    def beat(self) -> None:
        """Tell the supervisor that the loop works."""
        self._cells[self._slot] = time.monotonic()

    def begin(self) -> None:
        self._cells[self._base] += 1.0

    def failed(self) -> None:
        self._cells[self._base + 1] += 1

    def add(self, name: str, amount: float) -> None:
        """Add to one of the single counters."""
        self._cells[self._base + _SINGLE_AT[name]] += amount

    def first(self, name: str) -> bool:
        """Add one to a single counter. Returns whether it is the first one of all workers since the start."""
        seen = self._sum(_SINGLE_AT[name])
        self.add(name, 1.0)
        return seen == 0.0

    def end(self, endpoint, status: int, seconds: float) -> None:
        """Count one answered request of an endpoint."""
        cells = self._cells
        classes, row = self._places[endpoint.number]
        cells[self._base] -= 1.0
        cells[classes + status // 100] += 1.0
        cells[row] += seconds
        at = bisect_left(_BUCKETS, seconds)
        if at < len(_BUCKETS):
            cells[row + 1 + at] += 1.0

    def _sum(self, cell: int) -> float:
        return sum(self._cells[SLOTS + slot * _ROW + cell] for slot in range(SLOTS))

    def text(self) -> str:
        """All workers' sums in Prometheus' text format."""
        lines = []
        for cell, (name, kind, help) in enumerate(_SINGLE):
            lines += head(name, kind, help) + [sample(name, self._sum(cell))]
        lines += head("requests_total", "counter", "Requests answered, by endpoint and class of status.")
        for number, endpoint in enumerate(ENDPOINTS):
            for at, status in enumerate(_CLASSES):
                count = self._sum(_REQUESTS + number * len(_CLASSES) + at)
                lines.append(sample("requests_total", count, endpoint=endpoint, status=status))
        lines += head("request_seconds", "histogram", "Time from a request's header to the end of its answer.")
        for number, endpoint in enumerate(ENDPOINTS):
            lines += self._histogram(number, endpoint)
        lines += database.lines(lambda cell: self._sum(_DATABASE + cell))
        lines += store.lines(lambda cell: self._sum(_STORE + cell))
        lines += self.jobs.lines()
        return "\n".join(lines) + "\n"

    def _histogram(self, number: int, endpoint: str) -> list[str]:
        row = _SECONDS + number * (len(_BUCKETS) + 1)
        total = sum(self._sum(_REQUESTS + number * len(_CLASSES) + at) for at in range(len(_CLASSES)))
        counts = [(edge, self._sum(row + at)) for at, edge in enumerate(_BUCKETS, 1)]
        return histogram("request_seconds", counts, self._sum(row), total, endpoint=endpoint)


_SINGLE_AT = {name: at for at, (name, _, _) in enumerate(_SINGLE)}
