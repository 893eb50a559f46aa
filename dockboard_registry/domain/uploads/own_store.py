"""Whether uploads may go into this server's store: it still is the registry's, and its blobs are not being handed over.

copy-storage moves the blobs to another store while servers run. In its last step it freezes the store: a row says so.
Every transaction that lets bytes of the store count, for a session or a blob, looks for that row and for the store's id
in its statement on the session. The freezing ends all sessions with bytes in the store afterwards. So a blob gets its
row before that, or never: a transaction that did not see the freezing yet has lost its session. A server that still has
the old store can save nothing from then on, for the id of the registry's store is another one.
"""

from ...db import Tx, now
from ...errors import StoreMoving

# Ends the statement on a session. Its parameter is the id of the server's store; NULL for commands, which push nothing.
IS_OURS = (
    "NOT EXISTS (SELECT 1 FROM settings WHERE name IN ('store_id', 'store_frozen')"
    " AND (name = 'store_frozen' OR value <> ?))"
)
_STATE = "SELECT name, value FROM settings WHERE name IN ('store_id', 'store_frozen')"
_FREEZE = "INSERT INTO settings (name, value) VALUES ('store_frozen', ?)"
_THAW = "DELETE FROM settings WHERE name = 'store_frozen' AND value = ?"
# Seconds for clients to wait.
_SOON, _LATER = {"Retry-After": "5"}, {"Retry-After": "30"}


def require(tx: Tx, own: str | None) -> None:
    """Raises StoreMoving where IS_OURS does not hold for this id."""
    found = dict(tx.all(_STATE))
    if "store_frozen" in found:
        raise StoreMoving(headers=_SOON)
    if own is not None and found.get("store_id", own) != own:
        raise StoreMoving(
            "the blobs of this registry were moved, and this server does not use their new store yet",
            "try again in a moment; the operator of this registry has to restart this server with the new store",
            _LATER,
        )


def freeze(tx: Tx, until: int, token: str) -> str:
    """Returns what `thaw` takes. Whoever had frozen the store cannot hand it over any more.

    until: milliseconds since 1970.
    """
    value = f"{until} {token}"
    tx.run("DELETE FROM settings WHERE name = 'store_frozen'")
    tx.insert(_FREEZE, value)
    return value


def thaw(tx: Tx, frozen: str) -> bool:
    """False if it was thawed before."""
    return tx.run(_THAW, frozen) > 0


def due(tx: Tx) -> str | None:
    """What `freeze` gave, if copy-storage has died in its last step since; else None."""
    value = dict(tx.all(_STATE)).get("store_frozen")
    return value if value is not None and int(value.partition(" ")[0]) < now() else None


def thaw_when_due(tx: Tx) -> None:
    """Let pushes go on where copy-storage has died in its last step."""
    value = due(tx)
    if value is not None:
        thaw(tx, value)
