"""Start the registry that users run: registry.pyz, as processes, on a free port of 127.0.0.1."""

from __future__ import annotations

import atexit
import functools
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support import forked

REPOSITORY = Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 60
LISTENING = re.compile(r"^Listening on (https?)://(\S+):(\d+)$", re.MULTILINE)


@functools.cache
def registry_pyz() -> Path:
    """The .pyz under test: DOCKBOARD_PYZ, or one built from this tree, once per test session."""
    given = os.environ.get("DOCKBOARD_PYZ")
    if given:
        return Path(given).resolve()
    directory = tempfile.mkdtemp(prefix="dockboard-pyz-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    pyz = Path(directory, "registry.pyz")
    subprocess.run(
        [sys.executable, str(REPOSITORY / "build_zipapp.py"), "--output", str(pyz)],
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    return pyz


def setting_name(key: str) -> str:
    """`gc_grace` -> `DOCKBOARD_GC_GRACE`."""
    return "DOCKBOARD_" + key.upper()


def setting_text(value: object) -> str:
    """A setting as the environment spells it: true and false, lists with commas."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return str(value)


class Running:
    """What a server under test is for `with` and for messages: it starts, and stops as it should unless the block
    failed.
    """

    log: Path

    def tail(self, size: int = 8192) -> str:
        """The end of the log."""
        return self.log.read_bytes()[-size:].decode(errors="replace") if self.log.exists() else ""

    def logged(self, text: str, times: int = 1, seconds: float = 10) -> str:
        """The whole log, once it has this text so often. A thread writes it, so a line may come after the answer."""
        log = ""

        def found() -> bool:
            nonlocal log
            log = self.log.read_text(errors="replace")
            return log.count(text) >= times

        wait_for(found, seconds, f"{text!r} in the log")
        return log

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self.stop()
        else:
            self.kill()


class Registry(Running):
    """One registry over the data directory `root`; it may be started, killed and started again.

    The first start takes a free port, later ones keep it, so that clients can go on. Settings are keyword
    arguments named section_key: `gc_grace=0` is DOCKBOARD_GC_GRACE=0. `prefix` is a command to run it under (strace,
    prlimit); `pid` is then the pid of that command. `mysql` makes a database for it on the session's MariaDB;
    `database` is its name, empty with SQLite. Standard error goes to `log`, standard output to `output`, both beside
    `root`.
    """

    def __init__(
        self,
        root: Path,
        workers: int = 2,
        python: str = sys.executable,
        *,
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        database: str = "",
        **settings: object,
    ) -> None:
        self.root = Path(root)
        self.log = self.root.with_name(self.root.name + ".log")
        self.output = self.root.with_name(self.root.name + ".out")
        self.port = 0
        self.scheme = "http"
        self.process: subprocess.Popen[bytes] | None = None
        self._host = "127.0.0.1"
        self._prefix = list(prefix)
        self._command = [*prefix, python, str(registry_pyz())]
        self._extra = dict(environment or {})
        self._settings = {"server_workers": workers, "storage_root": self.root, **settings}
        self.database = ""
        if database == "mysql":
            from tests.support import mariadb

            self.database = mariadb.shared().make()
            self._settings["database_url"] = mariadb.shared().url(self.database)

    def configure(self, **settings: object) -> None:
        """Change settings for the next start."""
        self._settings.update(settings)

    def sibling(self) -> Registry:
        """Another node of the same registry: same data, same settings, a port and a log of its own."""
        made = Registry(self.root)
        made._extra, made._settings, made.database = self._extra, dict(self._settings), self.database
        name = f"{self.root.name}-{secrets.token_hex(3)}"
        made.log, made.output = self.root.with_name(name + ".log"), self.root.with_name(name + ".out")
        return made

    @property
    def address(self) -> str:
        return f"{self._host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"

    @property
    def pid(self) -> int:
        if self.process is None:
            raise RuntimeError("the registry has not been started")
        return self.process.pid

    def environment(self) -> dict[str, str]:
        """The caller's environment without its DOCKBOARD_ names, and this registry's settings."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("DOCKBOARD_")}
        settings = {setting_name(key): setting_text(value) for key, value in self._settings.items()}
        return {**inherited, "DOCKBOARD_SERVER_LISTEN": f"{self._host}:{self.port}", **settings, **self._extra}

    def start(self) -> Registry:
        """Start the server and return once it listens; raises AssertionError with its log when it does not."""
        self.root.parent.mkdir(parents=True, exist_ok=True)
        seen = self.output.stat().st_size if self.output.exists() else 0
        with open(self.log, "ab") as log, open(self.output, "ab") as output:
            self.process = subprocess.Popen(
                [*self._command, "serve"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
                env=self.environment(),
            )
        self._wait_until_listening(seen)
        if not self._prefix:
            # It says where it listens before it forks, and connections wait until then; tests that count workers do
            # not.
            wait_for(
                lambda: len(self.workers()) == self._settings["server_workers"],
                START_SECONDS,
                "the start of the workers",
            )
        return self

    def _wait_until_listening(self, seen: int) -> None:
        assert self.process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            found = LISTENING.search(self.output.read_bytes()[seen:].decode())
            if found:
                self.scheme, self._host, self.port = found[1], found[2], int(found[3])
                return
            if self.process.poll() is not None:
                raise AssertionError(f"the registry ended with {self.process.returncode} at its start:\n{self.tail()}")
            time.sleep(0.01)
        self.process.kill()
        self.process.wait()
        raise AssertionError(f"the registry did not say where it listens within {START_SECONDS} s:\n{self.tail()}")

    def stop(self) -> None:
        """SIGTERM; the registry must drain and exit 0. Does nothing when it is not running."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the registry did not stop within {STOP_SECONDS} s:\n{self.tail()}") from None
        if status != 0:
            raise AssertionError(f"the registry ended with {status} after SIGTERM:\n{self.tail()}")

    def kill(self) -> None:
        """SIGKILL to the supervisor; returns when its workers have let go of the port."""
        if self.process is None:
            return
        process, self.process = self.process, None
        process.kill()
        process.wait()
        wait_until_free(self._host.strip("[]"), self.port)

    def run(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """A command of the .pyz (`check`, `gc`, ...) on the same data and settings."""
        return subprocess.run(
            [*self._command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.environment(),
            timeout=timeout,
        )

    def prepare(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """What `run` does, in a tenth of the time: for commands that a test needs and is not about.

        `given` is their standard input.
        """
        if self._command == [sys.executable, str(registry_pyz())] and not self._extra:
            return forked.run(registry_pyz(), *arguments, environment=self.environment(), given=given)
        return subprocess.run(
            [*self._command, *arguments],
            input=given,
            capture_output=True,
            text=True,
            env=self.environment(),
            timeout=120,
        )

    def workers(self) -> list[int]:
        """The pids of the worker processes, oldest first."""
        return children(self.pid)

    def pss(self) -> int:
        """Bytes of memory of the whole process tree, shared pages divided by their users."""
        return sum(pss(pid) for pid in [self.pid, *self.workers()])


def children(pid: int) -> list[int]:
    """The pids of a process's children (Linux)."""
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def pss(pid: int) -> int:
    """Proportional set size of a process in bytes (Linux)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"process {pid} has no Pss line")


def wait_until_free(host: str, port: int, seconds: float = 10) -> None:
    """Return once nothing listens on the port any more."""
    deadline = time.monotonic() + seconds
    while listens(host, port):
        if time.monotonic() > deadline:
            raise AssertionError(f"something still listens on {host}:{port} after {seconds} s")
        time.sleep(0.01)


def listens(host: str, port: int) -> bool:
    """Whether a process holds a listening socket there; connects to nothing, so it leaves no trace in a log."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen()
        except OSError:
            return True
    return False


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition, seconds: float = 10, what: str = "the condition") -> None:
    """Poll until `condition()` is true; AssertionError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come within {seconds} s")
        time.sleep(0.01)
