"""The document of the API is true: Schemathesis asks a running registry for all that it describes, with right and wrong
data.

Which operations there are, and what they take, the document has from the table that requests are routed and checked by;
what they answer is compared here, with each check that Schemathesis has.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dockboard_registry.web.api.document import made, statuses
from dockboard_registry.web.api.table import OPERATIONS
from tests.support.http import Client
from tests.support.people import People
from tests.support.rounds import rounds
from tests.support.server import Registry

SEED = 7
# 422 is for what only the domain can know, such as a password that is guessed first; 429 for many wrong ones.
CONFIGURATION = """\
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429"]
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """(registry, what each principal shows)"""
    root = tmp_path_factory.mktemp("document")
    settings = {"auth_anonymous": "push", "auth_organizations": "users", "log_access": "false"}
    with Registry(root / "data", 2, **settings) as registry:
        with Client(registry.address) as client:
            client.push_image("acme/app", "v1")
        people = People(registry)
        people.add("ann", "bob")
        for words in ("user promote ann", "org add acme --owner bob", "team add acme dev", "robot add acme/ci"):
            people.command(*words.split())
        shown = {
            name: ("--header", f"Authorization: Bearer {people.command('token', 'add', name, '--name', 'api')}")
            for name in ("ann", "bob")
        }
        yield registry, {**shown, "anonymous": ()}
    assert "Traceback" not in registry.log.read_text(), registry.tail()


@pytest.mark.parametrize(
    ("who", "phases", "examples"),
    [
        ("ann", "coverage", rounds(2, 40)),
        ("ann", "fuzzing,stateful", rounds(2, 40)),
        ("bob", "fuzzing", rounds(1, 40)),
        ("anonymous", "fuzzing", rounds(1, 40)),
    ],
)
def test_the_registry_does_what_its_document_says(world, tmp_path, who, phases, examples):
    registry, shown = world
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    (tmp_path / "openapi.json").write_text(json.dumps(document_for_tests(registry)))
    program = str(Path(sys.executable).with_name("schemathesis"))
    command = [program, "--config-file", "schemathesis.toml", "run", "openapi.json", "--url", f"{registry.url}/api/v1"]
    options = [
        "--seed",
        str(SEED),
        "--max-examples",
        str(examples),
        "--phases",
        phases,
        "--checks",
        "all",
        "--warnings",
        "off",
        "--no-color",
        "--no-shrink",
    ]
    done = subprocess.run(
        [*command, *options, *shown[who]],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=rounds(280, 20_000),
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert f"Tested: {len(OPERATIONS)}" in done.stdout or who != "ann"


def document_for_tests(registry) -> dict:
    """The one that is served, without Basic: Schemathesis shows wrong passwords by the dozen, and after ten of them
    logins have to wait.
    """
    with Client(registry.address) as client:
        document = client.get("/api/v1/openapi.json").expect(200).json()
    del document["components"]["securitySchemes"]["basic"]
    document["security"].remove({"basic": []})
    return document


def test_the_document_is_served_as_it_is_made(world):
    registry, _ = world
    with Client(registry.address) as client:
        answer = client.get("/api/v1/openapi.json", {"Authorization": "Basic wrong"}).expect(200)
    assert answer.json() == json.loads(json.dumps(made(OPERATIONS)))
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_document_describes_every_operation():
    document = made(OPERATIONS)
    found = {
        described["operationId"]: (path, method, described)
        for path, verbs in document["paths"].items()
        for method, described in verbs.items()
    }
    assert set(found) == {operation.id for operation in OPERATIONS} and len(found) == len(OPERATIONS)
    for operation in OPERATIONS:
        path, method, described = found[operation.id]
        assert (path, method.upper()) == (operation.path, operation.method)
        assert described["summary"] and set(described["responses"]) == {str(status) for status in statuses(operation)}
        assert {item["name"] for item in described["parameters"]} == {*operation.names, *operation.query}
        assert ("requestBody" in described) == (operation.body is not None)
        assert described.get("security", "login") == ([] if operation.permission.check is None else "login")
