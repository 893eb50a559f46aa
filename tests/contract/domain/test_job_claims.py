"""What is kept of periodic jobs: who may run one, when it runs because somebody asked, and what its last run did."""

import pytest

from dockboard_registry.domain import job_claims
from dockboard_registry.domain.audit import Actor
from dockboard_registry.errors import AccountUnknown
from tests.contract.aio import asynchronous
from tests.contract.domain.placement import everywhere

ACTOR, NAMES, LONG = Actor("user ann", "127.0.0.1"), ("collect", "strays"), 3600.0


async def state(process, name: str = "collect") -> job_claims.JobState:
    return {job.name: job for job in await job_claims.states(process.db, NAMES)}[name]


@everywhere
@asynchronous
async def test_the_last_run_is_kept(process):
    assert await state(process) == job_claims.JobState("collect")
    assert await job_claims.claim(process.db, "collect", LONG, "me")
    found = await state(process)
    assert found.running and found.interval_ms == 3600_000 and found.due_at == found.started_at + 3600_000
    await process.db.write(lambda tx: tx.run("UPDATE jobs SET started_at = started_at - 5"))
    await job_claims.succeeded(process.db, "collect", {"keys": 3, "strays": 0})
    found = await state(process)
    assert not found.running and found.figures == {"keys": 3} and found.failed is None and found.failures == 0


@everywhere
@asynchronous
async def test_a_failure_is_named_until_a_run_succeeds(process):
    await job_claims.claim(process.db, "collect", LONG, "me")
    await job_claims.succeeded(process.db, "collect", {"keys": 3})
    for _ in range(2):
        await job_claims.failed(process.db, "collect", "the database is busy", 600)
    found = await state(process)
    assert found.failed == "the database is busy" and found.failures == 2 and found.figures == {"keys": 3}
    assert found.due_at <= found.ended_at + 600_000
    await job_claims.succeeded(process.db, "collect", {})
    found = await state(process)
    assert found.failed is None and found.failures == 0 and found.figures == {}


@everywhere
@asynchronous
async def test_a_job_runs_once_because_somebody_asked(process, other):
    await job_claims.claim(process.db, "collect", LONG, "me")
    assert not (await job_claims.due(process.db))("collect", LONG)
    await job_claims.ask(process.db, ACTOR, "collect", NAMES)
    assert (await job_claims.due(process.db))("collect", LONG) and (await state(process)).asked_at is not None
    assert await job_claims.claim(other.db, "collect", LONG, "other")
    assert not await job_claims.claim(process.db, "collect", LONG, "me")
    assert not (await job_claims.due(process.db))("collect", LONG)
    assert [event.action for event in await process.audit.list()] == ["job.run"]


@everywhere
@asynchronous
async def test_a_job_without_an_interval_runs_when_somebody_asks(process):
    assert not await job_claims.claim(process.db, "strays", 0, "me")
    assert not (await job_claims.due(process.db))("strays", 0)
    await job_claims.ask(process.db, ACTOR, "strays", NAMES)
    assert await job_claims.claim(process.db, "strays", 0, "me")
    assert not await job_claims.claim(process.db, "strays", 0, "me")
    assert (await job_claims.due(process.db))("strays", LONG), "it is due where an interval is set later"
    with pytest.raises(AccountUnknown):
        await job_claims.ask(process.db, ACTOR, "none", NAMES)
