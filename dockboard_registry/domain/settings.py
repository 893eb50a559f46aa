"""What the registry notes about itself in the database."""

import secrets

from ..db import Database, Tx


def store_id(tx: Tx, make: bool) -> tuple[str | None, bool]:
    """(the id that the store's marker has to carry, whether the store should have content); an id is made where there is none and make."""
    used = tx.one("SELECT 1 FROM blobs LIMIT 1") is not None
    row = tx.one("SELECT value FROM settings WHERE name = 'store_id'")
    if row is not None:
        return row[0], used
    if not make:
        return None, used
    made = secrets.token_hex(16)
    tx.run("INSERT INTO settings (name, value) VALUES ('store_id', ?)", made)
    return made, used


async def database_answers(db: Database) -> None:
    """Raise what the database raises where it can't serve."""
    await db.read(lambda tx: tx.one("SELECT value FROM settings WHERE name = 'store_id'"))
