"""Commands on the whole registry: check, gc, migrate, copies of database and store; and how other commands run."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from .app import Services, open_services
from .config import Config, StorageConfig, database_place
from .db.copy import Copy, CopyReport, shared_tables
from .db.engines import Engine, engine
from .domain import settings
from .domain.content.check import CheckReport, Problem
from .domain.content.storage_check import StorageChecker, StorageReport
from .domain.moving import notes
from .domain.moving.copier import Copier
from .domain.moving.notes import CopyRun
from .domain.moving.switch import switch
from .errors import StartError
from .ownership import FAILURES, alone, claim, is_new, known_store, store_of, using, verify
from .periodic_jobs import Removed, run_all
from .private_files import make_directory
from .startup import database_in_use, prepare
from .storage import Marker, StorageError, identity, stores
from .storage.stores import Driver

_COPY_CONNECTIONS = 4
_FAILURES = (*FAILURES, StorageError)


def run_check(config: Config, on_progress: Callable[[int, int], None]) -> CheckReport:
    """The command `check`. Raises StartError."""
    return _run(config, lambda services: services.checker.run(on_progress))


def run_storage_check(config: Config, on_progress: Callable[[int, int], None], read: bool) -> StorageReport:
    """The command `check --storage`. read: verify all bytes too. Raises StartError."""
    youth = config.gc.upload_expiry + config.gc.grace

    async def compare(services: Services) -> StorageReport:
        return await StorageChecker(services.db.for_jobs(), services.storage, youth).run(on_progress, read)

    return _run(config, compare)


def run_gc(config: Config) -> Removed:
    """The command `gc`: every periodic job once, safe beside a running server. Raises StartError."""
    return _run(config, lambda services: run_all(config.gc, services))


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
    source_url: str, target_url: str, on_progress: Callable[[int, int], None], config: Config | None = None
) -> CopyReport:
    """The command `copy-database`: into an empty database, or on from where it was cut short. Raises StartError.

    config: names where the store may be; it is also looked for beside an SQLite file. If it is not found, the first
    start with the copy takes the store over.
    """
    source, target = engine(database_place(source_url)), engine(database_place(target_url))
    if str(source) == str(target):
        raise StartError("source and target are the same database")
    if not source.exists():
        raise StartError(f"there is no database {source}")
    target.prepare(make_directory)
    with alone(source), alone(target):
        source.require_current()
        target.migrate()
        if (moved_to := known_store(source).moved_to) not in (None, str(target)):
            raise StartError(
                f"{source} was copied to {moved_to}, and the store belongs to that copy now: copy that one, or run"
                " take-store first"
            )
        configured = [stores.driver(config.storage)] if config else []
        beside = [stores.in_directory(folder) for folder in _folders(source_url, target_url)]
        store = store_of(source, [*configured, *beside])
        return _copied(source, target, store, on_progress)


def _folders(*urls: str) -> list[Path]:
    return [place.parent for place in map(database_place, urls) if isinstance(place, Path)]


def _copied(
    source: Engine, target: Engine, store: Driver | None, on_progress: Callable[[int, int], None]
) -> CopyReport:
    """Copy all rows; then the store belongs to the copy, and the source says so."""
    try:
        report = asyncio.run(_copy(source, target, on_progress))
        known = known_store(target)
        if store is not None and known.id is not None:
            store.mark(Marker(known.id, known.epoch))
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


def take_store(config: Config) -> None:
    """The command `take-store`: make this database the owner of the store again, whichever owned it since.

    Raises StartError.
    """
    store, database = stores.driver(config.storage), engine(config.database_place)
    if not database.exists():
        raise StartError(f"there is no database {database}")
    known, found = known_store(database), store.marker()
    if found is None or known.id is None or identity.registry_of(known.id) != identity.registry_of(found.id):
        raise StartError(
            f"{store} is not the store of {database}: name the right directory with --data, or the right database"
        )
    if identity.is_unfinished(found.id) and found.id != identity.unfinished(known.id):
        raise StartError(f"copy-storage has not finished the store {store}: it lacks blobs")
    with alone(database):
        id = known.id if identity.is_unfinished(found.id) else found.id
        owner = Marker(id, max(known.epoch, found.epoch) + 1)
        database.transact(lambda tx: settings.own_store(tx, owner))
        store.mark(owner)


class MoveReport(NamedTuple):
    """What copy-storage did. place: the other store. paused: for how many seconds pushes had to wait in the last step;
    None without it. problems: blobs that could not be copied.
    """

    place: str
    blobs: int
    bytes: int
    paused: float | None
    problems: list[Problem]


class MoveOrder(NamedTuple):
    """target: a section `storage`, of the store to copy to. at_once: so many blobs. switch: do the last step too.
    damaged: also if there are blobs that could not be copied.
    """

    target: StorageConfig
    at_once: int
    switch: bool
    damaged: bool


def run_storage_copy(config: Config, order: MoveOrder, on_progress: Callable[[int, int], None]) -> MoveReport:
    """The command `copy-storage`, beside running servers. Raises StartError."""
    return _run(config, lambda services: _move(config, services, order, on_progress))


async def _move(
    config: Config, services: Services, order: MoveOrder, on_progress: Callable[[int, int], None]
) -> MoveReport:
    driver, db = stores.driver(order.target), services.db.for_jobs()
    known = known_store(engine(config.database_place))
    run = CopyRun(_target_id(config, driver, known.id), secrets.token_hex(8))
    await notes.begin(db, run)
    driver.prepare(Marker(identity.unfinished(run.id), known.epoch))
    driver.mark(Marker(identity.unfinished(run.id), known.epoch))
    target, paused = driver.open(), None
    try:
        copier = Copier(db, services.storage, target, run, order.at_once, on_progress)
        await copier.compare()
        await copier.copy_most()
        if order.switch and (order.damaged or not copier.problems):
            paused = await switch(db, copier, run, str(driver))
            driver.mark(Marker(run.id, known.epoch))
            await copier.forget()
    finally:
        target.close()
    return MoveReport(str(driver), copier.blobs, copier.bytes, paused, list(copier.problems.values()))


def _target_id(config: Config, driver: Driver, known: str | None) -> str:
    """The id that the store gets to which the blobs are moved. Nothing is changed but that its place is made.

    Raises StartError unless it is empty, was begun by an interrupted copy, or is one that the blobs have left.
    """
    if why := driver.exposed():
        raise StartError(why)
    try:
        driver.make()
        found, noted = driver.marker(), engine(config.database_place).transact(notes.copy_id)
        id = notes.new_id(known, noted, found) if known is not None else None
        if id is None or (found is None and not driver.is_empty()):
            raise StartError(
                f"{driver} is the store in use, or has files of another registry: name an empty directory or prefix"
            )
        return id
    except OSError as error:
        raise StartError(f"can't use {driver}: {error.strerror}") from error


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
        services = open_services(config, secrets.token_hex(8))
        try:
            outcome = await work(services)
            await services.save_counts()
            return outcome
        finally:
            services.close()

    try:
        return asyncio.run(main())
    except _FAILURES as error:
        raise StartError(
            f"the command stopped: {error}. What it had done is kept; run it again when the cause is mended"
        ) from error
