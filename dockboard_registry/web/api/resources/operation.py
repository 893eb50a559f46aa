"""/health, /jobs and /settings: how the registry does, and how it is set."""

from typing import Any

from ....config import settings
from ....domain import job_claims
from ....domain.job_claims import JobState
from ...auth.permissions import ADMINISTRATOR
from ..kinds import Anything, ListOf, Record, Switch, Text, Whole
from ..operations import MOMENT, NAME, Answer, Call, Operation

_JOB = Record(
    "a periodic job and its last run",
    *(False, "Job"),
    {
        "name": NAME,
        "interval": Whole("seconds between two runs; 0: it runs only when somebody asks", True),
        "due_at": MOMENT.or_null(),
        "asked_at": MOMENT.said("since when somebody wants it to run").or_null(),
        "running": Switch(),
        "started_at": MOMENT.or_null(),
        "ended_at": MOMENT.or_null(),
        "figures": Anything("what the last run that succeeded did"),
        "failed": Text("why the last run failed; null: it did not", True, 400),
        "failures": Whole("failures since the last success"),
    },
)
_JOBS = Record("", False, "Jobs", {"items": ListOf("", False, _JOB)})
_ROOM = Record(
    "bytes of a disk",
    *(False, "Room"),
    {
        "name": Text("what is on it: store or database"),
        "total": Whole(),
        "free": Whole(),
        "reserve": Whole("what growing changes leave free"),
    },
)
_ENDING = Record("", False, "EndingSecret", {"robot": Text("ORG/NAME", False, 130), "ends_at": MOMENT})
_HEALTH = Record(
    "what administrators should look at",
    *(False, "Health"),
    {
        "well": Switch("there is nothing to look at"),
        "disks": ListOf("", False, _ROOM),
        "failing_jobs": ListOf("jobs whose last run failed", False, _JOB),
        "waiting": Whole("accounts that wait for approval"),
        "ending_secrets": ListOf("secrets of robot accounts that end within 30 days, the first ones", False, _ENDING),
        "certificate_ends_at": MOMENT.or_null(),
    },
)
_SETTING = Record(
    "an option in effect",
    *(False, "Setting"),
    {
        "key": Text("", False, 64),
        "value": Text("as the configuration file would have it, without secrets", False, 8000),
        "source": Text("default, flag, or the file or the name in the environment that set it", False, 4100),
        "default": Text("", False, 255),
        "help": Text("", False, 1000),
    },
)
_SETTINGS = Record("", False, "Settings", {"items": ListOf("", False, _SETTING)})


def _shown(job: JobState) -> dict[str, Any]:
    found = job._asdict()
    interval = found.pop("interval_ms")
    return found | {"running": job.running, "interval": None if interval is None else interval // 1000}


async def _health(call: Call) -> Answer:
    health = await call.people.health.look(_names(call))
    return Answer(
        200,
        {
            "well": health.well,
            "disks": [{"name": name, **room._asdict()} for name, room in health.rooms.items()],
            "failing_jobs": [_shown(job) for job in health.failing],
            "waiting": health.waiting,
            "ending_secrets": [ending._asdict() for ending in health.ending],
            "certificate_ends_at": health.certificate_ends_at,
        },
    )


def _names(call: Call) -> tuple[str, ...]:
    return call.services.metrics.jobs.names


async def _jobs(call: Call) -> Answer:
    return Answer(200, {"items": [_shown(job) for job in await job_claims.states(call.services.db, _names(call))]})


async def _run(call: Call) -> Answer:
    await job_claims.ask(call.services.db, call.actor, call.path["job"], _names(call))
    return Answer(204)


async def _settings(call: Call) -> Answer:
    return Answer(200, {"items": [setting._asdict() for setting in settings(call.services.config)]})


OPERATIONS = (
    Operation("GET", "/health", "getHealth", "What to look at", ADMINISTRATOR, _health, answer=_HEALTH),
    Operation("GET", "/jobs", "listJobs", "List the periodic jobs", ADMINISTRATOR, _jobs, answer=_JOBS),
    Operation("POST", "/jobs/{job}/run", "runJob", "Run a job within seconds, due or not", ADMINISTRATOR, _run, 204),
    Operation("GET", "/settings", "listSettings", "How the server is set", ADMINISTRATOR, _settings, answer=_SETTINGS),
)
