"""Which process of all nodes runs a periodic job, and what its last run did.

A row for each job says when it is due; the process that moves the time on runs the job.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from ..db import Database, Tx, now
from ..errors import AccountUnknown
from . import audit
from .audit import Actor
from .changes import recheck_rights

_MOST_TEXT = 400
_DUE = "SELECT name, due_at, asked_at FROM jobs"
_CLAIM = (
    "UPDATE jobs SET due_at = ?, claimed_by = ?, interval_ms = ?, started_at = ?, asked_at = NULL"
    " WHERE name = ? AND due_at = ? AND COALESCE(asked_at, 0) = ?"
)
_FIRST = "INSERT INTO jobs (name, due_at, claimed_by, interval_ms, started_at) VALUES (?, ?, ?, ?, ?)"
_SUCCEEDED = "UPDATE jobs SET ended_at = ?, figures = ?, failed = NULL, failures = 0 WHERE name = ?"
_FAILED = (
    "UPDATE jobs SET ended_at = ?, failed = ?, failures = COALESCE(failures, 0) + 1,"
    " due_at = CASE WHEN due_at > ? THEN ? ELSE due_at END WHERE name = ?"
)
_ASK = "UPDATE jobs SET asked_at = ? WHERE name = ?"
_ASK_FIRST = "INSERT INTO jobs (name, due_at, asked_at) VALUES (?, ?, ?)"
_LIST = "SELECT name, due_at, interval_ms, asked_at, started_at, ended_at, figures, failed, failures FROM jobs"


class JobState(NamedTuple):
    """A job and its last run. Times in milliseconds since 1970, None where it has not happened yet.

    interval_ms: 0 or None: it runs only when somebody asks. figures: what the last run that succeeded did. failed: why
    the last run failed, or None. failures: since the last success.
    """

    name: str
    due_at: int | None = None
    interval_ms: int | None = None
    asked_at: int | None = None
    started_at: int | None = None
    ended_at: int | None = None
    figures: Mapping[str, int] = {}
    failed: str | None = None
    failures: int = 0

    @property
    def running(self) -> bool:
        return self.started_at is not None and self.started_at > (self.ended_at or 0)

    @property
    def took_ms(self) -> int | None:
        """How long the last run took. None where there was none, or it has not ended."""
        known = self.started_at is not None and self.ended_at is not None and not self.running
        return self.ended_at - self.started_at if known else None


async def due(db: Database) -> Callable[[str, float], bool]:
    """Whether a job with this name and interval is to run now. One statement for all of them."""
    at, known = now(), {name: row for name, *row in await db.read(lambda tx: tx.all(_DUE))}
    return lambda name, interval: _may_run(known.get(name), interval, at)


def _may_run(row: Any, interval: float, at: int) -> bool:
    """row: due_at and asked_at of the job, None if it has none yet."""
    due_at, asked_at = row or (0, None)
    return asked_at is not None or (interval > 0 and due_at <= at)


async def claim(db: Database, name: str, interval: float, holder: str) -> bool:
    """True for the one process that is to run the job now.

    The job is due again after `interval` seconds; 0: only when somebody asks.
    """
    at = now()
    row = await db.read(lambda tx: tx.one("SELECT due_at, asked_at FROM jobs WHERE name = ?", name))
    if not _may_run(row, interval, at):
        return False
    every = int(interval * 1000)

    def change(tx: Tx) -> bool:
        if row is None:
            return tx.insert(_FIRST, name, at + every, holder, every, at)
        return tx.run(_CLAIM, at + every, holder, every, at, name, row[0], row[1] or 0) > 0

    return await db.write(change, durable=False, brings=0)


async def succeeded(db: Database, name: str, figures: Mapping[str, int]) -> None:
    """Record a run that ended well. figures: what it did."""
    text = json.dumps({key: value for key, value in figures.items() if value})
    await db.write(lambda tx: tx.run(_SUCCEEDED, now(), text[:_MOST_TEXT], name), durable=False, brings=0)


async def failed(db: Database, name: str, why: str, again: float) -> None:
    """Record a run that failed. It is due again after so many seconds, if that is sooner."""
    at = now()
    due_at = at + int(again * 1000)
    await db.write(lambda tx: tx.run(_FAILED, at, why[:_MOST_TEXT], due_at, due_at, name), durable=False, brings=0)


async def ask(db: Database, actor: Actor, name: str, known: Iterable[str]) -> None:
    """Have the job run as soon as a worker looks. known: the names of all jobs. Raises AccountUnknown."""
    if name not in known:
        raise AccountUnknown(f"there is no job {name}", "look it up in the list of jobs")

    def change(tx: Tx) -> None:
        recheck_rights(tx, actor)
        at = now()
        if not tx.run(_ASK, at, name):
            tx.insert(_ASK_FIRST, name, at, at)
        audit.note(tx, actor, "job.run", f"job {name}")

    await db.write(change, brings=0)


async def states(db: Database, known: Iterable[str]) -> list[JobState]:
    """The jobs of these names, in this order."""
    rows = {row[0]: _state(row) for row in await db.read(lambda tx: tx.all(_LIST))}
    return [rows.get(name) or JobState(name) for name in known]


def _state(row: tuple) -> JobState:
    name, due_at, interval, asked_at, started_at, ended_at, figures, failed, failures = row
    done = json.loads(figures) if figures else {}
    return JobState(name, due_at, interval, asked_at, started_at, ended_at, done, failed, failures or 0)
