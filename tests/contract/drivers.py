"""The drivers that the suites run over. A new one is a class like these and an entry in STORAGES or DATABASES. Those of
object stores are in object_drivers.py.

Besides opening itself, a driver does to its bytes and rows what no client could: damage them, lose them, run out of
room.
"""

import atexit
import contextlib
import functools
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql

from dockboard_registry.config import database_place
from dockboard_registry.db import migrate
from dockboard_registry.db.mysql import migrate as mysql_migrate
from dockboard_registry.db.mysql.database import MySQLDatabase
from dockboard_registry.db.sqlite.database import SQLiteDatabase
from dockboard_registry.storage import Marker, filesystem
from dockboard_registry.storage.filesystem import FilesystemStorage
from tests.contract.object_drivers import FULL, KEEPS_OPEN, LISTS_UPLOADS, LOCKS, OBJECT_DRIVERS, PROCESSES, VANISHES
from tests.support import mariadb, places
from tests.support.memory_storage import MemoryStorage

ROOT = Path(__file__).parents[2]
CHILD_SECONDS = 50


class FilesystemDriver:
    """Blobs in a directory."""

    name = "filesystem"
    traits = (LOCKS, KEEPS_OPEN, PROCESSES, FULL, VANISHES, LISTS_UPLOADS)

    def __init__(self, directory: Path):
        self.directory = directory
        self.root = directory / "store"
        self.root.mkdir(parents=True, exist_ok=True)
        filesystem.prepare(self.root, Marker("the contract's store", 0))

    def open(self) -> FilesystemStorage:
        """A store that may use all the room there is."""
        return FilesystemStorage(self.root, reserve=0)

    def open_full(self) -> FilesystemStorage:
        """The same store when no room is left: the reserve is larger than any disk."""
        return FilesystemStorage(self.root, reserve=1 << 62)

    def lose(self) -> None:
        """Take the store away, as when its disk is not mounted."""
        self.root.rename(self.directory / "unmounted")
        self.root.mkdir()

    def damage(self, key: str, data: bytes) -> None:
        """Put other bytes under a key."""
        self._path(key).write_bytes(data)

    def remove(self, key: str) -> None:
        """Take the bytes of a key away behind everyone's back."""
        self._path(key).unlink()

    def _path(self, key: str) -> Path:
        return self.root / "blobs" / key[:2] / key


class MemoryDriver:
    """Blobs in the memory of this process."""

    name = "memory"
    traits = (LOCKS, KEEPS_OPEN, LISTS_UPLOADS)

    def __init__(self, directory: Path):
        self._storage = MemoryStorage()

    def open(self) -> MemoryStorage:
        return self._storage

    def damage(self, key: str, data: bytes) -> None:
        self._storage.content[key] = bytearray(data), 0

    def remove(self, key: str) -> None:
        del self._storage.content[key]


@functools.cache
def _migrated_file() -> Path:
    """An SQLite file with all migrations, which is copied for each test."""
    directory = Path(tempfile.mkdtemp(prefix="dockboard-template-", dir=places.MEMORY))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = directory / "registry.db"
    migrate.migrate(path)
    return path


class SQLiteDriver:
    """One SQLite file."""

    name = "sqlite"

    def __init__(self, directory: Path):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / "registry.db"
        if not self.path.exists():
            shutil.copy(_migrated_file(), self.path)

    def open(self) -> SQLiteDatabase:
        """A connection of its own, as another process has."""
        return SQLiteDatabase(self.path)

    def lock(self, hold: Callable[[], None]) -> None:
        """Keep everyone from writing during hold(), as a foreign program would, which knows nothing of our queue."""
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")
        hold()
        connection.execute("ROLLBACK")
        connection.close()

    @staticmethod
    def leave_no_room(tx: Any) -> None:
        """Let every further growth of the database through this Tx's connection fail as on a full disk."""
        ((pages,),) = tx.all("PRAGMA page_count")
        tx.all(f"PRAGMA max_page_count = {pages}")

    @staticmethod
    def make_room(tx: Any) -> None:
        tx.all("PRAGMA max_page_count = 1000000")

    def corrupt(self) -> None:
        """Make what is stored unreadable. The database is closed."""
        self.path.write_bytes(b"no database" * 1000)


