"""The one place where objects are put together: configuration to services, for the server and for commands."""

import asyncio
import contextlib
import functools
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from .config import Config, database_place
from .db import unusable
from .db.copy import Copy, CopyReport, shared_tables
from .db.engines import Engine, engine
from .db.observer import Observer
from .domain import settings
from .domain.changes import access_version
from .domain.content.blobs import Blobs
from .domain.content.check import Checker, CheckReport
from .domain.content.manifests import Manifests
from .domain.content.referrers import Referrers
from .domain.content.repositories import Repositories
from .domain.content.repository_deletion import RepositoryDeletion
from .domain.content.tags import Tags
from .domain.content.unfinished import UnfinishedManifests
from .domain.garbage.collect import Collector, GcReport
from .domain.garbage.deletion import Deletion
from .domain.quotas.quotas import Quotas
from .domain.rights.principals import Principals
from .domain.uploads.open_uploads import Expiry, OpenUploads
from .domain.uploads.uploads import Uploads
from .errors import StartError
from .ownership import FAILURES, alone, claim, is_new, known_store, mark, store_of, using, verify
from .ownership import take_store as take_store
from .storage import StorageError, filesystem
from .storage.filesystem import FilesystemStorage

_COPY_CONNECTIONS = 4
_FAILURES = (*FAILURES, StorageError)


class Services:
    """All that handlers and jobs call.

    epoch: the start of the server that this process belongs to; metrics may be None.
    reserve: bytes of the database's disk that growing changes leave free; None for commands, which are never refused.
    """

    def __init__(self, config: Config, epoch: str, metrics=None, reserve: int | None = None):
        self.metrics = metrics
        self.db = engine(config.database_place).open(
            config.database.connections, metrics.database if metrics else Observer(), reserve
        )
        self.storage = FilesystemStorage(config.storage.root, config.storage.reserve)
        self.principals = Principals(self.db, config.auth.anonymous)
        gc = config.gc
        self.repositories = Repositories(self.db)
        self.repository_deletion = RepositoryDeletion(self.db)
        self.tags = Tags(self.db)
        self.quotas = Quotas(config.auth.quota_repositories, config.auth.quota_bytes)
        self.manifests = Manifests(self.db, self.quotas)
        self.referrers = Referrers(self.db)
        self.blobs = Blobs(self.db, self.storage, gc.lease, self.quotas)
        expiry = Expiry(gc.upload_expiry, gc.empty_upload_expiry)
        self.uploads = Uploads(
            self.db, self.storage, epoch, config.server.open_uploads, self.quotas, config.database.small_blobs, expiry
        )
        self.open_uploads = OpenUploads(self.db, self.storage)
        self.collector = Collector(
            self.db.for_jobs(), self.storage, gc.grace, gc.lease, gc.upload_expiry, gc.interval, gc.empty_upload_expiry
        )
        self.checker = Checker(self.db.for_jobs(), self.storage)
        self._config = config
        self._prepared = False

    @functools.cached_property
    def gate(self):
        """Who asks, and may they (web.gate.Gate); of no use to commands, which have no requests."""
        from .web.auth.gate import Gate

        return Gate(self, self._config.server.external_url, self._config.auth.anonymous)

    @functools.cached_property
    def people(self):
        """Accounts and what belongs to them (people.People).

        Their modules are read now: a start is quicker without them.
        """
        from .account_services import Content, People

        content = Content(self.tags, self.manifests, self.repository_deletion, self.open_uploads)
        return People(self.db, self._config, self.principals, self.quotas, content)

    @functools.cached_property
    def credentials(self):
        """Who shows what (web.credentials.Credentials), read as late as accounts are."""
        from .web.auth.credentials import Credentials

        return Credentials(self.people, self.gate.service)

    async def prepare(self) -> None:
        """Where there are accounts, read what they need before somebody waits for it, and before the file that it is in
        is another one.

        In a thread: it takes 100 ms, and others should not wait.
        """
        if not self._prepared and await self.principals.access_version():
            await asyncio.to_thread(_read_account_code)
            await self.credentials.prepare()
            self._prepared = True

    async def rotate_keys(self) -> None:
        """Make a new signing key if the newest one is old.

        This job and those below do nothing where there are no accounts.
        """
        if await self.principals.access_version():
            await self.people.rotate_keys()

    async def trim_audit(self) -> None:
        """Delete entries of the audit that are older than auth.audit_days."""
        if await self.principals.access_version():
            await self.people.trim_audit()

    async def forget_failures(self) -> None:
        """Delete failed logins that no longer count."""
        if await self.principals.access_version():
            await self.people.throttle.tidy()

    async def tidy_htpasswd(self) -> None:
        """What is due for hashes from htpasswd files."""
        if await self.principals.access_version():
            await self.people.htpasswd.tidy()

    async def finish_deletions(self) -> None:
        """What is left of repositories and organizations that were deleted, and of large manifests."""
        await self.repository_deletion.purge()
        await UnfinishedManifests(self.db.for_jobs()).remove_what_is_left()
        if await self.principals.access_version():
            await self.people.organizations.forget()

    async def collect(self) -> GcReport:
        """One round of collecting garbage, and what else is due."""
        await self.finish_deletions()
        await self.rotate_keys()
        await self.trim_audit()
        await self.forget_failures()
        await self.tidy_htpasswd()
        report = await self.collector.round()
        await self.db.compact()
        return report

    async def settle(self, seconds: float) -> None:
        """Wait for what goes on behind answers that were given."""
        if "people" in self.__dict__:
            await self.people.resets.settled(seconds)

    def close(self) -> None:
        """Wait for what was begun, then close database and store."""
        self.manifests.close()
        if "people" in self.__dict__:
            self.people.close()
        self.db.close()
        self.storage.close()


