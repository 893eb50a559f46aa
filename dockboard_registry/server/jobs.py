"""Periodic jobs of a running server.

Each fails alone: its failure is logged and counted, `/readyz` names it, it is tried again, and the others go on.
"""

import asyncio
import logging

from ..app import Services
from ..clients import Client, current_client
from ..config import Config
from ..db import DatabaseBusy, DatabaseFailed, DatabaseFull
from ..domain import job_claims, settings
from ..metrics import Metrics
from ..periodic_jobs import Job, Removed, jobs
from ..storage import StorageError
from ..web.face import as_registry_error

_log = logging.getLogger("dockboard.jobs")
_SETTLE_SECONDS, _LOOK_SECONDS = 0.5, 10.0
# A job that failed is tried again after so many seconds, unless it is due sooner.
_AGAIN_SECONDS = 600.0
_FAILURES = (DatabaseBusy, DatabaseFull, DatabaseFailed, StorageError)


class Jobs:
    """One worker's share: a job is run by whichever worker of all nodes claims it first.

    holder: who that is, for the database.
    """

    def __init__(self, services: Services, config: Config, metrics: Metrics, holder: str):
        self._services, self._metrics, self._holder = services, metrics, holder
        self._all = jobs(config.gc)
        collecting = config.gc.interval
        self._pause = min(max(collecting, 1.0), _LOOK_SECONDS) if collecting else _LOOK_SECONDS
        self._running: set[str] = set()

    async def run(self) -> None:
        """Look for due jobs and run them, until cancelled."""
        await asyncio.sleep(_SETTLE_SECONDS)
        await self._prepare()
        async with asyncio.TaskGroup() as running:
            while True:
                await asyncio.sleep(self._pause)
                await self._prepare()
                await self._begin_due(running)

    async def _prepare(self) -> None:
        """Prepare for logins. If that fails, the first login does the rest."""
        try:
            await self._services.prepare()
        except (DatabaseBusy, DatabaseFull, DatabaseFailed) as error:
            _log.debug("logins are not prepared: %s", error)
        except Exception:
            _log.exception("can't prepare for logins")

    async def _begin_due(self, running: asyncio.TaskGroup) -> None:
        try:
            for job in await self._due():
                if await job_claims.claim(self._services.db, job.name, job.interval, self._holder):
                    self._running.add(job.name)
                    running.create_task(self._run(job))
        except _FAILURES as error:
            _log.warning("can't read which jobs are due; trying again: %s", error)
        except Exception:
            _log.exception("can't read which jobs are due; trying again")

    async def _due(self) -> list[Job]:
        """The jobs that this server may run now."""
        due = await job_claims.due(self._services.db)
        found = [job for job in self._all if job.name not in self._running and due(job.name, job.interval)]
        has_moved = any(job.of_store for job in found) and await settings.has_moved(
            self._services.db, self._services.store_id
        )
        return [job for job in found if not (has_moved and job.of_store)]

    async def _run(self, job: Job) -> None:
        current_client.set(Client(f"job {job.name}"))
        try:
            async with asyncio.timeout(job.limit):
                removed = await job.work(self._services)
            await self._succeeded(job, removed or Removed())
        except TimeoutError:
            await self._failed(job, f"it took longer than {job.limit:.0f} s")
        except _FAILURES as error:
            await self._failed(job, as_registry_error(error).cause, str(error))
        except Exception as error:
            _log.exception("the job %s failed", job.name)
            await self._failed(job, f"a fault of the program: {type(error).__name__}")
        finally:
            self._running.discard(job.name)

    async def _failed(self, job: Job, why: str, detail: str = "") -> None:
        """why: also for the list of jobs. detail: for the log alone, because it may have names of files."""
        _log.warning("the job %s failed and is tried again: %s", job.name, detail or why)
        try:
            self._metrics.jobs.failed(job.name)
            if job.failures:
                self._metrics.add(job.failures, 1)
            await job_claims.failed(self._services.db, job.name, why, min(job.interval, _AGAIN_SECONDS))
        except Exception as error:
            _log.warning("the job %s will be tried again later: %s", job.name, error)

    async def _succeeded(self, job: Job, removed: Removed) -> None:
        self._metrics.jobs.ended(job.name)
        if job.rounds:
            self._metrics.add(job.rounds, 1)
        self._metrics.add("gc_keys_total", removed.report.keys + removed.report.strays)
        if any(removed.report):
            _log.info(job.log, extra=removed.report._asdict())
        if removed.undeleted:
            self._metrics.add("gc_undeleted_total", removed.undeleted)
            _log.warning("%d stored files can't be deleted and are tried again: %s", removed.undeleted, removed.why)
        figures = removed.report._asdict() | {"undeleted": removed.undeleted}
        try:
            await job_claims.succeeded(self._services.db, job.name, figures)
        except _FAILURES as error:
            _log.debug("the end of the job %s is not recorded: %s", job.name, error)