@functools.cache
def _migrated_database() -> tuple[str, list[str]]:
    """A MySQL database with all migrations, and the names of its tables."""
    server = mariadb.shared()
    name = server.make()
    mysql_migrate.migrate(database_place(server.url(name)))
    rows = server.execute(f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{name}'")
    return name, [table for (table,) in rows]


def _copy_of_migrated_database() -> str:
    """The URL of a new database with the same tables and rows."""
    server, (source, tables) = mariadb.shared(), _migrated_database()
    name = server.make()
    made = [f"CREATE TABLE `{name}`.`{table}` LIKE `{source}`.`{table}`" for table in tables]
    filled = [f"INSERT INTO `{name}`.`{table}` SELECT * FROM `{source}`.`{table}`" for table in tables]
    server.execute(*made, *filled)
    return server.url(name)


class MySQLDriver:
    """One database of the session's MariaDB. Its URL lies in the directory, for child processes."""

    name = "mysql"

    def __init__(self, directory: Path):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        noted = directory / "url"
        if not noted.exists():
            noted.write_text(_copy_of_migrated_database())
        self.url = database_place(noted.read_text())

    def open(self) -> MySQLDatabase:
        return MySQLDatabase(self.url)

    def _connect(self) -> pymysql.Connection:
        """Another program's connection."""
        return pymysql.connect(
            host=self.url.host,
            port=self.url.port,
            user=self.url.user,
            password=self.url.password,
            database=self.url.name,
        )

    def lock(self, hold: Callable[[], None]) -> None:
        """Keep everyone from writing settings during hold(), as somebody at a prompt who forgot to commit."""
        with contextlib.closing(self._connect()) as connection:
            cursor = connection.cursor()
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("BEGIN")
            cursor.execute("SELECT * FROM settings FOR UPDATE")
            hold()
            connection.rollback()

    @staticmethod
    def leave_no_room(tx: Any) -> None:
        """Let the server answer every new row of settings as a full disk does."""
        tx.run(
            "CREATE TRIGGER no_room BEFORE INSERT ON settings FOR EACH ROW SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO ="
            " 1114"
        )

    @staticmethod
    def make_room(tx: Any) -> None:
        tx.run("DROP TRIGGER no_room")

    def corrupt(self) -> None:
        """Make what is stored unreadable. The database is closed."""
        mariadb.shared().execute(f"DROP DATABASE `{self.url.name}`")


STORAGES = {driver.name: driver for driver in (FilesystemDriver, MemoryDriver, *OBJECT_DRIVERS)}
DATABASES = {driver.name: driver for driver in (SQLiteDriver, MySQLDriver)}


class Child:
    """Another process over the same driver, running one role of tests/contract/child.py; it answers one JSON value a
    line.
    """

    def __init__(self, driver: Any, role: str, *arguments: Any):
        command = [
            sys.executable,
            "-m",
            "tests.contract.child",
            driver.name,
            str(driver.directory),
            role,
            json.dumps(arguments),
        ]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self) -> Any:
        """The child's next line; AssertionError where it ended instead."""
        line = self.process.stdout.readline()
        assert line, f"the child process ended with {self.process.wait(CHILD_SECONDS)}"
        return json.loads(line)

    def go_on(self) -> None:
        """End the child's wait for its standard input."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self) -> int:
        """Its exit status, once it has ended by itself."""
        return self.process.wait(CHILD_SECONDS)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(CHILD_SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self.process.stdin.close()
        self.process.stdout.close()


@contextlib.contextmanager
def child(driver: Any, role: str, *arguments: Any) -> Iterator[Child]:
    """A child process that is gone afterwards."""
    made = Child(driver, role, *arguments)
    try:
        yield made
    finally:
        made.close()
