"""Periodic jobs when something is wrong with one of them: it says so, and nothing else waits for it."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.faults.tracing import Strace
from tests.support import tools
from tests.support.http import Client
from tests.support.mariadb import MariaDB
from tests.support.people import PASSWORD, As, People, basic
from tests.support.server import Registry, free_port, registry_pyz, wait_for

REPOSITORY = "jobs/app"
FIRST_LOOK = 40


def changed(registry: Registry, sql: str) -> None:
    with sqlite3.connect(registry.root / "registry.db", timeout=30) as database:
        database.execute(sql)
    database.close()


def files(registry: Registry) -> set[Path]:
    return {path for path in (registry.root / "blobs").rglob("*") if path.is_file()}


def test_a_file_that_cannot_be_deleted_holds_up_no_other(tmp_path):
    tools.need("strace")
    with (
        Registry(tmp_path / "data", workers=1, gc_interval=1, gc_grace=0, gc_lease=86400) as registry,
        Client(registry.address) as client,
    ):
        for _ in range(8):
            client.push_blob(REPOSITORY, os.urandom(50_000))
        stuck = sorted(files(registry))[0]
        with Strace(
            registry.workers()[0],
            tmp_path / "strace.log",
            "-P",
            str(stuck),
            "-e",
            "trace=unlink",
            "-e",
            "inject=unlink:error=EPERM",
        ):
            changed(registry, "UPDATE repository_blobs SET leased_at = 0")
            wait_for(lambda: files(registry) == {stuck}, FIRST_LOOK, "the end of the other files")
            registry.logged("1 stored files can't be deleted", 2, 30)
            assert client.get("/readyz").expect(200).body == b"ok\n"
        wait_for(lambda: not files(registry), 30, "the end of the last file")
        assert str(stuck) not in registry.logged("Operation not permitted")


def test_the_command_tells_of_a_file_that_cannot_be_deleted(tmp_path):
    tools.need("strace")
    settings = {"gc_interval": 0, "gc_grace": 0, "gc_lease": 0}
    registry = Registry(tmp_path / "data", workers=1, **settings)
    with registry, Client(registry.address) as client:
        for _ in range(3):
            client.push_blob(REPOSITORY, os.urandom(50_000))
    stuck = sorted(files(registry))[0]
    traced = [
        "strace",
        "-f",
        "-o",
        str(tmp_path / "strace.log"),
        "-P",
        str(stuck),
        "-e",
        "trace=unlink",
        "-e",
        "inject=unlink:error=EIO",
    ]
    done = Registry(tmp_path / "data", workers=1, prefix=traced, **settings).run("gc")
    assert done.returncode == 0 and files(registry) == {stuck}
    assert "1 stored file can't be deleted: Input/output error" in done.stderr
    assert registry.run("gc").returncode == 0 and not files(registry)


def test_a_job_that_fails_is_named_and_the_others_go_on(tmp_path):
    metrics = f"127.0.0.1:{free_port()}"
    with (
        Registry(tmp_path / "data", workers=1, gc_interval=1, metrics_listen=metrics) as registry,
        Client(registry.address) as client,
    ):
        People(registry).add("ann")
        changed(registry, "ALTER TABLE failures RENAME TO failures_gone")
        wait_for(
            lambda: b"the job failures failed at" in client.get("/readyz").expect(200).body, FIRST_LOOK, "the failure"
        )
        registry.logged("the job failures failed and is tried again")
        assert value(metrics, 'job_failures_total{job="failures"}') >= 1
        before = value(metrics, 'job_runs_total{job="collect"}')
        wait_for(lambda: value(metrics, 'job_runs_total{job="collect"}') > before, 20, "the next round")
        wait_for(lambda: value(metrics, 'job_runs_total{job="strays"}') == 1, 20, "the search for strays")
        assert value(metrics, 'job_failures_total{job="collect"}') == 0
        changed(registry, "ALTER TABLE failures_gone RENAME TO failures")
        wait_for(lambda: client.get("/readyz").body == b"ok\n", 20, "the next run of the job")


def value(address: str, name: str) -> float:
    with Client(address) as client:
        text = client.get("/metrics").expect(200).body.decode()
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(f"dockboard_{name} ")))


def test_without_collecting_keys_are_renewed_and_the_audit_is_trimmed(tmp_path):
    with Registry(tmp_path / "data", workers=2, gc_interval=0, auth_audit_days=1) as registry:
        people = People(registry)
        people.add("bob")
        people.bearer(basic("bob"), "repository:bob/app:pull")
        changed(registry, "UPDATE signing_keys SET created_at = 0")
        changed(registry, "UPDATE audit SET id = 1 WHERE action = 'user.add'")
        wait_for(lambda: "key.rotate" in people.command("audit"), FIRST_LOOK, "another key")
        wait_for(lambda: "user.add" not in people.command("audit"), 20, "the end of old changes")


def stored(source: Path) -> bytes:
    """The same program, in an archive where everything lies elsewhere."""
    other = source.with_suffix(".other")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(other, "w", zipfile.ZIP_STORED) as new:
        new.writestr("dockboard_registry/another.txt", "x" * 100_000)
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return other.read_bytes()


@pytest.mark.parametrize("way", ["overwritten", "renamed"])
def test_a_server_goes_on_when_its_program_is_replaced(tmp_path, way):
    """Nothing of accounts, the API or logins was used before, so all of it is imported
    after the file is another one.
    """
    metrics = f"127.0.0.1:{free_port()}"
    program, launcher = tmp_path / "registry.pyz", tmp_path / "python"
    program.write_bytes(registry_pyz().read_bytes())
    launcher.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} {program} "$@"\n')
    launcher.chmod(0o755)
    registry = Registry(tmp_path / "data", workers=2, python=str(launcher), gc_interval=1, metrics_listen=metrics)
    with registry, Client(registry.address) as client:
        replaced = stored(program)
        if way == "renamed":
            (tmp_path / "new").write_bytes(replaced)
            os.replace(tmp_path / "new", program)
        else:
            program.write_bytes(replaced)
        client.push_image("anybody/app", "v1")
        people = People(registry)
        people.add("ann")
        with As(registry.address, basic("ann", PASSWORD)) as ann:
            assert ann.get("/api/v1/account").expect(200).json()["name"] == "ann"
            ann.get("/api/v1/openapi.json").expect(200)
            ann.push_image("ann/app", "v1", [os.urandom(50_000)])
        people.bearer(basic("ann"), "repository:ann/app:pull")
        for job in (
            "collect",
            "strays",
            "deletions",
            "manifests",
            "manifest_facts",
            "keys",
            "audit",
            "failures",
            "htpasswd",
            "repository_facts",
        ):
            wait_for(lambda: value(metrics, f'job_runs_total{{job="{job}"}}') >= 1, FIRST_LOOK, job)
        assert registry.run("check").returncode == 0
        assert client.get("/readyz").body == b"ok\n"
    assert "Traceback" not in registry.log.read_text() and "ImportError" not in registry.log.read_text()


@pytest.mark.alone
def test_readiness_is_answered_soon_when_the_database_hangs(tmp_path):
    with (
        MariaDB(tmp_path / "mariadb") as server,
        Registry(tmp_path / "data", workers=1, database_url=server.url(server.make())) as registry,
        Client(registry.address) as client,
    ):
        client.get("/readyz").expect(200)
        server.pause()
        try:
            for _ in range(3):
                begun = time.monotonic()
                answer = client.get("/readyz").expect(503)
                assert time.monotonic() - begun < 2.0
                assert "the database does not answer" in answer.body.decode()
        finally:
            server.go_on()
        wait_for(lambda: client.get("/readyz").status == 200, 20, "the database")
