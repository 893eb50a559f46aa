"""Who did what to which object, from where, and when.

An entry is written in the transaction of the change, so neither exists without the other.
"""

import json
import secrets
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from ..db import Database, Row, Tx, now

_MOST_DETAIL, _MOST_OBJECT = 4000, 400
_RANDOM_BITS = 11
_PIECE = 1000
# As event_of reads them.
COLUMNS = "id, happened_at, actor, address, action, object, detail"
_EVENTS = f"SELECT {COLUMNS} FROM audit WHERE"
_FOUND = (
    "id < ? AND id >= ? AND happened_at >= ? AND (? = '' OR actor = ?) AND (? = '' OR action = ?) AND (? = '' OR object"
    " = ?) ORDER BY id DESC LIMIT ?"
)
# There are indexes by actor and by object.
_LIST, _OF_ACTOR, _OF_OBJECT = (
    f"{_EVENTS} {_FOUND}",
    f"{_EVENTS} actor = ? AND {_FOUND}",
    f"{_EVENTS} object = ? AND {_FOUND}",
)
NEWEST = (1 << 63) - 1
# Actors that are neither users nor robot accounts. Accounts with these names are found by their full form: user mail.
_OTHERS = ("", "anonymous", "console", "mail", "registry")


class Actor(NamedTuple):
    """Who makes a change, for the audit: a principal in words (user bob), and the address that the request came from.

    recheck: raises RightsChanged in the transaction of the change if the principal has lost the right to it since they
    were asked for it (domain/rights/recheck.py). None: the right does not come from an account.
    """

    name: str
    address: str
    recheck: Callable[[Tx, int], None] | None = None


class Event(NamedTuple):
    """happened_at in milliseconds since 1970; detail holds no secret."""

    id: int
    happened_at: int
    actor: str
    address: str
    action: str
    object: str
    detail: dict[str, Any]


def note(tx: Tx, actor: Actor, action: str, object: str, **detail: Any) -> None:
    """Note what this transaction does. Never pass a secret, nor anything made from one."""
    text = json.dumps(detail, ensure_ascii=False)
    if len(text) > _MOST_DETAIL:
        text = json.dumps({"omitted": len(text)})
    event = now(), actor.name[:160], actor.address[:64], action, object[:_MOST_OBJECT], text
    while not tx.insert(
        "INSERT INTO audit (id, happened_at, actor, address, action, object, detail) VALUES (?, ?, ?, ?, ?, ?, ?)",
        _id(),
        *event,
    ):
        pass  # another process wrote in the same microsecond, and had the same bits


def _forget(tx: Tx, oldest: int) -> int:
    """Ids are in the order of time, so the oldest rows come first."""
    rows = tx.all("SELECT id FROM audit WHERE id < ? ORDER BY id LIMIT ?", oldest * 1000 << _RANDOM_BITS, _PIECE)
    return tx.run("DELETE FROM audit WHERE id <= ?", rows[-1][0]) if rows else 0


def _id() -> int:
    """Microseconds since 1970, then random bits, so ids have the order of events."""
    return time.time_ns() // 1000 << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)


def first_id(at: int) -> int:
    """The least id that an event at this time, in milliseconds since 1970, may have."""
    return min(at * 1000 << _RANDOM_BITS, NEWEST)


def event_of(row: Row) -> Event:
    return Event(*row[:6], json.loads(row[6]))


def actor_of(text: str) -> str:
    """The actor as events name it. text: the same, or the bare name of a user or a robot account."""
    if text in _OTHERS or " " in text:
        return text
    return f"robot {text}" if "/" in text else f"user {text}"


class Audit:
    def __init__(self, db: Database):
        self._db = db

    async def forget(self, days: int) -> int:
        """Delete entries that are older than so many days, in pieces, and return their number. 0 days: nothing."""
        deleted = 0
        oldest = now() - days * 86400_000
        while days:
            piece = await self._db.write(lambda tx: _forget(tx, oldest), brings=0)
            deleted += piece
            if piece < _PIECE:
                break
        return deleted

    async def list(
        self,
        actor: str = "",
        action: str = "",
        object: str = "",
        since: int = 0,
        before: int = NEWEST,
        limit: int = 100,
    ) -> list[Event]:
        """The newest events first, those with ids below `before`. Empty texts filter nothing. since: milliseconds since
        1970.

        actor: as in events, or the bare name of a user or a robot account.
        """
        actor = actor_of(actor)
        first = first_id(since)
        given = (before, first, since, actor, actor, action, action, object, object, limit)
        sql, *key = (_OF_OBJECT, object) if object else (_OF_ACTOR, actor) if actor else (_LIST,)
        rows = await self._db.scan(lambda tx: tx.all(sql, *key, *given), long=True)
        return [event_of(row) for row in rows]
