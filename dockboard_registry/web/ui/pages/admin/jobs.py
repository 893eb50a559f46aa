"""/admin/jobs: the periodic jobs, and what they did."""

from .....domain import job_claims
from .....http.messages import Response
from .....wording import sized
from ....auth.permissions import ADMINISTRATOR
from ...route import Page
from ...visit import Visit
from .head import tabs

# Jobs with words that say what they do.
_SAID = (
    "deletions",
    "manifests",
    "manifest_facts",
    "keys",
    "audit",
    "failures",
    "sessions",
    "htpasswd",
    "repository_facts",
    "collect",
    "strays",
)


async def show(visit: Visit) -> Response:
    jobs = await job_claims.states(visit.services.db, visit.services.metrics.jobs.names)
    return visit.page(
        "admin/jobs.html",
        title=visit.t("admin.jobs"),
        tabs=tabs(visit),
        jobs=jobs,
        said={job.name: visit.t(f"jobs.what.{job.name}") for job in jobs if job.name in _SAID},
        done=[", ".join(_figure(visit, *figure) for figure in job.figures.items()) for job in jobs],
        refresh=5 if any(job.running or job.asked_at for job in jobs) else 0,
        alternate="/api/v1/jobs",
    )


def _figure(visit: Visit, name: str, count: int) -> str:
    return visit.t(f"jobs.figure.{name}", n=sized(count) if name == "bytes" else count)


async def run(visit: Visit) -> Response:
    name, services = visit.form.text("job"), visit.services
    await job_claims.ask(services.db, visit.asker.actor, name, services.metrics.jobs.names)
    return visit.redirect(visit.url("/admin/jobs"), "jobs.asked", name=name)


TABLE = (Page("/admin/jobs", ADMINISTRATOR, show, run, {"run": ("job",)}, private=True),)
