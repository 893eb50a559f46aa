"""What a start does before it serves: it prepares database and store, and makes the first account."""

import contextlib

from .config import Config
from .db import unusable
from .db.engines import engine
from .domain import settings
from .domain.changes import access_version
from .errors import StartError
from .ownership import FAILURES, mark, using, verify
from .private_files import make_directory
from .storage import stores


def prepare(config: Config) -> list[str]:
    """Before the first worker starts: verify, migrate the database, mark the store; the names of the migrations applied
    now. Raises StartError.
    """
    store = stores.driver(config.storage)
    try:
        verify(config)
        store.make()
        engine(config.database_place).prepare(make_directory)
        applied = migrate(config)
        mark(config)
        engine(config.database_place).set_aside(config.database_reserve)
        return applied
    except OSError as error:
        raise StartError(
            f"can't use the data directory {store}: {error.strerror}. Check that it is mounted and writable"
        ) from error
    except FAILURES as error:
        raise unusable(engine(config.database_place), error) from error


def store_id(config: Config) -> str:
    """The id that the store's marker has. Call it after `prepare`. Raises StartError."""
    store = stores.driver(config.storage)
    try:
        found = store.marker()
    except OSError as error:
        raise StartError(f"can't read {store.marked_by} of {store}: {error.strerror}") from error
    if found is None:
        raise StartError(f"{store} has lost {store.marked_by}")
    return found.id


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
        database.prepare(make_directory)
    except OSError as error:
        raise StartError(f"can't make the directory of the database {database}: {error.strerror}") from error
    return using(database)


def store_place(config: Config) -> str:
    """Where the blobs are, for people."""
    return str(stores.driver(config.storage))


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
