"""Results of periodic jobs (server/jobs.py), in a part of the worker's row on the board of metrics/__init__.py."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from .exposition import head, sample

JOBS = ("collect", "strays", "deletions", "keys", "audit", "failures", "htpasswd")
_RUNS, _FAILURES, _ENDED_AT, _FAILED_AT = range(4)
_EACH = 4
CELLS = len(JOBS) * _EACH


class JobMetrics:
    """Each worker has CELLS cells from bases[slot]; slot is this worker's. Times are seconds since 1970."""

    def __init__(self, cells: memoryview, bases: range, slot: int):
        self._cells, self._bases, self._base = cells, bases, bases[slot]

    def ended(self, job: str) -> None:
        """Record a run that succeeded."""
        self._note(job, _RUNS, _ENDED_AT)

    def failed(self, job: str) -> None:
        self._note(job, _FAILURES, _FAILED_AT)

    def _note(self, job: str, count: int, at: int) -> None:
        row = self._base + JOBS.index(job) * _EACH
        self._cells[row + count] += 1.0
        self._cells[row + at] = time.time()

    def _newest(self, cell: int) -> float:
        """The newest time of all workers."""
        return max(self._cells[base + cell] for base in self._bases)

    def _sum(self, cell: int) -> float:
        return sum(self._cells[base + cell] for base in self._bases)

    def failing(self) -> list[str]:
        """A sentence for each job whose last run, by any worker of this server, failed."""
        found = (
            (job, *(self._newest(number * _EACH + cell) for cell in (_ENDED_AT, _FAILED_AT)))
            for number, job in enumerate(JOBS)
        )
        return [
            f"the job {job} failed at {_moment(failed)}, see the log" for job, ended, failed in found if failed > ended
        ]

    def lines(self) -> Iterator[str]:
        """All workers' figures."""
        yield from head("job_runs_total", "counter", "Runs of periodic jobs that succeeded, by job.")
        yield from (
            sample("job_runs_total", self._sum(number * _EACH + _RUNS), job=job) for number, job in enumerate(JOBS)
        )
        yield from head("job_failures_total", "counter", "Runs of periodic jobs that failed, by job.")
        yield from (
            sample("job_failures_total", self._sum(number * _EACH + _FAILURES), job=job)
            for number, job in enumerate(JOBS)
        )
        yield from head(
            "job_last_success_timestamp_seconds",
            "gauge",
            "When a periodic job last succeeded; 0: not since the server was started.",
        )
        names = enumerate(JOBS)
        yield from (
            sample("job_last_success_timestamp_seconds", self._newest(number * _EACH + _ENDED_AT), job=job)
            for number, job in names
        )


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
