"""The access version: a number that grows with each change of rights.

Every transaction that takes away or gives a right begins with `access_changed`, which adds one. A worker remembers
rights for one access version and reads the access version with every request. So a change counts with the next request
at every worker and node. All these transactions change the same row before they read anything. So each of them sees
what the others did, and what they decide needs no further locks.

A right that is given has to be counted too, because the remembered rights of its holder lack it. A new access token,
reset token or profile changes nothing that workers remember, and does not advance the access version. Otherwise all
workers would have to read the rights of all users again.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..db import Database, Tx
from ..errors import ChangeRefused

if TYPE_CHECKING:  # importing it later makes a start quicker
    from .audit import Actor

# The part of a statement that reads the access version. 0: there has never been an account.
ACCESS_VERSION = "COALESCE((SELECT value FROM generations WHERE name = 'access'), 0)"
_ALONE = f"SELECT {ACCESS_VERSION}"
_ADD = "UPDATE generations SET value = value + 1 WHERE name = 'access'"


class Unchanged(Exception):
    """Raised in a transaction that would change nothing. It is undone, and the access version stays."""


async def write_if_changed(db: Database, change: Callable[[Tx], object], **options: int) -> None:
    """db.write of a change that may raise Unchanged. Then nothing is written: no audit entry, no new access version."""
    try:
        await db.write(change, **options)
    except Unchanged:
        pass


def access_changed(tx: Tx, actor: "Actor | None" = None) -> None:
    """Advance the access version, and wait for every other transaction that has done so.

    actor: who must still have the right to make the change.

    Raises RightsChanged.
    """
    if not tx.run(_ADD) and not tx.insert("INSERT INTO generations (name, value) VALUES ('access', 1)"):
        tx.run(_ADD)
    recheck_rights(tx, actor, 1)


def recheck_rights(tx: Tx, actor: "Actor | None", added: int = 0) -> None:
    """Raise RightsChanged where the actor may have lost the right to this change since it was asked for.

    added: by this transaction to the access version.
    """
    if actor is not None and actor.recheck is not None:
        actor.recheck(tx, access_version(tx) - added)


def require_accounts(tx: Tx) -> None:
    """After access_changed: raise ChangeRefused where that was the first change ever.

    To count it would end what everyone may do while nobody could log in.
    """
    if access_version(tx) == 1:
        raise ChangeRefused("there are no accounts yet", "add a user first")


def access_version(tx: Tx) -> int:
    """The access version as this transaction sees it."""
    return tx.one(_ALONE)[0]
