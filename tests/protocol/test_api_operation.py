"""What administrators see of a running server by the API: health, periodic jobs and settings."""

from __future__ import annotations

import time

import pytest

from tests.support.api import Api
from tests.support.people import People, basic
from tests.support.server import Registry, wait_for


@pytest.fixture(scope="module")
def ann(tmp_path_factory):
    """An administrator's client, and the server."""
    root = tmp_path_factory.mktemp("operation")
    with Registry(root / "data", 1, gc_interval=0, auth_registration="approval", auth_audit_days=7) as registry:
        people = People(registry)
        people.add("ann")
        people.command("user", "promote", "ann")
        with Api(registry.address, basic("ann")) as client:
            yield client


def job(client: Api, name: str) -> dict:
    found = client.get("/api/v1/jobs").expect(200).json()["items"]
    return {each["name"]: each for each in found}[name]


def test_a_job_that_does_not_run_by_itself_runs_when_asked(ann):
    assert job(ann, "collect")["started_at"] is None
    before = int(time.time() * 1000)
    ann.call("POST", "/jobs/collect/run").expect(204)
    wait_for(lambda: (job(ann, "collect")["ended_at"] or 0) >= before, 30, "the end of the job")
    found = job(ann, "collect")
    assert found["interval"] == 0 and found["failed"] is None and found["asked_at"] is None
    assert ann.call("POST", "/jobs/nothing/run").expect(404)


def test_settings_come_with_their_source(ann):
    found = {each["key"]: each for each in ann.get("/api/v1/settings").expect(200).json()["items"]}
    assert found["auth.audit_days"]["value"] == "7" and found["auth.audit_days"]["default"] == "0"
    assert found["auth.audit_days"]["source"] == "environment DOCKBOARD_AUTH_AUDIT_DAYS"
    assert found["mail.host"]["source"] == "default" and found["gc.grace"]["help"].startswith("seconds between")


def test_health_names_who_waits(ann):
    assert ann.get("/api/v1/health").expect(200).json()["waiting"] == 0
    body = {"name": "newcomer", "password": "staple battery horse 9"}
    ann.call("POST", "/registrations", body).expect(201)
    found = ann.get("/api/v1/health").expect(200).json()
    assert found["waiting"] == 1 and not found["well"] and found["certificate_ends_at"] is None
    disk = found["disks"][0]
    assert disk["name"] == "store" and 0 < disk["reserve"] < disk["free"] < disk["total"]
