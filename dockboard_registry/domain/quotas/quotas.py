"""Quotas: how many repositories and bytes a namespace may hold.

Counted are the bytes of each blob that is linked to a repository of the namespace (once, however many repositories have
it), the bytes of each repository's manifests, and what open uploads have received. A repository counts if it has a blob
or a manifest. Bytes that were replaced or deleted and are not collected yet (garbage) may be as many again. So a user
may replace everything once, and the disk holds at most twice the quota.

A namespace without a quota costs nothing: whether there is one comes with the row of the repository or the upload. For
one with a quota quota_sums.py keeps sums in a row. Each push changes this row last, in the transaction that makes the
content visible. So pushes of a namespace are decided one after the other, at the nodes of a Galera cluster too.

The row alone refuses a push that would exceed the quota, unless the sums may be too high. In that case the transaction
is undone, everything is counted outside of it, and it runs again. So no push that saw the quota exceeds it. What was
pushed while the quota was being set is found within the hour.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from ...db import Database, Tx
from ...errors import QuotaExceeded, RegistryError, Unavailable
from ...names import namespace_of
from ..accounts import namespaces
from ..audit import Actor
from ..content import repositories
from ..content.references import FILLED_REPOSITORY
from . import quota_sums
from .quota_sums import COLUMNS, Change, Counting, Sums

T = TypeVar("T")
UNLIMITED = -1
_ATTEMPTS = 4
QUOTA_COLUMNS = f"quotas.most_repositories, quotas.most_bytes, namespaces.kind, {COLUMNS}"
# Both parameters are the namespace.
QUOTA_JOIN = (
    "LEFT JOIN quotas ON quotas.namespace = ? LEFT JOIN namespaces ON namespaces.name = ? AND namespaces.released_at IS"
    " NULL"
)
_LIMITS = f"SELECT {QUOTA_COLUMNS} FROM (SELECT 1 AS one) request {QUOTA_JOIN}"
_ENTER = (
    f"SELECT repositories.id, {QUOTA_COLUMNS} FROM (SELECT 1 AS one) request LEFT JOIN repositories ON"
    f" repositories.name = ? {QUOTA_JOIN}"
)
_IS_FILLED = f"SELECT 1 FROM repositories WHERE id = ? AND {FILLED_REPOSITORY}"
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


class CountFirst(Exception):
    """Raised in a transaction to undo it, because the sums of the namespace have to be counted first.

    refusal: the error if they can't be counted.
    """

    def __init__(self, namespace: str, refusal: RegistryError):
        self.namespace, self.refusal = namespace, refusal


class Limits(NamedTuple):
    """What a namespace may hold (None: no limit). sums: what it holds."""

    namespace: str
    repositories: int | None
    bytes: int | None
    sums: Sums

    def __bool__(self) -> bool:
        return self.repositories is not None or self.bytes is not None

    def refusal(self, sums: Sums, wanted: int) -> RegistryError | None:
        """The error if these sums, with `wanted` bytes of this push, exceed the quota; otherwise None."""
        if not sums.known:
            return self._being_counted()
        if self.repositories is not None and sums.repositories > self.repositories:
            return _too_many_repositories(self, sums.repositories - 1)
        if self.bytes is None or not wanted:
            return None
        if sums.bytes > self.bytes:
            return _too_many_bytes(self, sums.bytes - wanted, wanted)
        return _too_much_garbage(self, sums, wanted) if sums.bytes + sums.garbage > 2 * self.bytes else None

    def refuse_for_sure(self, wanted: int) -> None:
        """Raise QuotaExceeded if so many more bytes exceed the quota and counting again would not change that."""
        if (
            self
            and not self.sums.may_be_too_high
            and (refusal := self.refusal(self.sums._replace(bytes=self.sums.bytes + wanted, repositories=0), wanted))
        ):
            raise refusal

    def decide(self, tx: Tx, change: Change, wanted: int = 0) -> None:
        """Change the sums, as the last statement of the transaction. wanted: bytes of this push that the sums then
        have.

        Raises QuotaExceeded, CountFirst.
        """
        if not self:
            return
        changed = quota_sums.change(tx, self.namespace, change)
        if not wanted and change.repositories <= 0:
            return
        if not changed:
            raise CountFirst(self.namespace, self._being_counted())
        sums = quota_sums.read(tx, self.namespace)
        refusal = self.refusal(sums if change.repositories > 0 else sums._replace(repositories=0), wanted)
        before = sums._replace(freed=(sums.freed or 0) - change.freed)
        if before.are_old or refusal and before.may_be_too_high:
            raise CountFirst(self.namespace, refusal or self._being_counted())
        if refusal:
            raise refusal

    def _being_counted(self) -> Unavailable:
        return Unavailable(f"what the namespace {self.namespace} holds is being counted")


class PushTarget(NamedTuple):
    """A repository that a transaction pushes to.

    was_filled: whether it had content before; asked only if that counts.
    """

    repository_id: int
    limits: Limits
    was_filled: bool = True

    def charge(self, tx: Tx, size: int | None, change: Change = Change()) -> None:
        """Count so many bytes that became visible (None: nothing did), as the last statement of the transaction.

        change: other changes of the sums. Raises QuotaExceeded, CountFirst.
        """
        if not self.limits or size is None and change == Change():
            return
        if not self.was_filled:
            change += Change(
                repositories=1, freed=1
            )  # another transaction may count the same repository at the same time
        # Count replaced bytes too: for few bytes nobody checks whether the stored ones are whole.
        self.limits.decide(tx, change + Change(bytes=size or 0), size or change.garbage)


class Quotas:
    """most_repositories, most_bytes: of a user's or an organization's namespace without a quota of its own. 0: no
    limit.
    """

    def __init__(self, most_repositories: int = 0, most_bytes: int = 0):
        self._defaults = most_repositories or None, most_bytes or None
        self._counting = Counting()

    def enter(self, tx: Tx, repository: str, maker: Actor | None = None) -> PushTarget:
        """The repository, made if it does not exist, and the limits of its namespace.

        maker: who is noted for making it.
        """
        namespace = namespace_of(repository)
        found, *row = tx.one(_ENTER, repository, namespace, namespace)
        limits = self.limits(namespace, *row)
        if found is None:
            return PushTarget(repositories.ensure(tx, repository, maker), limits, False)
        return PushTarget(found, limits, limits.repositories is None or tx.one(_IS_FILLED, found) is not None)

    def find(self, tx: Tx, repository: str) -> Limits:
        """The limits of the repository's namespace."""
        namespace = namespace_of(repository)
        return self.limits(namespace, *tx.one(_LIMITS, namespace, namespace))

    def limits(
        self, namespace: str, most_repositories: int | None, most_bytes: int | None, kind: str | None, *sums: int | None
    ) -> Limits:
        """The limits in a row of QUOTA_COLUMNS. A namespace that nobody holds, and the registry's own, has none."""
        if kind in (None, namespaces.SYSTEM):
            return Limits(namespace, None, None, Sums(*sums))
        most = (
            own if own is not None else default for own, default in zip((most_repositories, most_bytes), self._defaults)
        )
        return Limits(namespace, *(None if limit == UNLIMITED else limit for limit in most), Sums(*sums))

    async def decided(self, db: Database, write: Callable[[], Awaitable[T]]) -> T:
        """Run a write whose transaction charges the quota. If the sums may be too high, count them and run it again."""
        for _ in range(_ATTEMPTS):
            try:
                return await write()
            except CountFirst as error:
                refusal = error.refusal
                await self._counting.anew(db, error.namespace)
        raise refusal

    async def require_room(self, db: Database, limits: Limits, repository: str, wanted: int, charged: int = 0) -> None:
        """Before bytes are received, raise QuotaExceeded if so many would not fit, or if the repository would be one
        too many.

        charged: how many of them are in the sums already.
        """
        for _ in range(_ATTEMPTS):
            refusal = await _expected_refusal(db, limits, repository, wanted, charged) if limits else None
            if refusal is None:
                return
            if not limits.sums.may_be_too_high:
                break
            await self._counting.anew(db, limits.namespace)
            limits = await db.read(lambda tx: self.find(tx, repository))
        raise refusal


