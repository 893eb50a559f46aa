"""What a registry holds, so that a test can say: nothing was changed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from pathlib import Path

from tests.support import mariadb
from tests.support.server import Registry, wait_for

# Rows that move on their own: the clock of periodic jobs, and from where people log in.
# What lists and pages show of manifests and repositories is counted a moment after a change.
MOVING_TABLES = {"jobs", "known_networks", "manifest_facts", "repository_facts"}
# Reading a blob may renew its lease; who logs in is seen.
MOVING_COLUMNS = {"leased_at", "last_seen_at", "last_used_at", "last_used_from", "seen_at", "pulls", "pulled_at"}
# SQLite's own files, and the lock; the database is compared row by row.
DATABASE_FILES = (".db", ".db-wal", ".db-shm", ".lock")


def rows(registry: Registry) -> dict[str, list[tuple]]:
    """Every row of every table, sorted, without what moves on its own."""
    return mysql_rows(registry.database) if registry.database else sqlite_rows(registry.root)


def sqlite_rows(root: Path) -> dict[str, list[tuple]]:
    """The rows of a registry with SQLite; each table is read by itself."""
    with contextlib.closing(sqlite3.connect(f"file:{root / 'registry.db'}?mode=ro", uri=True)) as database:
        return fixed(database.cursor(), "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")


def mysql_rows(name: str) -> dict[str, list[tuple]]:
    """The rows of a registry with MySQL, all of one moment."""
    with contextlib.closing(mariadb.shared().admin(name)) as database:
        cursor = database.cursor()
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        return fixed(cursor, "SHOW TABLES")


def fixed(cursor, tables: str) -> dict[str, list[tuple]]:
    """What does not move on its own, read with a cursor of either database; the statement `tables` tells the tables."""
    found = {}
    cursor.execute(tables)
    for (table,) in cursor.fetchall():
        if table in MOVING_TABLES:
            continue
        cursor.execute(f"SELECT * FROM {table}")
        kept = [number for number, column in enumerate(cursor.description) if column[0] not in MOVING_COLUMNS]
        found[table] = sorted((tuple(row[number] for number in kept) for row in cursor), key=repr)
    return found


def files(root: Path) -> dict[str, str]:
    """Every file below the root by its path, with the digest of its bytes."""
    found = {}
    for directory, _, names in os.walk(root):
        for name in names:
            path = Path(directory, name)
            if not name.endswith(DATABASE_FILES):
                found[str(path.relative_to(root))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def neighbours(root: Path) -> set[str]:
    """Names beside the data directory, where a path that climbs would end."""
    return {entry.name for entry in root.parent.iterdir()}


def snapshot(registry: Registry) -> tuple:
    return rows(registry), files(registry.root), neighbours(registry.root)


def assert_unchanged(registry: Registry, before: tuple) -> None:
    """The registry holds exactly what it held; what a request left half done is given a moment to be taken away."""

    def same() -> bool:
        return snapshot(registry) == before

    try:
        wait_for(same, 5, "the former state")
    except AssertionError:
        now = snapshot(registry)
        for part, (old, new) in zip(("rows", "files", "neighbours"), zip(before, now)):
            assert new == old, f"{part} changed"


class Unchanged:
    """Context: what is done inside changes nothing, and the registry goes on answering."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def __enter__(self) -> None:
        self._before = snapshot(self._registry)

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            assert_unchanged(self._registry, self._before)
