"""What the question of rights costs: a manifest GET with a token of the token server, and with an access token by
Basic, beside the same where there are no accounts and this machine may do everything.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.bench import push, wrk
from tests.bench.bench import Bench, Cost, connect
from tests.bench.content import IMAGE, image
from tests.bench.servers import Ours, Server, foreign_environment
from tests.support.people import People, basic

CONNECTIONS = 8
REPOSITORY = "bench/small"
BEARER, BASIC = "accounts: manifest GET by tag, Bearer token", "accounts: manifest GET by tag, access token by Basic"


class Commands:
    """A server of these measurements for tests.support.people."""

    def __init__(self, server: Server):
        self.root, self.address = Path(server.data), f"127.0.0.1:{server.port}"
        self._program = server.command()[:2]
        self._environment = {
            **foreign_environment(),
            **server.environment(),
            "DOCKBOARD_STORAGE_ROOT": str(server.data),
        }

    def prepare(self, *words: str, given: str = "") -> subprocess.CompletedProcess:
        return subprocess.run(
            [*self._program, *words], env=self._environment, input=given, capture_output=True, text=True, timeout=60
        )


def run(bench: Bench) -> None:
    """Both servers are alike but for the accounts of the second, where the repository is private."""
    with bench.servers(names=[Ours.name] * 2) as (open_to_all, theirs):
        content = image()
        for server in (open_to_all, theirs):
            with connect(server) as connection:
                push.image(connection, REPOSITORY, "v1", content)
        people = People(Commands(theirs))
        people.add("bench")
        secret = basic("bench", people.command("token", "add", "bench", "--name", "bench"))
        shown = {BEARER: people.bearer(secret, f"repository:{REPOSITORY}:pull"), BASIC: secret}
        for work, headers in shown.items():
            bench.say(work)
            _measure(bench, work, open_to_all, theirs, headers)


def _measure(bench: Bench, work: str, open_to_all: Server, theirs: Server, headers: dict[str, str]) -> None:
    seconds = 1 if bench.quick else 4
    for server in (open_to_all, theirs):
        _get(server, headers if server is theirs else {}, 1)
    for _ in range(bench.rounds):
        free, asked = _get(open_to_all, {}, seconds), _get(theirs, headers, seconds)
        bench.add(work, "CPU us/request without accounts", "ours", free)
        bench.add(work, "CPU us/request", "ours", asked)
        bench.add(work, "ratio", "ours", asked / free)


def _get(server: Server, headers: dict[str, str], seconds: int) -> float:
    """Microseconds of CPU for a request."""
    with Cost(server) as cost:
        load = wrk.get(
            server.address, f"/v2/{REPOSITORY}/manifests/v1", {"Accept": IMAGE, **headers}, CONNECTIONS, seconds
        )
    return cost.cpu / load.requests * 1e6
