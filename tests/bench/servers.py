"""The registries that are compared: ours and two releases of distribution, each started alone on a free port of
loopback.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import procs
from tests.support.server import registry_pyz

WORKERS = 2
START_SECONDS = 30

# What both releases ship as their example configuration, with the access log on (its default) and no health checks of
# the disk.
PEER_CONFIG = """\
version: 0.1
log:
  level: info
  fields: {{service: registry}}
storage:
  cache: {{blobdescriptor: inmemory}}
  filesystem: {{rootdirectory: {data}}}
  delete: {{enabled: true}}
http:
  addr: 127.0.0.1:{port}
  headers: {{X-Content-Type-Options: [nosniff]}}
"""


class MissingTool(Exception):
    """A program that the comparison needs is not installed."""


class Server:
    """One registry process tree with its own data directory. start() returns when it answers; stop() ends it."""

    name = ""
    label = ""
    context: ssl.SSLContext | None = None  # of its clients, where it speaks TLS

    def __init__(self, root: Path):
        self.root = root
        self.data = root / "data"
        self.log = root / "log"
        self.process: subprocess.Popen | None = None
        self.port = 0

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @property
    def pid(self) -> int:
        return self.process.pid

    def start(self) -> Server:
        self.spawn()
        self.wait("/v2/")
        return self

    def spawn(self) -> None:
        """Start the program without waiting; access and error logs go to one file on the same disk as the data."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.root,
                env={**foreign_environment(), **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait(self, path: str, headers: dict[str, str] | None = None) -> None:
        """Returns at the first 200 for the path; raises RuntimeError with the log's end when the server does not come
        up.
        """
        give_up = time.monotonic() + START_SECONDS
        while not answers(self, path, headers or {}):
            if self.process.poll() is not None or time.monotonic() > give_up:
                raise RuntimeError(f"{self.label} did not start: {self.log.read_text()[-800:]}")
            time.sleep(0.002)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to the tree if that did not help; the data stays."""
        if self.process is None:
            return
        family = procs.tree(self.process.pid)
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            for pid in family:
                os.kill(pid, 9)
            self.process.wait()
        self.process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def tree(self) -> list[int]:
        return procs.tree(self.pid)

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}


class Ours(Server):
    """registry.pyz with two workers and SQLite, every other setting as shipped.

    There may be more open uploads, because one address has a thousand of the slow ones, and a tenth is its share.
    """

    name = "ours"
    label = "registry.pyz"

    def command(self) -> list[str]:
        return [
            sys.executable,
            str(registry_pyz()),
            "serve",
            "--listen",
            f"127.0.0.1:{self.port}",
            "--data",
            str(self.data),
        ]

    def environment(self) -> dict[str, str]:
        return {
            "DOCKBOARD_SERVER_WORKERS": str(WORKERS),
            "DOCKBOARD_SERVER_OPEN_UPLOADS": "20000",
            "DOCKBOARD_LOG_ACCESS": "true",
        }


class OursMySQL(Ours):
    """The same on a MariaDB of its own, which syncs at each commit. The database's processes are not in tree()."""

    name = "ours-mysql"
    label = "registry.pyz on MariaDB"
    settings = (
        "--innodb-flush-log-at-trx-commit=1",
        "--innodb-log-file-size=256M",
        "--innodb-buffer-pool-size=512M",
        "--max-connections=200",
    )

    def start(self) -> Server:
        from tests.support.mariadb import MariaDB

        self._database = MariaDB(self.root / "mariadb", *self.settings).start()
        self._url = self._database.url(self._database.make())
        return super().start()

    def stop(self) -> None:
        super().stop()
        if self._database is not None:
            self._database.close()

    _database = None

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "DOCKBOARD_DATABASE_URL": self._url}


class Distribution(Server):
    """Distribution 3.1.1, the newest release."""

    name = "distribution"
    label = "distribution 3.1.1"

    def command(self) -> list[str]:
        return [self.program(), "serve", str(self._config())]

    def environment(self) -> dict[str, str]:
        return {"OTEL_TRACES_EXPORTER": "none"}  # else each request waits for a collector that is not there

    def program(self) -> str:
        return find_tool("registry", "github.com/distribution/distribution/v3/cmd/registry@v3.1.1")

    def _config(self) -> Path:
        path = self.root / "config.yml"
        path.write_text(PEER_CONFIG.format(data=self.data, port=self.port))
        return path


class Debian(Distribution):
    """Debian's package docker-registry, release 2.8.2."""

    name = "debian"
    label = "Debian docker-registry 2.8.2"

    def program(self) -> str:
        found = shutil.which("docker-registry")
        if not found:
            raise MissingTool("docker-registry is not installed: apt-get install docker-registry")
        return found


# What tests/bench compares; OursMySQL is compared with Ours only, and servers_other.py has those for a few
# measurements.
ALL = {kind.name: kind for kind in (Ours, Distribution, Debian)}
LABELS = {**{name: kind.label for name, kind in ALL.items()}, "nginx": "nginx", "floor": "receive, hash, write"}


def find_tool(name: str, package: str) -> str:
    """A Go program from DOCKBOARD_TESTS_TOOLS, the cache of test tools, or PATH."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    places = [
        os.environ.get("DOCKBOARD_TESTS_TOOLS", ""),
        str(cache / "dockboard-registry" / "bin"),
        os.environ["PATH"],
    ]
    found = shutil.which(name, path=os.pathsep.join(place for place in places if place))
    if not found:
        raise MissingTool(
            f"{name} is not installed: go install {package}, into a directory that DOCKBOARD_TESTS_TOOLS names"
        )
    return found


def foreign_environment() -> dict[str, str]:
    """The environment without the settings of a registry of ours that a developer may have set."""
    return {name: value for name, value in os.environ.items() if not name.startswith("DOCKBOARD_")}


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def answers(server: Server, path: str, headers: dict[str, str]) -> bool:
    connection = http.client.HTTPConnection(*server.address, timeout=5)
    if server.context:
        connection = http.client.HTTPSConnection(*server.address, timeout=5, context=server.context)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
