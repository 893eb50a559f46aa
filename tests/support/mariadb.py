"""A private MariaDB in a temporary directory, on a free port of 127.0.0.1 and a socket, ended by its pid."""

from __future__ import annotations

import atexit
import contextlib
import functools
import getpass
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pymysql

from tests.support import places
from tests.support.server import free_port
from tests.support.tools import ended, tool

START_SECONDS = 60
STOP_SECONDS = 30
USER, PASSWORD = "docker", "p@ss:/?#%s"
# Killing the server loses nothing with these; only a power cut would. Small, and without what no test looks at.
SETTINGS = (
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-log-file-size=32M",
    "--innodb-buffer-pool-size=64M",
    "--innodb-fast-shutdown=1",
    "--skip-log-bin",
    "--performance-schema=OFF",
    "--character-set-server=latin1",
    "--collation-server=latin1_swedish_ci",
    "--sql-mode=",
    "--lower-case-table-names=0",
)


@functools.cache
def _template() -> Path:
    """A fresh data directory, made once per test session and copied for each server."""
    directory = Path(tempfile.mkdtemp(prefix="dockboard-mariadb-", dir=places.MEMORY))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    command = [
        str(tool("mariadb-install-db")),
        "--no-defaults",
        f"--datadir={directory / 'data'}",
        f"--user={getpass.getuser()}",
    ]
    command += ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return directory / "data"


class MariaDB:
    """One server; it may be killed, stopped, and started again over the same data on the same port."""

    owner = getpass.getuser()
    """The system's user that it runs as."""

    def __init__(self, directory: Path, *settings: str, log: Path | None = None):
        self.directory = directory
        self.data = directory / "data"
        self.log = log or directory / "mariadb.log"
        # The path of a socket has at most 107 bytes, and those of test directories are long.
        self.run = tempfile.mkdtemp(prefix="db-")
        self.socket = str(Path(self.run, "s"))
        self.port = free_port()
        self._settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copytree(_template(), self.data)

    def start(self, *settings: str) -> MariaDB:
        """Start and return once it answers."""
        command = [str(tool("mariadbd")), "--no-defaults", f"--datadir={self.data}", f"--user={self.owner}"]
        command += [
            f"--socket={self.socket}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            f"--pid-file={self.run}/pid",
        ]
        command += ["--skip-name-resolve", f"--tmpdir={self.run}", *SETTINGS, *self._settings, *settings]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.admin().close()
                return self
            except pymysql.Error:
                ended = self.process.poll() is not None
                if ended or time.monotonic() > deadline:
                    self.kill()
                    raise AssertionError(f"MariaDB did not start:\n{self.log.read_text()[-4000:]}") from None
            time.sleep(0.02)

    def admin(self, database: str | None = None) -> pymysql.Connection:
        """A connection that may do everything, in autocommit mode."""
        return pymysql.connect(
            unix_socket=self.socket, user="root", database=database, autocommit=True, read_timeout=60, ssl_disabled=True
        )

    def execute(self, *statements: str, database: str | None = None) -> list[tuple]:
        """Run statements as the administrator; the rows of the last."""
        with contextlib.closing(self.admin(database)) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def make(self, name: str = "") -> str:
        """Make an empty database with its user, as docs/databases.md says; its name."""
        name = name or f"registry_{secrets.token_hex(6)}"
        self.execute(
            f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'",
            f"GRANT ALL PRIVILEGES ON `{name}`.* TO '{USER}'@'%'",
        )
        return name

    def url(self, name: str, port: int = 0) -> str:
        """The database as database.url names it; `port` is that of a proxy before it."""
        return f"mysql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{port or self.port}/{name}"

    def pause(self) -> None:
        """SIGSTOP; returns when every thread has stopped, since those at work go on for a moment."""
        self.process.send_signal(signal.SIGSTOP)
        threads = Path(f"/proc/{self.process.pid}/task")
        while any(stat.read_text().rpartition(")")[2].split()[0] != "T" for stat in threads.glob("*/stat")):
            time.sleep(0.005)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL: what a crash of the server does."""
        if self.process is not None:
            process, self.process = self.process, None
            process.kill()
            process.wait()

    def stop(self) -> None:
        """SIGTERM and wait."""
        if self.process is not None:
            process, self.process = self.process, None
            if not ended(process, STOP_SECONDS):
                raise AssertionError(f"MariaDB did not stop:\n{self.log.read_text()[-4000:]}")

    def close(self) -> None:
        """Kill it and remove its socket's directory; the data goes with the test's directory."""
        self.kill()
        shutil.rmtree(self.run, ignore_errors=True)

    def __enter__(self) -> MariaDB:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


@functools.cache
def shared() -> MariaDB:
    """The server that all tests of a session share which do it no harm."""
    directory = Path(tempfile.mkdtemp(prefix="dockboard-mariadb-", dir=places.MEMORY))
    server = MariaDB(directory)
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    atexit.register(server.close)
    return server.start()


def query(url: str, sql: str) -> list[tuple]:
    """The rows that the registry's user gets, from what database.url names."""
    place = urlsplit(url)
    login = {
        "host": place.hostname,
        "port": place.port,
        "user": unquote(place.username),
        "password": unquote(place.password),
    }
    with contextlib.closing(pymysql.connect(**login, database=place.path[1:], ssl_disabled=True)) as connection:
        cursor = connection.cursor()
        cursor.execute(sql)
        return list(cursor.fetchall())


def connections(server: MariaDB) -> int:
    """How many connections other than the administrator's the server has."""
    return server.execute("SELECT COUNT(*) FROM information_schema.processlist WHERE user = 'docker'")[0][0]
