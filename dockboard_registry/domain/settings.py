"""What the registry notes about itself in the database."""

from typing import NamedTuple

from ..db import Database, Tx
from ..storage import Marker, identity

_STORE = (
    "SELECT name, value FROM settings WHERE name IN"
    " ('store_id', 'store_marked', 'store_epoch', 'moved_to', 'store_place')"
)

_FAILED_LOGIN = "failed_login_ms"


class Store(NamedTuple):
    """What a database knows of its store.

    id: that the store's marker must have. marked: whether the marker must exist. epoch: how often the store has moved
    from a database to its copy. moved_to: the copy of this database to which the store belongs now. place: where
    copy-storage has moved the blobs, in words; empty if it never has.
    """

    id: str | None
    marked: bool
    epoch: int
    moved_to: str | None
    place: str = ""


NO_STORE = Store(None, False, 0, None)


def known_store(tx: Tx) -> Store:
    found = _store(tx)
    return found._replace(marked=found.marked or tx.one("SELECT 1 FROM blobs LIMIT 1") is not None)


def _store(tx: Tx) -> Store:
    """Reads everything in one statement."""
    found = dict(tx.all(_STORE))
    epoch, place = int(found.get("store_epoch", 0)), found.get("store_place", "")
    return Store(found.get("store_id"), "store_marked" in found, epoch, found.get("moved_to"), place)


def not_owner(known: Store, found: Marker | None) -> str:
    """Why a database that knows this may not use the store with that marker, as a sentence for the operator; empty if
    it may.
    """
    back = (
        "Set database.url to that database. To go back and keep what was pushed since, copy that database into an empty"
        " one. To go back and lose it, stop all servers and run: registry.pyz take-store"
    )
    if known.moved_to is not None:
        return f"it was copied to {known.moved_to}, and the store belongs to that copy now. {back}"
    if known.id is None or found is None:
        return ""
    if found.id not in (known.id, identity.unfinished(known.id)):
        return _other_store(known, found.id)
    if found.epoch > known.epoch:
        return (
            "the store belongs to another database now, a later copy or one that take-store went back to, "
            f"and collecting garbage with this one would delete what was pushed there. {back}"
        )
    return ""


def _other_store(known: Store, found: str) -> str:
    """The same for a store with another id."""
    if identity.registry_of(found) != identity.registry_of(known.id):
        return "the file store-id of the store has another id than the database"
    if identity.is_unfinished(found):
        return (
            "copy-storage has not finished this store. Keep the old storage.url, and run copy-storage --switch to its"
            " end first"
        )
    if identity.moves_of(found) < identity.moves_of(known.id):
        return f"the blobs were moved from this store to {known.place}. Name that store in storage.url (storage.root)"
    return (
        "the blobs were moved to this store later than this database knows, as a backup from before the move. To use it"
        " with this store all the same, stop all servers and run: registry.pyz take-store"
    )


async def why_not_owner(db: Database, found: Marker | None) -> str:
    """`not_owner`, for what the database says now."""
    return not_owner(await db.read(_store), found)


def own_store(tx: Tx, owner: Marker) -> None:
    """Make this database the owner of the store with this marker."""
    tx.run("DELETE FROM settings WHERE name IN ('store_epoch', 'moved_to')")
    tx.insert("INSERT INTO settings (name, value) VALUES ('store_epoch', ?)", str(owner.epoch))
    tx.run("UPDATE settings SET value = ? WHERE name = 'store_id'", owner.id)


def unfinished_copy(tx: Tx) -> str | None:
    """The database of which this one is an incomplete copy (db/copy.py)."""
    return _value(tx, "copy_from")


def store_id(tx: Tx, made: str) -> str:
    """The store's id. If there is none, it becomes `made`."""
    if _value(tx, "store_id") is None:
        tx.insert("INSERT INTO settings (name, value) VALUES ('store_id', ?)", made)
    return _value(tx, "store_id")


def store_is_marked(tx: Tx) -> None:
    """From now on a store without a marker is not this registry's."""
    if _value(tx, "store_marked") is None:
        tx.insert("INSERT INTO settings (name, value) VALUES ('store_marked', 'yes')")


def first_account_is_untold(tx: Tx) -> None:
    """Note that this transaction makes the account of the first start, and that its password was not shown yet."""
    tx.insert("INSERT INTO settings (name, value) VALUES ('first_account', 'untold')")


def first_account_is_told(tx: Tx) -> None:
    tx.run("DELETE FROM settings WHERE name = 'first_account'")


def first_account_untold(tx: Tx) -> bool:
    return _value(tx, "first_account") is not None


def failed_login_ms(tx: Tx) -> int:
    """The least milliseconds of a failed login (credentials/logins.py)."""
    return int(_value(tx, _FAILED_LOGIN) or 0)


def raise_failed_login_ms(tx: Tx, milliseconds: int) -> None:
    known = failed_login_ms(tx)
    if milliseconds > known:
        if not tx.run("UPDATE settings SET value = ? WHERE name = ?", str(milliseconds), _FAILED_LOGIN):
            tx.insert("INSERT INTO settings (name, value) VALUES (?, ?)", _FAILED_LOGIN, str(milliseconds))


def forget_failed_login_ms(tx: Tx) -> None:
    tx.run("DELETE FROM settings WHERE name = ?", _FAILED_LOGIN)


def _value(tx: Tx, name: str) -> str | None:
    row = tx.one("SELECT value FROM settings WHERE name = ?", name)
    return row[0] if row else None


async def has_moved(db: Database, own: str | None) -> bool:
    """Whether the registry's store is another one than that of a server. own: its id; None for commands.

    Raises what the database raises if it can't serve.
    """
    return await db.read(lambda tx: _value(tx, "store_id")) != own and own is not None
