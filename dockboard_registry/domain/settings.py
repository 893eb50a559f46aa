"""What the registry notes about itself in the database."""

from ..db import Database, Tx


def known_store(tx: Tx) -> tuple[str | None, bool]:
    """(the id that the store's marker has to carry, whether the store must be marked already)."""
    marked = _value(tx, "store_marked") is not None or tx.one("SELECT 1 FROM blobs LIMIT 1") is not None
    return _value(tx, "store_id"), marked


def unfinished_copy(tx: Tx) -> str | None:
    """The database of which this one is a copy that is not whole yet (see db/copy.py)."""
    return _value(tx, "copy_from")


def store_id(tx: Tx, made: str) -> str:
    """The store's id; it becomes `made` where there is none."""
    if _value(tx, "store_id") is None:
        tx.insert("INSERT INTO settings (name, value) VALUES ('store_id', ?)", made)
    return _value(tx, "store_id")


def store_is_marked(tx: Tx) -> None:
    """From now on a store without marker is not this registry's."""
    if _value(tx, "store_marked") is None:
        tx.insert("INSERT INTO settings (name, value) VALUES ('store_marked', 'yes')")


def first_account_is_untold(tx: Tx) -> None:
    """The account of the first start is made in this transaction, its password not shown yet."""
    tx.insert("INSERT INTO settings (name, value) VALUES ('first_account', 'untold')")


def first_account_is_told(tx: Tx) -> None:
    tx.run("DELETE FROM settings WHERE name = 'first_account'")


def first_account_untold(tx: Tx) -> bool:
    return _value(tx, "first_account") is not None


def _value(tx: Tx, name: str) -> str | None:
    row = tx.one("SELECT value FROM settings WHERE name = ?", name)
    return row[0] if row else None


async def database_answers(db: Database) -> None:
    """Raise what the database raises where it can't serve."""
    await db.read(lambda tx: tx.one("SELECT value FROM settings WHERE name = 'store_id'"))
