"""What the database notes of a copy of the store: which one it is, which run is at work, and which keys are there.

A key is noted when its bytes are durable in the other store and have the digest of the blob. So a copy that was stopped
goes on from there. Two runs never mix: each takes the copy over from the one before, which can note nothing any more.
"""

from typing import NamedTuple

from ...db import Database, Tx
from ...errors import StartError
from ...storage import Marker, identity
from ..content.stored_blobs import StoredBlob

_NOTED = "SELECT value FROM settings WHERE name = 'store_copy'"
_NOTE = "INSERT INTO settings (name, value) VALUES ('store_copy', ?)"
_FORGET_NOTE = "DELETE FROM settings WHERE name = 'store_copy'"
_ADD = "INSERT INTO copied_keys (storage_key, size) VALUES (?, ?)"
_REMOVE = "DELETE FROM copied_keys WHERE storage_key = ?"
_SOME = "SELECT storage_key FROM copied_keys ORDER BY storage_key LIMIT ?"
_PLACE = "INSERT INTO settings (name, value) VALUES ('store_place', ?)"
# In place of an id, while what another copy noted is forgotten: the id of no store.
_NO_COPY = "none"
_BATCH = 500
_MOST = 255


class CopyRun(NamedTuple):
    """One run of copy-storage. id: that the other store will have. run: a random text."""

    id: str
    run: str

    def __str__(self) -> str:
        return f"{self.id} {self.run}"


def copy_id(tx: Tx) -> str | None:
    """The id that the other store will have, if a copy was begun and not finished."""
    row = tx.one(_NOTED)
    return row[0].partition(" ")[0] if row else None


async def begin(db: Database, run: CopyRun) -> None:
    """Begin a copy, or take it over from an earlier run. Raises StartError if a later run has taken over.

    Keys that another copy noted are forgotten first. That copy can note none from then on, and after a crash the next
    run forgets the rest.
    """
    forgetting = CopyRun(_NO_COPY, run.run)

    def enter(tx: Tx) -> bool:
        found = tx.lock(_NOTED)
        goes_on = found is not None and found[0].partition(" ")[0] == run.id
        _note(tx, run if goes_on else forgetting)
        return goes_on

    def begin_anew(tx: Tx) -> None:
        if not (tx.doubtful and tx.one(_NOTED) == (str(run),)):
            _require(tx, forgetting)
            _note(tx, run)

    if not await db.write(enter, repeatable=True, brings=0):
        await forget_all(db)
        await db.write(begin_anew, repeatable=True, brings=0)


def _note(tx: Tx, run: CopyRun) -> None:
    tx.run(_FORGET_NOTE)
    tx.insert(_NOTE, str(run))


async def forget_all(db: Database) -> None:
    while keys := await some(db):
        await forget(db, keys)


async def some(db: Database) -> list[str]:
    """Some of the keys that are noted, sorted; none if there are none."""
    return [key for (key,) in await db.scan(lambda tx: tx.all(_SOME, _BATCH))]


async def forget(db: Database, keys: list[str]) -> None:
    await db.write(lambda tx: [tx.run(_REMOVE, key) for key in keys], durable=False, brings=0)


async def add(db: Database, run: CopyRun, blobs: list[StoredBlob]) -> None:
    """Note that these are in the other store. Raises StartError if a later run has taken over."""

    def change(tx: Tx) -> None:
        _require(tx, run)
        for blob in blobs:
            tx.insert(_ADD, blob.key, blob.size)

    await db.write(change, durable=False, repeatable=True, brings=0)


async def remove(db: Database, run: CopyRun, keys: list[str]) -> None:
    """Note that these are not there. Raises StartError if a later run has taken over."""

    def change(tx: Tx) -> None:
        _require(tx, run)
        for key in keys:
            tx.run(_REMOVE, key)

    await db.write(change, durable=False, repeatable=True, brings=0)


async def require(db: Database, run: CopyRun) -> None:
    """Raises StartError if a later run has taken over."""
    await db.write(lambda tx: _require(tx, run), durable=False, repeatable=True, brings=0)


def _require(tx: Tx, run: CopyRun) -> None:
    found = tx.lock(_NOTED)
    if found is None or found[0] != str(run):
        raise StartError("another copy-storage has begun since and goes on with this copy")


def is_handed_over(tx: Tx, run: CopyRun) -> bool:
    """Whether the other store is the registry's."""
    return tx.one("SELECT 1 FROM settings WHERE name = 'store_id' AND value = ?", run.id) is not None


def hand_over(tx: Tx, run: CopyRun, place: str) -> None:
    """Make the other store the registry's. place: where it is, in words. Raises StartError if a later run took over."""
    _require(tx, run)
    (known,) = tx.lock("SELECT value FROM settings WHERE name = 'store_id'")
    if identity.following(known).rpartition(".")[0] != run.id.rpartition(".")[0]:
        raise StartError("another copy-storage has moved the blobs since: this store lacks what was pushed afterwards")
    tx.run("UPDATE settings SET value = ? WHERE name = 'store_id'", run.id)
    tx.run("DELETE FROM settings WHERE name IN ('store_copy', 'store_place')")
    tx.insert(_PLACE, place[:_MOST])


def new_id(known: str, noted: str | None, found: Marker | None) -> str | None:
    """The id that the other store gets, if its marker lets it take the blobs: that of an interrupted copy, or a new one
    for an empty store and for one that the blobs have left. None: it belongs to somebody else, or has the blobs.
    """
    if found is None:
        return identity.following(known)
    if noted is not None and found.id == identity.unfinished(noted):
        return noted
    if found.id in (known, identity.unfinished(known)):
        return None  # the store in use, which a run that died in its last step may have left unmarked
    ours = identity.registry_of(found.id) == identity.registry_of(known)
    left = identity.is_unfinished(found.id) or identity.moves_of(found.id) < identity.moves_of(known)
    return identity.following(known) if ours and left else None
