"""The last step of a move: the other store becomes the registry's. Pushes into the store wait for some seconds.

    freeze     from now on nothing counts that is pushed into the store (uploads/own_store.py); pulls go on
    end        sessions with bytes in the store end, because these bytes stay there
    copy       the blobs that were pushed since the last pass
    hand over  one transaction gives the database the id of the other store and ends the freezing
    mark       the other store's marker says that it is finished; if that fails, the next start does it

Whatever fails before the transaction leaves everything as it was. The freezing ends by itself then.
"""

import asyncio
import secrets
import time

from ...db import Database, Tx, now
from ...errors import StartError
from ..uploads import own_store
from ..uploads.open_uploads import end_all
from . import notes
from .copier import Copier
from .notes import CopyRun

# Seconds: pushes wait so long at most, and the last copying may take so long.
_FROZEN, _COPYING = 60.0, 45.0
_BATCH = 200
_IN_STORE = "SELECT id FROM uploads WHERE state LIKE 'stored:%' OR (size > 0 AND state <> 'here') ORDER BY id LIMIT ?"


async def switch(db: Database, copier: Copier, run: CopyRun, place: str) -> float:
    """Returns for how many seconds pushes had to wait. place: where the other store is, in words.

    Raises StartError, and what database and storage raise; then nothing has changed.
    """
    until, begun = now() + int(_FROZEN * 1000), time.monotonic()
    frozen = await db.write(lambda tx: own_store.freeze(tx, until, secrets.token_hex(8)), brings=0)
    try:
        await _end_uploads(db)
        await _copy_rest(copier)
        await db.write(lambda tx: _hand_over(tx, run, place, frozen), repeatable=True, brings=0)
    except BaseException:
        await db.write(lambda tx: own_store.thaw(tx, frozen), brings=0)
        raise
    return time.monotonic() - begun


async def _end_uploads(db: Database) -> None:
    while ids := [id for (id,) in await db.scan(lambda tx: tx.all(_IN_STORE, _BATCH))]:
        await db.write(lambda tx: end_all(tx, ids), brings=0)


async def _copy_rest(copier: Copier) -> None:
    known = set(copier.problems)
    try:
        async with asyncio.timeout(_COPYING):
            await copier.copy()
    except TimeoutError:
        raise StartError(
            "so much was pushed lately that the last step would take too long: run it again, at a quieter time"
        ) from None
    if copier.problems.keys() - known or not await copier.is_complete():
        raise StartError("some blobs could not be copied yet: run it again")


def _hand_over(tx: Tx, run: CopyRun, place: str, frozen: str) -> None:
    """The row of the freezing has to be there: without it somebody may have pushed."""
    if tx.doubtful and notes.is_handed_over(tx, run):
        return
    if not own_store.thaw(tx, frozen):
        raise StartError("the last step took too long, and pushes have gone on: run it again")
    notes.hand_over(tx, run, place)
