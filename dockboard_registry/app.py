"""The one place where objects are put together: configuration to services, for the server and for commands."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from .config import Config
from .db import DatabaseBusy, DatabaseFailed, DatabaseFull
from .db import migrate as migrations
from .db.sqlite import SQLiteDatabase, transact
from .domain import access, settings
from .domain.blobs import Blobs
from .domain.check import Checker, CheckReport
from .domain.collect import Collector, GcReport
from .domain.manifests import Manifests
from .domain.referrers import Referrers
from .domain.repositories import Repositories
from .domain.tags import Tags
from .domain.uploads import Uploads
from .errors import StartError
from .storage import StorageError
from .storage import filesystem
from .storage.filesystem import FilesystemStorage

_FAILURES = (DatabaseBusy, DatabaseFull, DatabaseFailed, StorageError)


class Services:
    """All that handlers and jobs call. epoch: the start of the server that this process belongs to; metrics may be None."""

    def __init__(self, config: Config, epoch: str, metrics=None):
        self.metrics = metrics
        self.db = SQLiteDatabase(config.database_file)
        self.storage = FilesystemStorage(config.storage.root, config.storage.reserve)
        self.anonymous = access.anonymous(config.auth.anonymous or "push")
        gc = config.gc
        self.repositories = Repositories(self.db)
        self.tags = Tags(self.db)
        self.manifests = Manifests(self.db)
        self.referrers = Referrers(self.db)
        self.blobs = Blobs(self.db, self.storage, gc.lease)
        self.uploads = Uploads(self.db, self.storage, epoch, config.server.open_uploads)
        self.collector = Collector(self.db, self.storage, gc.grace, gc.lease, gc.upload_expiry, gc.interval)
        self.checker = Checker(self.db, self.storage)

    def close(self) -> None:
        """Wait for what was begun, then close database and store."""
        self.manifests.close()
        self.db.close()
        self.storage.close()


def verify(config: Config) -> None:
    """Refuse a database and a store that do not belong together, before anything is made or changed. Raises StartError.

    A server that took a lost database for a new registry would take every stored blob for garbage.
    """
    root, path = config.storage.root, config.database_file
    found = filesystem.marker(root)
    if not path.exists() or path.stat().st_size == 0:
        if found is not None:
            raise StartError(f"{root} holds the files of a registry, but its database {path} is gone. Restore it from a backup")
        return
    if not os.access(path.parent, os.W_OK):
        raise StartError(f"{path.parent} can't be written: it is read-only, or belongs to another user")
    known, used = _known_store(path)
    if known is None and found is not None:
        raise StartError(f"{root} holds the files of a registry that {path} does not know. Use its own database, or an empty directory")
    if found is None and used:
        raise StartError(f"{root} lacks the file {filesystem.MARKER} that the database {path} expects. Is the right disk mounted there?")
    if found is not None and found != known:
        raise StartError(f"{root} belongs to another database than {path}: its {filesystem.MARKER} is not the one expected")


def _known_store(path: Path) -> tuple[str | None, bool]:
    try:
        return transact(path, settings.known_store)
    except (DatabaseBusy, DatabaseFull, DatabaseFailed) as error:
        raise StartError(
            f"the database {path} can't be used: {error}. Nothing was changed. "
            "If the file is damaged, restore it from a backup; never delete it, it knows what every stored file is"
        ) from error


def prepare(config: Config) -> None:
    """Before the first worker starts: verify, migrate the database, mark the store. Raises StartError."""
    root = config.storage.root
    try:
        verify(config)
        filesystem.make_directory(root)
        filesystem.make_directory(config.database_file.parent)
        migrate(config)
        filesystem.prepare(root, transact(config.database_file, settings.store_id))
    except OSError as error:
        raise StartError(f"can't use the data directory {root}: {error.strerror}. Check that it is mounted and writable") from error


def migrate(config: Config) -> list[str]:
    """Bring the database to this version's schema; the names of the migrations that were applied now. Raises StartError."""
    return migrations.migrate(config.database_file)


def run_check(config: Config, on_progress: Callable[[int, int], None]) -> CheckReport:
    """The command `check`. Raises StartError."""
    return _run(config, lambda services: services.checker.run(on_progress))


def run_gc(config: Config) -> GcReport:
    """The command `gc`: one round, safe beside a running server. Raises StartError."""
    return _run(config, lambda services: services.collector.round())


def _run(config: Config, work: Callable[[Services], Awaitable[Any]]) -> Any:
    if not config.database_file.exists():
        raise StartError(f"there is no database {config.database_file}: name the data directory with --data, or database.url")

    async def main() -> Any:
        services = Services(config, secrets.token_hex(8))
        try:
            return await work(services)
        finally:
            services.close()

    verify(config)
    migrations.require_current(config.database_file)
    try:
        return asyncio.run(main())
    except _FAILURES as error:
        raise StartError(f"the command stopped: {error}. What it had done is kept; run it again when the cause is mended") from error
