"""What the registry notes about itself in the database."""

import secrets

from ..db import Database, Tx


def known_store(tx: Tx) -> tuple[str | None, bool]:
    """(the id that the store's marker has to carry, whether the store should have content); of a schema not yet complete too."""
    tables = {name for (name,) in tx.all("SELECT name FROM sqlite_master")}
    if not {"settings", "blobs"} <= tables:
        return None, False
    row = tx.one("SELECT value FROM settings WHERE name = 'store_id'")
    return (row[0] if row else None), tx.one("SELECT 1 FROM blobs LIMIT 1") is not None


def store_id(tx: Tx) -> str:
    """The store's id, made where there is none."""
    made = secrets.token_hex(16)
    tx.insert("INSERT INTO settings (name, value) VALUES ('store_id', ?)", made)
    return tx.one("SELECT value FROM settings WHERE name = 'store_id'")[0]


async def database_answers(db: Database) -> None:
    """Raise what the database raises where it can't serve."""
    await db.read(lambda tx: tx.one("SELECT value FROM settings WHERE name = 'store_id'"))
