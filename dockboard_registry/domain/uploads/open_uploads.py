"""Open upload sessions: how many each client may have, when they expire, and listing and ending them.

A registry keeps `server.open_uploads` sessions. A tenth of these places is set aside for clients with few sessions. Of
the other places a client may have a tenth of what is free. So one client that opens as many sessions as it can gets a
twelfth of all, ten such clients get half together, and the others still find places. A client is a user, an
organization with its robot accounts, or the network of somebody who shows no credentials.

A session without bytes expires after minutes, any other one after a day. The collector drops expired sessions in its
rounds; so does a client who finds no free place.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ...clients import network_of
from ...db import Database, Row, Tx, now
from ...errors import AccountUnknown, TooManyRequests
from ...names import namespace_of
from ...storage import Storage
from ...wording import quoted
from .. import audit
from ..access.rule import ANONYMOUS, ROBOT, USER, Principal
from ..audit import Actor
from ..changes import recheck_rights
from ..content import blobs, small_blobs
from ..quotas import quota_sums
from ..quotas.quota_sums import Change

# A client with so many sessions or less has few: a thousandth of all, within these bounds.
_FEWEST, _FEW = 3, 10
_BATCH = 200
# While bytes came so lately, a list tells how fast they come.
_LIVE_MS = 60_000
_EXPIRED = (
    "SELECT id FROM uploads WHERE updated_at <= ? AND (size = 0 OR updated_at <= ?) ORDER BY updated_at, id LIMIT ?"
)
_DELETE_EXPIRED = "DELETE FROM uploads WHERE id = ? AND updated_at <= ? AND (size = 0 OR updated_at <= ?)"
_DELETE_OWN = "DELETE FROM uploads WHERE id = ? AND (? = '' OR COALESCE(owner, 'anonymous') = ?)"
_DELETE = "DELETE FROM uploads WHERE id = ?"
_ENDS = "SELECT storage_key, repository, size, charged FROM uploads WHERE id = ?"
_FIELDS = "id, repository, owner, share_of, size, started_at, updated_at"
_LIST = (
    f"SELECT {_FIELDS} FROM uploads WHERE id > ? AND (? = '' OR COALESCE(owner, 'anonymous') = ?) AND (? = '' OR"
    " repository = ?) ORDER BY id LIMIT ?"
)
_USER = "SELECT name FROM users WHERE id = ?"
_ROBOT = (
    "SELECT organizations.name, robots.name FROM robots JOIN organizations ON organizations.id = robots.organization_id"
    " WHERE robots.id = ?"
)
_NETWORK = "network "


def share_of(principal: Principal, address: str) -> str:
    """The client whose share a session takes that this principal opens from this address."""
    if principal.kind == ANONYMOUS:
        return _NETWORK + network_of(address)
    return f"organization {principal.name.partition('/')[0]}" if principal.kind == ROBOT else f"user {principal.id}"


def share(limit: int, total: int) -> int:
    """How many sessions one client may have if so many are open in all."""
    few = min(max(limit // 1000, _FEWEST), _FEW)
    set_aside = limit // 10
    return max((limit - set_aside - total) // 10, few)


def require_place(limit: int, total: int, own: int) -> None:
    """Raise TooManyRequests if a client with so many sessions may not open another one."""
    retry = {"Retry-After": "60"}
    if total >= limit:
        raise TooManyRequests(
            f"all {limit} upload sessions of this registry are open",
            "try again later, or ask the operator of this registry",
            retry,
        )
    if own >= share(limit, total):
        next = "finish uploads, or cancel them with DELETE; sessions without bytes expire after some minutes"
        raise TooManyRequests(
            f"you have {own} upload sessions open, which is your share of the {limit} that may be open here",
            next,
            retry,
        )


class Expiry(NamedTuple):
    """Seconds without a change after which a session expires. empty: while it has no bytes."""

    expiry: float = 86400
    empty: float = 600

    def cutoffs(self) -> tuple[int, int]:
        """A session has expired if its last change is before this: (of empty ones, of any)."""
        at = now()
        return at - self.milliseconds(0), at - self.milliseconds(1)

    def milliseconds(self, size: int) -> int:
        """From the last change of a session with so many bytes to its end."""
        return int((self.expiry if size else min(self.empty, self.expiry)) * 1000)


async def drop_expired(db: Database, expiry: Expiry) -> tuple[int, bool]:
    """Drop a bounded number of the oldest expired sessions. Returns how many, and whether there may be more."""
    cutoffs = expiry.cutoffs()
    found = await db.scan(lambda tx: tx.all(_EXPIRED, *cutoffs, _BATCH))
    if not found:
        return 0, False
    gone = await db.write(lambda tx: _expire(tx, sorted(found), cutoffs), brings=0)
    return gone, len(found) == _BATCH


def _expire(tx: Tx, found: list, cutoffs: tuple[int, int]) -> int:
    return _give_up(tx, [row for (id,) in found if (row := _end(tx, id, _DELETE_EXPIRED, id, *cutoffs))])


def end_all(tx: Tx, ids: list[str]) -> int:
    """End the sessions, whatever state they are in. Returns how many there were."""
    return _give_up(tx, [row for id in ids if (row := _end(tx, id, _DELETE, id))])


def _give_up(tx: Tx, ended: "list[_Ended]") -> int:
    for row in ended:
        blobs.condemn(tx, row.storage_key, row.namespace if row.charged else None, row.charged or 0)
    quota_sums.change_all(tx, ((row.namespace, Change(-row.charged, row.charged)) for row in ended if row.charged))
    return len(ended)


class _Ended(NamedTuple):
    storage_key: str
    repository: str
    size: int
    charged: int | None

    @property
    def namespace(self) -> str:
        return namespace_of(self.repository)


def _end(tx: Tx, id: str, delete: str, *parameters: str | int) -> _Ended | None:
    """Delete the session. The caller takes care of its bytes and sums. None if the statement deletes nothing."""
    row = tx.lock(_ENDS, id)
    return _Ended(*row) if row and tx.run(delete, *parameters) else None


class OpenUpload(NamedTuple):
    """A session as people see it.

    owner: user NAME, robot ORGANIZATION/NAME or anonymous; network: of whoever opened it without credentials. ends_at:
    when it expires unless something comes. Times in milliseconds since 1970.
    """

    id: str
    repository: str
    owner: str
    network: str | None
    size: int
    started_at: int
    updated_at: int
    ends_at: int

    @property
    def rate(self) -> int | None:
        """Bytes a second from the start to the last ones. None where nothing came lately, or all at once."""
        took, rests = self.updated_at - self.started_at, now() - self.updated_at
        return self.size * 1000 // took if took > 0 and rests < _LIVE_MS else None


class OpenUploads:
    def __init__(self, db: Database, storage: Storage, expiry: Expiry = Expiry()):
        self._db = db
        self._storage = storage
        self._expiry = expiry

    async def list(self, after: str = "", limit: int = 1000, owner: str = "", repository: str = "") -> list[OpenUpload]:
        """Sessions with ids greater than `after`.

        owner: a principal's holder, or anonymous. Empty texts filter nothing.
        """

        def query(tx: Tx) -> list[OpenUpload]:
            names: dict[str | None, str] = {}
            rows = tx.all(_LIST, after, owner, owner, repository, repository, limit)
            return [_shown(tx, row, names, self._expiry) for row in rows]

        return await self._db.scan(query)

    async def drop(self, actor: Actor, ids: Sequence[str], owner: str = "") -> int:
        """End sessions and free their bytes. Returns how many there were. owner: only this one's."""
        keys: list[str] = []
        for first in range(0, len(ids), _BATCH):
            batch = sorted(ids[first : first + _BATCH])
            keys += await self._db.write(lambda tx: _drop(tx, actor, batch, owner), brings=0)
        await self._storage.delete(keys)
        return len(keys)

    async def drop_one(self, actor: Actor, id: str, owner: str = "") -> None:
        """Raises AccountUnknown if there is no such session, or if it is somebody else's."""
        if not await self.drop(actor, [id], owner):
            raise AccountUnknown(f"there is no open upload {quoted(id)}", "look it up in the list of open uploads")