def _read_account_code() -> None:
    from . import account_services  # noqa: F401
    from .web.api import serve  # noqa: F401
    from .web.auth import credentials  # noqa: F401


def prepare(config: Config) -> list[str]:
    """Before the first worker starts: verify, migrate the database, mark the store; the names of the migrations applied
    now. Raises StartError.
    """
    root = config.storage.root
    try:
        verify(config)
        filesystem.make_directory(root)
        engine(config.database_place).prepare(filesystem.make_directory)
        applied = migrate(config)
        mark(config)
        engine(config.database_place).set_aside(config.database_reserve)
        return applied
    except OSError as error:
        raise StartError(
            f"can't use the data directory {root}: {error.strerror}. Check that it is mounted and writable"
        ) from error
    except FAILURES as error:
        raise unusable(engine(config.database_place), error) from error


def has_accounts(config: Config) -> bool:
    """Whether people log in here: there has been an account. Raises StartError."""
    database = engine(config.database_place)
    try:
        return database.transact(access_version) > 0
    except FAILURES as error:
        raise unusable(database, error) from error


def first_password(config: Config) -> str | None:
    """The password of the account that was made now, once in the life of a registry that needs one; None: it is not the
    first start.

    Empty where an earlier start made it, and ended before it could tell. Raises StartError.
    """
    database = engine(config.database_place)
    try:
        if database.transact(access_version) and not database.transact(settings.first_account_untold):
            return None
        from .domain.accounts import first_account

        if not database.transact(access_version):
            chosen = first_account.choose()
            if database.transact(lambda tx: first_account.make(tx, chosen.stored)):
                return chosen.password
        return "" if database.transact(first_account.untold) else None
    except FAILURES as error:
        raise unusable(database, error) from error


def first_password_told(config: Config) -> None:
    """It was printed. Where the database does not answer now, the next start says how to set another one."""
    with contextlib.suppress(*FAILURES):
        engine(config.database_place).transact(settings.first_account_is_told)


def database_in_use(config: Config) -> contextlib.AbstractContextManager[None]:
    """For a server: its database, whose place is made where it is missing, is not copied meanwhile.

    Raises StartError.
    """
    database = engine(config.database_place)
    try:
        database.prepare(filesystem.make_directory)
    except OSError as error:
        raise StartError(f"can't make the directory of the database {database}: {error.strerror}") from error
    return using(database)


def is_shared(config: Config) -> bool:
    """Whether servers on several machines may work on this database and store."""
    return engine(config.database_place).shared


