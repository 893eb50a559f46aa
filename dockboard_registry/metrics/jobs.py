"""Results of periodic jobs (periodic_jobs.py), in a part of the worker's row on the board of metrics/__init__.py."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from .exposition import head, sample

# Jobs that the board has room for.
MOST = 24
_RUNS, _FAILURES, _ENDED_AT, _FAILED_AT = range(4)
_EACH = 4
CELLS = MOST * _EACH


class JobMetrics:
    """Each worker has CELLS cells from bases[slot]; slot is this worker's. Times are seconds since 1970.

    names: of the jobs, the same ones in the same order in each worker, at most MOST.
    """

    def __init__(self, cells: memoryview, bases: range, slot: int, names: Sequence[str]):
        self._cells, self._bases, self._base = cells, bases, bases[slot]
        self.names = tuple(names)
        if len(self.names) > MOST:
            raise ValueError(f"the board has room for {MOST} jobs")

    def ended(self, job: str) -> None:
        """Record a run that succeeded."""
        self._note(job, _RUNS, _ENDED_AT)

    def failed(self, job: str) -> None:
        self._note(job, _FAILURES, _FAILED_AT)

    def _note(self, job: str, count: int, at: int) -> None:
        row = self._base + self.names.index(job) * _EACH
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
            for number, job in enumerate(self.names)
        )
        return [
            f"the job {job} failed at {_moment(failed)}, see the log" for job, ended, failed in found if failed > ended
        ]

    def lines(self) -> Iterator[str]:
        """All workers' figures."""
        help = "Runs of periodic jobs that succeeded, by job."
        yield from self._each("job_runs_total", "counter", help, self._sum, _RUNS)
        help = "Runs of periodic jobs that failed, by job."
        yield from self._each("job_failures_total", "counter", help, self._sum, _FAILURES)
        help = "When a periodic job last succeeded; 0: not since the server was started."
        yield from self._each("job_last_success_timestamp_seconds", "gauge", help, self._newest, _ENDED_AT)

    def _each(self, name: str, kind: str, help: str, figure: Callable[[int], float], cell: int) -> Iterator[str]:
        """One metric with a sample for each job."""
        yield from head(name, kind, help)
        for number, job in enumerate(self.names):
            yield sample(name, figure(number * _EACH + cell), job=job)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