def _shown(tx: Tx, row: Row, names: dict[str | None, str], expiry: Expiry) -> OpenUpload:
    """names: those that were found before, by holder."""
    id, repository, owner, of, size, started_at, updated_at = row
    if owner not in names:
        names[owner] = _name(tx, owner)
    network = of.removeprefix(_NETWORK) if of and of.startswith(_NETWORK) else None
    ends_at = updated_at + expiry.milliseconds(size)
    return OpenUpload(id, repository, names[owner], network, size, started_at, updated_at, ends_at)


def _name(tx: Tx, owner: str | None) -> str:
    if owner is None:
        return ANONYMOUS
    kind, _, id = owner.partition(":")
    found = tx.one(_USER if kind == USER else _ROBOT, int(id))
    return f"{kind} {'/'.join(found)}" if found else f"{kind} that was deleted"


def _drop(tx: Tx, actor: Actor, ids: list[str], owner: str) -> list[str]:
    """Returns the keys of their bytes."""
    recheck_rights(tx, actor)
    ended = {id: row for id in ids if (row := _end(tx, id, _DELETE_OWN, id, owner, owner))}
    for id, row in ended.items():
        small_blobs.drop(tx, row.storage_key)
        if not owner:  # ending a session of one's own is the same as a client that cancels its upload
            audit.note(tx, actor, "upload.drop", f"repository {row.repository}", upload=id, size=row.size)
    quota_sums.change_all(tx, ((row.namespace, Change(-row.charged)) for row in ended.values() if row.charged))
    return [row.storage_key for row in ended.values()]