def warnings(config: Config) -> list[str]:
    """What the operator should know about the database server's settings."""
    return engine(config.database_place).warnings()


def migrate(config: Config) -> list[str]:
    """Bring the database to this version's schema; the names of the migrations that were applied now.

    Raises StartError.
    """
    return engine(config.database_place).migrate()


def run_check(config: Config, on_progress: Callable[[int, int], None]) -> CheckReport:
    """The command `check`. Raises StartError."""
    return _run(config, lambda services: services.checker.run(on_progress))


def run_gc(config: Config) -> tuple[GcReport, Deletion]:
    """The command `gc`: one round, safe beside a running server, and what could not be deleted in it.

    Raises StartError.
    """

    async def round(services: Services) -> tuple[GcReport, Deletion]:
        return await services.collect(), services.collector.deletion

    return _run(config, round)


def run_migrate(config: Config) -> list[str]:
    """The command `migrate`: what a start does before it serves; the names of the migrations applied now.

    Raises StartError.
    """
    verify(config)
    with database_in_use(config):
        return prepare(config)


def run_with(config: Config, work: Callable[[Services], Awaitable[Any]]) -> Any:
    """A command that calls the domain, safe beside a running server; where there is no registry yet it begins one, as a
    start does.

    Raises StartError, and what the domain raises.
    """
    verify(config)
    if is_new(engine(config.database_place)):
        run_migrate(config)
    return _run(config, work)


def run_copy(
    source_url: str, target_url: str, on_progress: Callable[[int, int], None], root: Path | None = None
) -> CopyReport:
    """The command `copy-database`: into an empty database, or on from where it was cut short. Raises StartError.

    root: where the store may be; otherwise it is looked for beside an SQLite file. If it is not found, the first start
    with the copy takes the store over.
    """
    source, target = engine(database_place(source_url)), engine(database_place(target_url))
    if str(source) == str(target):
        raise StartError("source and target are the same database")
    if not source.exists():
        raise StartError(f"there is no database {source}")
    target.prepare(filesystem.make_directory)
    with alone(source), alone(target):
        source.require_current()
        target.migrate()
        if (moved_to := known_store(source).moved_to) not in (None, str(target)):
            raise StartError(
                f"{source} was copied to {moved_to}, and the store belongs to that copy now: copy that one, or run"
                " take-store first"
            )
        store = store_of(source, [place for place in (root, *_folders(source_url, target_url)) if place])
        return _copied(source, target, store, on_progress)


def _folders(*urls: str) -> list[Path]:
    return [place.parent for place in map(database_place, urls) if isinstance(place, Path)]


def _copied(source: Engine, target: Engine, store: Path | None, on_progress: Callable[[int, int], None]) -> CopyReport:
    """Copy all rows; then the store belongs to the copy, and the source says so."""
    try:
        report = asyncio.run(_copy(source, target, on_progress))
        known = known_store(target)
        if store is not None and known.id is not None:
            filesystem.write_marker(store, known.id, known.epoch)
        return report
    except _FAILURES as error:
        raise StartError(
            f"the copying stopped: {error}. Run it again when the cause is mended; it goes on from there"
        ) from error


async def _copy(source: Engine, target: Engine, on_progress: Callable[[int, int], None]) -> CopyReport:
    opened = [source.open(_COPY_CONNECTIONS), target.open(_COPY_CONNECTIONS)]
    try:
        return await Copy(*opened, shared_tables(source, target), (str(source), str(target)), on_progress).run()
    finally:
        for database in opened:
            database.close()


def _run(config: Config, work: Callable[[Services], Awaitable[Any]]) -> Any:
    database = engine(config.database_place)
    verify(config)
    if not database.exists():
        raise StartError(f"there is no database {database}: name the data directory with --data, or database.url")
    with using(database):
        database.require_current()
        claim(config)
        return _run_services(config, work)


def _run_services(config: Config, work: Callable[[Services], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        services = Services(config, secrets.token_hex(8))
        try:
            return await work(services)
        finally:
            services.close()

    try:
        return asyncio.run(main())
    except _FAILURES as error:
        raise StartError(
            f"the command stopped: {error}. What it had done is kept; run it again when the cause is mended"
        ) from error
