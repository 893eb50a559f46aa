"""The periodic jobs, each declared once.

Servers run each job when it is due (server/jobs.py), the metrics count its runs by its name, and the command `gc` runs
all of them once.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import NamedTuple

from .app import Services
from .config import GcConfig
from .domain.content.unfinished import UnfinishedManifests
from .domain.garbage.collect import GcReport
from .domain.garbage.deletion import Deletion

_HOUR, _DAY = 3600.0, 86400.0


class Removed(NamedTuple):
    """What a run removed.

    undeleted: how many stored keys it could not delete. why: the store's message for one of them.
    """

    report: GcReport = GcReport()
    undeleted: int = 0
    why: str = ""


class Job(NamedTuple):
    """name: also of its row in the database, which says who has claimed it, and of its metrics.

    interval: seconds between two runs, 0: never. limit: seconds that one run may take.
    rounds and failures: counters of its own (see metrics/__init__.py).
    of_store: it needs the registry's store, so a server that still has another one leaves it to others.
    log: the line for a run that removed something.
    """

    name: str
    interval: float
    limit: float
    work: Callable[[Services], Awaitable[Removed | None]]
    rounds: str = ""
    failures: str = ""
    log: str = "garbage collected"
    of_store: bool = False


def jobs(gc: GcConfig) -> tuple[Job, ...]:
    """All jobs. gc: the section of the configuration.

    The command `gc` runs them in this order: what the first ones give up is collected by those that follow.
    """
    # These jobs run without collecting too, and at least as often.
    tidying = min(gc.interval or _HOUR, _HOUR)
    return (
        Job("deletions", tidying, _HOUR, _finish_deletions),
        Job("manifests", tidying, _HOUR, _finish_manifests),
        Job("manifest_facts", tidying, _HOUR, _fill_facts),
        Job("keys", tidying, _HOUR, _rotate_keys),
        Job("audit", tidying, _HOUR, _trim_audit),
        Job("failures", tidying, _HOUR, _forget_failures),
        Job("sessions", tidying, _HOUR, _tidy_sessions),
        Job("htpasswd", tidying, _HOUR, _tidy_htpasswd),
        Job("repository_facts", _HOUR, _HOUR, _reconcile_repository_facts),
        Job(
            *("collect", gc.interval, max(gc.interval, _HOUR), _collect),
            *("gc_rounds_total", "gc_failures_total"),
            of_store=True,
        ),
        Job("strays", _DAY if gc.interval else 0.0, _DAY, _sweep_strays, of_store=True),
    )


async def run_all(gc: GcConfig, services: Services) -> Removed:
    """Run every job once, due or not. Raises what database and storage raise; it can be run again at any time."""
    return _sum([await job.work(services) or Removed() for job in jobs(gc)])


def _sum(removed: Iterable[Removed]) -> Removed:
    reports, undeleted, why = zip(*removed)
    return Removed(GcReport(*map(sum, zip(*reports))), sum(undeleted), next(filter(None, why), ""))


async def _finish_deletions(services: Services) -> None:
    """Delete what is left of repositories and organizations that were deleted."""
    await services.repository_deletion.purge()
    if await services.has_accounts():
        await services.people.organizations.forget()


async def _finish_manifests(services: Services) -> None:
    """Remove references of large manifests that were deleted, or whose push ended early."""
    await UnfinishedManifests(services.db.for_jobs()).remove_what_is_left()


async def _fill_facts(services: Services) -> None:
    """Store the facts of manifests that have none yet, and sort keys of tags."""
    await services.facts_filling.fill()


async def _rotate_keys(services: Services) -> None:
    """Make a new signing key if the newest one is old."""
    if await services.has_accounts():
        await services.people.rotate_keys()


async def _trim_audit(services: Services) -> None:
    """Delete entries of the audit that are older than auth.audit_days."""
    if await services.has_accounts():
        await services.people.trim_audit()


async def _forget_failures(services: Services) -> None:
    """Delete failed logins that no longer count."""
    if await services.has_accounts():
        await services.people.throttle.tidy()


async def _tidy_sessions(services: Services) -> None:
    """Delete sessions of browsers that have ended."""
    if await services.has_accounts():
        await services.people.sessions.tidy()


async def _tidy_htpasswd(services: Services) -> None:
    """Do what is due for hashes from htpasswd files."""
    if await services.has_accounts():
        await services.people.htpasswd.tidy()


async def _reconcile_repository_facts(services: Services) -> None:
    """Count again what lists of repositories show, where a change was missed."""
    await services.repository_facts.reconcile()


async def _collect(services: Services) -> Removed:
    report = await services.collector.collect()
    await services.db.compact()
    return _removed(report, services.collector.deletion)


async def _sweep_strays(services: Services) -> Removed:
    deletion = Deletion(services.db, services.storage)
    strays, freed = await services.collector.sweep_strays(deletion)
    return _removed(GcReport(strays=strays, bytes=freed), deletion)


def _removed(report: GcReport, deletion: Deletion) -> Removed:
    return Removed(report, deletion.undeleted, deletion.why)