async def _expected_refusal(
    db: Database, limits: Limits, repository: str, wanted: int, charged: int
) -> RegistryError | None:
    """The error for a push of so many bytes; None if it fits."""
    sums = limits.sums
    if not sums.known:
        return limits.refusal(sums, wanted)
    new = (
        limits.repositories is not None
        and sums.repositories >= limits.repositories
        and not await db.scan(lambda tx: _is_filled(tx, repository))
    )
    return limits.refusal(
        sums._replace(bytes=sums.bytes + wanted - charged, repositories=sums.repositories + 1 if new else 0), wanted
    )


def _is_filled(tx: Tx, repository: str) -> bool:
    found = repositories.find(tx, repository)
    return found is not None and tx.one(_IS_FILLED, found) is not None


def _too_many_repositories(limits: Limits, others: int) -> QuotaExceeded:
    return QuotaExceeded(
        f"the quota of namespace {limits.namespace} is {limits.repositories} repositories: {others} are used, and this"
        " push wants 1 more",
        quota=limits.repositories,
        used=others,
        wanted=1,
    )


def _too_many_bytes(limits: Limits, used: int, wanted: int) -> QuotaExceeded:
    return QuotaExceeded(
        f"the quota of namespace {limits.namespace} is {in_words(limits.bytes)}: {in_words(used)} are used, and this"
        f" push wants {in_words(wanted)} more",
        "delete what is not needed any more, cancel other uploads, which count too, or ask the operator of this"
        " registry for a larger quota",
        quota=limits.bytes,
        used=used,
        wanted=wanted,
    )


def _too_much_garbage(limits: Limits, sums: Sums, wanted: int) -> QuotaExceeded:
    used, garbage = sums.bytes - wanted, sums.garbage
    return QuotaExceeded(
        f"the namespace {limits.namespace} may hold {in_words(limits.bytes)}, and as much again that was deleted or"
        f" replaced and is not collected yet: {in_words(used)} and {in_words(garbage)} are there, and this push wants"
        f" {in_words(wanted)} more",
        "push again when it has been collected (gc.grace says how long that takes), or ask the operator of this"
        " registry",
        quota=limits.bytes,
        used=used,
        garbage=garbage,
        wanted=wanted,
    )


def in_words(size: int) -> str:
    """1536 -> 1.5 KiB. Below that the number of bytes."""
    amount, unit = float(size), _UNITS[0]
    for unit in _UNITS:
        if amount < 1024 or unit == _UNITS[-1]:
            break
        amount /= 1024
    return f"{size} {unit}" if unit == _UNITS[0] else f"{amount:.1f} {unit}"
