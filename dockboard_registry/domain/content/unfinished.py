"""References of a large manifest are recorded and removed in many short transactions, so that no other push waits long.

A push first records the references and then stores the manifest. Deleting first deletes the manifest and then its
references. In between, a row of unfinished_manifests says that the references belong to no manifest yet, or any more.
They count all the same: what they name can't be deleted.

Each transaction first changes that row, and only goes on if the row still has the token that it knows. So recording
and removing never mix. Pushes of the same manifest at the same time share a token. A push that fails removes the
references. A periodic job removes what a crash has left.
"""

import contextlib
import secrets
from collections.abc import Callable
from typing import NamedTuple

from ...db import ROWS, Database, DatabaseBusy, DatabaseFailed, DatabaseFull, Tx, now
from ...db.each import SOME
from . import references, repositories
from .pace import rested
from .references import FoundReferences

# A manifest with no more references than MANY is stored, and deleted, in one transaction.
MANY, _PIECE = 200, SOME
# Bytes of a reference in the database: its row and its entries in two indexes.
REFERENCE_BYTES = 512
# A push whose references are removed by somebody else begins again so often.
_ATTEMPTS = 3
# Milliseconds. A row that has not changed for so long was left by a crash.
_LEFT_MS = 60_000
_FIND = "SELECT token, removing FROM unfinished_manifests WHERE repository_id = ? AND digest = ?"
_INSERT = "INSERT INTO unfinished_manifests (repository_id, digest, token, removing, changed_at) VALUES (?, ?, ?, ?, ?)"
_TAKE = "UPDATE unfinished_manifests SET token = ?, removing = ?, changed_at = ? WHERE repository_id = ? AND digest = ?"
_TAKE_FROM = f"{_TAKE} AND token = ?"
# The row has to change, also twice within a millisecond.
_CONTINUE = (
    "UPDATE unfinished_manifests SET changed_at = CASE WHEN changed_at < ? THEN ? ELSE changed_at + 1 END"
    " WHERE repository_id = ? AND digest = ? AND token = ?"
)
_END = "DELETE FROM unfinished_manifests WHERE repository_id = ? AND digest = ?"
_LEFT = "SELECT repository_id, digest, token FROM unfinished_manifests WHERE changed_at <= ?"


class Unfinished(NamedTuple):
    """A row of unfinished_manifests."""

    repository_id: int
    digest: str
    token: str


class UnfinishedManifests:
    def __init__(self, db: Database):
        self._db = db

    async def record(self, repository: str, digest: str, held: FoundReferences) -> Unfinished | None:
        """Record all references. None if something they name was deleted or others interfered: nothing is sure then."""
        for _ in range(_ATTEMPTS):
            begun = await self._step(lambda tx: _begin(tx, repository, digest), ROWS)
            if begun is None or await self._record_all(begun, held):
                return begun
        await self.give_up(begun)
        return None

    async def clean_up(self, unfinished: Unfinished) -> None:
        """`give_up` after a failure. If the database fails too, the periodic job does it later."""
        with contextlib.suppress(DatabaseBusy, DatabaseFull, DatabaseFailed):
            await self.give_up(unfinished)

    async def give_up(self, unfinished: Unfinished) -> None:
        """The manifest will not be stored: remove its references, unless somebody else stored it."""
        own = unfinished._replace(token=_new_token())
        if await self._step(lambda tx: _begin_removal_of(tx, unfinished, own)):
            await self.remove(own)

    async def remove(self, unfinished: Unfinished) -> None:
        """Remove the references of a manifest that is deleted, after `begin_removal`."""
        while await self._step(lambda tx: _remove_some(tx, unfinished)):
            pass

    async def remove_what_is_left(self) -> None:
        """Remove what a crash has left."""
        cutoff = now() - _LEFT_MS
        for row in await self._db.scan(lambda tx: tx.all(_LEFT, cutoff)):
            await self.give_up(Unfinished(*row))

    async def _record_all(self, unfinished: Unfinished, held: FoundReferences) -> bool:
        brings = REFERENCE_BYTES * _PIECE
        try:
            for part in held.parts(_PIECE):
                if not await self._step(lambda tx: _record_some(tx, unfinished, part), brings):  # noqa: B023
                    return False
        except BaseException:
            await self.clean_up(unfinished)
            raise
        return True

    async def _step(self, fn: Callable, brings: int = 0):
        return await rested(self._db.write(fn, durable=False, repeatable=True, brings=brings, long=True))


def forget(tx: Tx, repository_id: int, digest: str) -> Unfinished | None:
    """The manifest is deleted in this transaction. Returns what `UnfinishedManifests.remove` has to do afterwards."""
    # First of all, so that a push that records references at the same time records no more.
    tx.run(_END, repository_id, digest)
    if references.forget(tx, repository_id, digest, MANY + 1) <= MANY:
        return None
    left = Unfinished(repository_id, digest, _new_token())
    tx.insert(_INSERT, *left, 1, now())
    return left


def end(tx: Tx, repository_id: int, digest: str, unfinished: Unfinished | None) -> bool:
    """The manifest is stored in this transaction. Returns whether all references are recorded."""
    row = tx.lock(_FIND, repository_id, digest)
    tx.run(_END, repository_id, digest)
    return row is not None and unfinished == Unfinished(repository_id, digest, row[0])


def _begin(tx: Tx, repository: str, digest: str) -> Unfinished | None:
    """None if there is no such repository."""
    repository_id = repositories.find(tx, repository)
    if repository_id is None:
        return None
    token = _new_token()
    row = tx.lock(_FIND, repository_id, digest)
    if row is None and not tx.insert(_INSERT, repository_id, digest, token, 0, now()):
        row = tx.lock(_FIND, repository_id, digest)
    if row is None:
        return Unfinished(repository_id, digest, token)
    token, removing = row
    if removing:
        token = _new_token()
    tx.run(_TAKE, token, 0, now(), repository_id, digest)
    return Unfinished(repository_id, digest, token)


def _record_some(tx: Tx, unfinished: Unfinished, part: FoundReferences) -> bool:
    """False if they can't be recorded."""
    repository_id, digest, _ = unfinished
    if not _continue(tx, unfinished) or not references.guard_all(tx, repository_id, part):
        return False
    references.record(tx, repository_id, digest, part)
    return True


def _begin_removal_of(tx: Tx, unfinished: Unfinished, own: Unfinished) -> bool:
    key = unfinished[:2]
    if not tx.run(_TAKE_FROM, own.token, 1, now(), *key, unfinished.token):
        return False
    if references.is_stored(tx, *key):
        tx.run(_END, *key)
        return False
    return True


def _remove_some(tx: Tx, unfinished: Unfinished) -> bool:
    """Whether there are more."""
    key = unfinished[:2]
    if not _continue(tx, unfinished):
        return False
    # A server of the version before may have stored the manifest meanwhile. Then nothing is removed.
    if references.forget(tx, *key, _PIECE):
        return True
    tx.run(_END, *key)
    return False


def _continue(tx: Tx, unfinished: Unfinished) -> bool:
    """False if somebody else has taken over, or has stored the manifest."""
    at = now()
    return tx.run(_CONTINUE, at, at, *unfinished) > 0


def _new_token() -> str:
    return secrets.token_hex(16)
