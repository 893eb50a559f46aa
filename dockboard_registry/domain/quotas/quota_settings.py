"""Quotas as administrators set and see them."""

from collections.abc import Sequence
from typing import NamedTuple

from ...db import Database, Tx
from ...db.each import Each
from ...errors import AccountUnknown, FieldInvalid
from .. import audit
from ..accounts import namespaces
from ..audit import Actor
from ..changes import access_changed
from . import quota_sums
from .quotas import QUOTA_COLUMNS, QUOTA_JOIN, UNLIMITED, Quotas

MOST = 2**53
_OWN = "SELECT most_repositories, most_bytes FROM quotas WHERE namespace = ?"
_SET = (
    "UPDATE quotas SET most_repositories = ?, most_bytes = ?, used_bytes = NULL, charges = charges + 1 WHERE"
    " namespace = ?"
)
_KEPT_BYTES = Each("SELECT namespace, used_bytes FROM quotas WHERE used_bytes IS NOT NULL AND namespace IN (...)")
_LIMITS = f"SELECT {QUOTA_COLUMNS} FROM (SELECT 1 AS one) request {QUOTA_JOIN}"


class Usage(NamedTuple):
    """What a namespace may hold (None: no limit), and what it holds."""

    namespace: str
    most_repositories: int | None
    repositories: int
    most_bytes: int | None
    bytes: int


class Kept(NamedTuple):
    """What a namespace may hold (None: no limit), and what it held when that was counted last.

    bytes and garbage: None where it was not counted, because there is no quota. counted_at: milliseconds since 1970.
    """

    most_repositories: int | None
    most_bytes: int | None
    bytes: int | None
    garbage: int | None
    counted_at: int | None


class QuotaSettings:
    def __init__(self, db: Database, quotas: Quotas):
        self._db = db
        self._quotas = quotas

    async def set(self, actor: Actor, kind: str | None, name: str, **most: int | None) -> None:
        """Set quotas by name (repositories, bytes). -1: no limit. None: as the registry's settings say. Others stay as
        they are.

        kind: of the holder, `user` or `organization`; None for either. Raises AccountUnknown, FieldInvalid.
        """
        for what, limit in most.items():
            if limit is not None and not UNLIMITED <= limit <= MOST:
                raise FieldInvalid(
                    f"the quota of {what} is {limit}, which is out of range",
                    f"give a number from 0 to {MOST}, or none for no limit",
                )

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            kind_found = _require_holder(tx, kind, name)
            own = dict(zip(("repositories", "bytes"), tx.one(_OWN, name) or (None, None))) | most
            if not tx.run(_SET, *own.values(), name) and not tx.insert(quota_sums.INSERT, name, *own.values()):
                tx.run(_SET, *own.values(), name)
            word = "user" if kind_found == "user" else "org"
            audit.note(tx, actor, f"{word}.quota", f"{word} {name}", **own)

        await self._db.write(change)

    async def kept(self, name: str) -> Kept:
        """The limits of the namespace with the sums that are kept for them; nothing is counted."""

        def query(tx: Tx) -> Kept:
            limits = self._quotas.limits(name, *tx.one(_LIMITS, name, name))
            sums = limits.sums
            counted = (sums.bytes, sums.garbage, sums.counted_at) if sums.known else (None, None, None)
            return Kept(limits.repositories, limits.bytes, *counted)

        return await self._db.scan(query)

    async def kept_bytes(self, names: Sequence[str]) -> dict[str, int]:
        """What these namespaces hold, in bytes, where a sum is kept because of a quota; nothing is counted."""
        return dict(await self._db.scan(lambda tx: _KEPT_BYTES.all(tx, (), names)))

    async def show(self, kind: str | None, name: str) -> Usage:
        """What the namespace may hold, and what it holds, counted now. Raises AccountUnknown."""

        def query(tx: Tx) -> Usage:
            _require_holder(tx, kind, name)
            limits = self._quotas.limits(name, *tx.one(_LIMITS, name, name))
            return Usage(
                name,
                limits.repositories,
                quota_sums.count_repositories(tx, name),
                limits.bytes,
                quota_sums.count_bytes(tx, name),
            )

        return await self._db.scan(query, long=True)


def _require_holder(tx: Tx, kind: str | None, name: str) -> str:
    """The kind of the holder. Raises AccountUnknown."""
    found = namespaces.find(tx, name)
    if (
        found is None
        or found.released_at is not None
        or found.kind != (kind or found.kind)
        or found.kind == namespaces.SYSTEM
    ):
        raise AccountUnknown(f"there is no {kind or 'user or organization'} {name}")
    return found.kind
