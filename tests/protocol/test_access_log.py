"""The access log says who asked: account, robot, and the id of the access token that was shown; never a secret."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.http import Client
from tests.support.people import PASSWORD, People, basic, bearer
from tests.support.server import Registry, wait_for


def who(registry: Registry, format: str, mark: str) -> str:
    """What the log says of the request whose query has this mark."""
    lines: list[str] = []

    def found() -> bool:
        lines[:] = [line for line in registry.log.read_text().splitlines() if f"ns={mark}" in line]
        return bool(lines)

    wait_for(found, 5, "a line of the access log")
    [line] = lines
    return json.loads(line)["who"] if format == "json" else line.rpartition(" ")[2]


@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("fast", [True, False])
def test_the_access_log_says_who(tmp_path, format, fast):
    with Registry(
        tmp_path / "data", workers=1, log_format=format, server_fast_paths=fast, auth_anonymous="pull"
    ) as registry:
        people = People(registry)
        people.add("ann")
        people.command("org", "add", "acme", "--owner", "ann")
        secret, robot = people.command("token", "add", "ann", "--name", "ci"), people.command("robot", "add", "acme/ci")
        signed, by_token = people.bearer(basic("ann")), people.bearer(basic("ann", secret))
        shown = {
            "password": (basic("ann"), "user:ann"),
            "secret": (basic("ann", secret), r"user:ann/token:\d+"),
            "robot": (basic("acme/ci", robot), r"robot:acme/ci/token:\d+|robot:acme/ci"),
            "signed": (signed, "user:ann"),
            "signed-for-a-secret": (by_token, r"user:ann/token:\d+"),
            "nobody": ({}, "-"),
            "wrong": (basic("ann", "wrong " + PASSWORD), "-"),
            "unknown": (basic("eve"), "-"),
        }
        with Client(registry.address) as client:
            for mark, (headers, _) in shown.items():
                for turn in range(2):
                    client.get(f"/v2/ann/app/tags/list?ns={mark}-{turn}", headers)
            client.get("/token?service=dockboard-registry&ns=at-token", basic("ann", secret)).expect(200)
            client.get("/api/v1/account?ns=at-api", bearer(secret)).expect(200, 400)
        for mark, (_, expected) in shown.items():
            for turn in range(2):
                assert re.fullmatch(expected, who(registry, format, f"{mark}-{turn}")), mark
        assert re.fullmatch(r"user:ann/token:\d+", who(registry, format, "at-token"))
        assert re.fullmatch(r"user:ann/token:\d+", who(registry, format, "at-api"))
        log = registry.log.read_text()
        assert not any(text in log for text in (secret, robot, signed["Authorization"][7:], PASSWORD))
