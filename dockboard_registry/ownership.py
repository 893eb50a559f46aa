"""Which database owns a store, which servers use a database, and whether a database and a store belong together."""

import contextlib
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from .config import Config
from .db import DatabaseBusy, DatabaseFailed, DatabaseFull, unusable
from .db.engines import Engine, engine, sqlite_names
from .domain import settings
from .domain.settings import Store
from .errors import StartError
from .private_files import refusal
from .storage import Marker, stores
from .storage.stores import Driver

FAILURES = (DatabaseBusy, DatabaseFull, DatabaseFailed)
# Seconds. At its first start a node waits so long for another node to mark their common store.
_MARK_SECONDS = 5.0


def verify(config: Config) -> None:
    """Refuse a database and a store that do not belong together, before anything is made or changed. Raises StartError.

    Otherwise a server that starts with an empty database in place of a lost one would delete every stored blob as
    garbage.
    """
    if why := exposed(config):
        raise StartError(why)
    # At a first start another node may make id and marker between the two reads; reading again settles it.
    if _mismatch(config) and (why := _mismatch(config)):
        raise StartError(why)


def exposed(config: Config) -> str:
    """Why database and store may not be used: other users could change the data, or own it. Empty if they may."""
    place, why = config.database_place, stores.driver(config.storage).exposed()
    if not why and isinstance(place, Path):
        why = refusal(place.parent, sqlite_names(place))
    return why


def _mismatch(config: Config) -> str:
    """Why database and store do not belong together, or empty.

    A first start writes the id, then the marker, then that the marker exists.
    """
    store, database = stores.driver(config.storage), engine(config.database_place)
    exists = database.exists()
    if exists and (why := database.unwritable()):
        return why
    found = store.marker()
    if not exists:
        return (
            f"{store} holds the files of a registry, but its database {database} is gone. Restore it from a backup"
            if found
            else ""
        )
    known = known_store(database)
    if known.id is None and found is not None:
        return (
            f"{store} holds the files of a registry that {database} does not know. Use its own database, or an empty"
            " directory or prefix"
        )
    if found is None and known.marked:
        return f"{store} lacks {store.marked_by} that the database {database} expects. Is the right disk mounted there?"
    if why := settings.not_owner(known, found):
        return f"the database {database} is not the one that {store} belongs to: {why}"
    return ""


def known_store(database: Engine) -> Store:
    """What the database knows of its store, even if its schema is not complete yet. Raises StartError."""
    try:
        if not {"settings", "blobs"} <= database.tables():
            return settings.NO_STORE
        if source := database.transact(settings.unfinished_copy):
            raise StartError(f"{database} is itself a copy of {source} that is not whole yet: run copy-database again")
        return database.transact(settings.known_store)
    except FAILURES as error:
        raise unusable(database, error) from error


def is_new(database: Engine) -> bool:
    """Whether the database does not exist yet. Raises StartError."""
    try:
        return not database.exists() or "settings" not in database.tables()
    except FAILURES as error:
        raise StartError(f"the database {database} can't be used: {error}") from error


def mark(config: Config) -> None:
    """Tie database and store together: by an id that the first start writes into both, and by the database's epoch.

    If several nodes start at once, the one that made the id marks the store. The others wait for the mark, which they
    see only if their store is the same. If that node died before marking, a node that has waited in vain marks the
    store.
    """
    store, database, made = stores.driver(config.storage), engine(config.database_place), secrets.token_hex(16)
    known = database.transact(lambda tx: settings.store_id(tx, made))
    deadline = time.monotonic() + _MARK_SECONDS
    while database.shared and known != made and store.marker() is None and time.monotonic() < deadline:
        time.sleep(0.05)
        verify(config)
    store.prepare(Marker(known, database.transact(settings.known_store).epoch))
    database.transact(settings.store_is_marked)


def claim(config: Config) -> None:
    """Write this database's epoch into the store's marker if it is newer.

    A copy's epoch is newer. Call verify first.
    """
    store = stores.driver(config.storage)
    known, found = known_store(engine(config.database_place)), store.marker()
    if found is not None and known.id == found.id and known.epoch > found.epoch:
        store.mark(Marker(known.id, known.epoch))


@contextlib.contextmanager
def using(database: Engine) -> Iterator[None]:
    """For servers and commands: prevent copying of the database meanwhile. Raises StartError."""
    with _held(database, False, f"the database {database} is being copied: wait until that has ended"):
        yield


@contextlib.contextmanager
def alone(database: Engine) -> Iterator[None]:
    """For copying: make sure that no server and no command uses the database. Raises StartError."""
    with _held(database, True, f"a server or a command uses the database {database}: stop it first"):
        yield


@contextlib.contextmanager
def _held(database: Engine, alone: bool, why: str) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            is_free = stack.enter_context(database.use(alone))
        except OSError as error:
            raise StartError(f"can't lock the database {database}: {error.strerror}") from error
        except FAILURES as error:
            raise unusable(database, error) from error
        if not is_free:
            raise StartError(f"{why}. Nothing was changed")
        yield


def store_of(database: Engine, candidates: list[Driver]) -> Driver | None:
    """The one of these stores that belongs to this database.

    Raises StartError if the store belongs to a newer database by now.
    """
    known = known_store(database)
    for store in candidates:
        found = store.marker()
        if found is not None and found.id == known.id:
            if known.epoch < found.epoch:
                why = settings.not_owner(known, found)
                raise StartError(f"the database {database} is not the one that {store} belongs to: {why}")
            return store
    return None
