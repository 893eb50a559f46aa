"""Failed logins, shared by all workers and nodes: what guessing costs, and how the owner gets in all the same.

A network is an IPv4 address, or the /64 of an IPv6 one. Ten wrong passwords in five minutes are free, for one account
or from one network. Each further one costs a wait: a second, then twice as long each time, up to a quarter of an hour.
Many people may be behind one address (NAT, a CI host), so a network's wait stays at most 8 seconds until 200 passwords
were wrong there.

No account takes more than a hundred wrong passwords in a row (NIST SP 800-63B): fifty from strangers, then none for a
month; and ten from each of the five networks where its owner logged in last. In these networks the owner does not wait
for failures of others. A valid access token is never throttled here. Names are hashed, because people type passwords in
place of names.
"""

import functools
import hashlib
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

from ...clients import network_of
from ...db import Database, Tx, now
from ...errors import FieldInvalid, TooManyRequests
from ...names import account_name

FREE = 10
STRANGERS, KNOWN, KNOWN_NETWORKS = 50, 10, 5
STOPPED_MS, KNOWN_MS = 30 * 86400_000, 90 * 86400_000
_FORGIVEN_MS, _LOCKED_FORGIVEN_MS, _DAY_MS = 5 * 60_000, 60 * 60_000, 86400_000
_LONGEST_WAIT_MS = 15 * 60_000
# So many wrong passwords from one network are guessing, not mistakes of its users.
PERSISTENT, _SHARED_WAIT_MS = 200, 8000
_FIND = "SELECT failed, last_at, blocked_until, in_a_row FROM failures WHERE name = ?"
_KNOWN = (
    "SELECT known_networks.failed, known_networks.last_at, users.id FROM users JOIN known_networks ON"
    " known_networks.user_id = users.id AND known_networks.network = ? AND known_networks.last_at > ? WHERE"
    " users.name = ?"
)
_STATE = (
    "SELECT network.blocked_until, account.blocked_until, account.in_a_row, account.last_at, known.failed,"
    " known.last_at FROM (SELECT 1 AS one) request LEFT JOIN failures network ON network.name = ? LEFT JOIN failures"
    " account ON account.name = ? LEFT JOIN users ON users.name = ? LEFT JOIN known_networks known ON known.user_id ="
    " users.id AND known.network = ? AND known.last_at > ?"
)

# A Rate remembers so many clients. It first forgets the one who acted longest ago.
_REMEMBERED = 10_000
_PAST = "DELETE FROM failures WHERE last_at < ? AND (name LIKE 'network %' OR name LIKE 'spent %' OR last_at < ?)"


class State(NamedTuple):
    """What is counted of an account and a network. Times in milliseconds since 1970. None: nothing is."""

    network_until: int | None
    account_until: int | None
    in_a_row: int | None
    last_at: int | None
    known_failed: int | None
    known_at: int | None

    @property
    def known(self) -> bool:
        """Whether the owner logged in from this network lately, and nobody has failed too often there since."""
        return self.known_failed is not None and self.known_failed < KNOWN

    @property
    def until(self) -> int:
        """When the next password may be tried, in milliseconds since 1970."""
        if self.known:
            return 0
        stopped = (self.last_at or 0) + STOPPED_MS if (self.in_a_row or 0) >= STRANGERS else 0
        return max(self.network_until or 0, self.account_until or 0, stopped)


def account_key(name: str) -> str:
    return "account " + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()


@functools.lru_cache(1024)
def network_key(address: str) -> str:
    return f"network {network_of(address)}"


def wait_ms(failed: int) -> int:
    """How long nobody may try after so many failures: 0, then a second, doubling to a quarter of an hour."""
    return 0 if failed < FREE else min(1000 << min(failed - FREE, 20), _LONGEST_WAIT_MS)


def network_wait_ms(failed: int) -> int:
    """The same for everyone in a network who logs in there for the first time: at most 8 s, and longer from the 200th
    failure on.
    """
    if failed < PERSISTENT:
        return min(wait_ms(failed), _SHARED_WAIT_MS)
    return min(_SHARED_WAIT_MS << min(failed - PERSISTENT + 1, 20), _LONGEST_WAIT_MS)


def forget(tx: Tx, user_id: int, name: str) -> None:
    """Forget all failures of the account: its password was changed, or an administrator says so."""
    tx.run("DELETE FROM failures WHERE name = ?", account_key(name))
    tx.run("UPDATE known_networks SET failed = 0 WHERE user_id = ?", user_id)


class Throttle:
    def __init__(self, db: Database):
        self._db = db

    async def check(self, name: str, address: str) -> None:
        """Raise TooManyRequests while the account or the network has to wait."""
        until = (await self.state(name, address)).until
        if until > now():
            next = (
                "wait as long as Retry-After says, or log in from where you did lately; access tokens go on working,"
                " and a reset password is free of this"
            )
            raise TooManyRequests("too many failed logins", next, _retry_after(until - now()))

    async def state(self, name: str, address: str) -> State:
        """What is counted now."""
        given = network_key(address), account_key(name), _name(name), network_of(address), now() - KNOWN_MS
        return State(*await self._db.read(lambda tx: tx.one(_STATE, *given)))

    async def failed(self, name: str, address: str) -> None:
        """Count a failure, of the network and of the account."""

        def change(tx: Tx) -> None:
            _count(tx, network_key(address), network_wait_ms)
            known = tx.one(_KNOWN, network_of(address), now() - KNOWN_MS, _name(name))
            if known and known[0] < KNOWN:
                tx.run(
                    "UPDATE known_networks SET failed = failed + 1 WHERE user_id = ? AND network = ?",
                    known[2],
                    network_of(address),
                )
            else:
                _count(tx, account_key(name), wait_ms)

        await self._db.write(change, durable=False, brings=0)

    async def succeeded(self, user_id: int, name: str, address: str) -> None:
        """The password was right. Earlier failures no longer count as in a row, and the network becomes one of the
        owner's.

        From a known network the waits of strangers stay; otherwise each login of the owner would give them ten more
        guesses. The network's own failures stay too; otherwise one right password would buy it any number of guesses.
        """
        state, at = await self.state(name, address), now()
        if state.known and not state.known_failed and not state.in_a_row and at - (state.known_at or 0) < _DAY_MS:
            return

        def change(tx: Tx) -> None:
            if state.known:
                tx.run("UPDATE failures SET in_a_row = 0 WHERE name = ?", account_key(name))
            else:
                tx.run("DELETE FROM failures WHERE name = ?", account_key(name))
            _know(tx, user_id, network_of(address), at)

        await self._db.write(change, durable=False, repeatable=True, brings=0)

    async def tidy(self) -> None:
        """Delete what no longer counts."""
        await self._db.write(lambda tx: tx.run(_PAST, now() - _DAY_MS, now() - STOPPED_MS), brings=0)

    async def spend(self, what: str, most: int, seconds: int) -> None:
        """Count one of `most` actions in so many seconds. Raises TooManyRequests."""
        left = await self._db.write(
            lambda tx: _spend(tx, f"spent {what}", most, seconds * 1000), durable=False, brings=0
        )
        if left:
            raise TooManyRequests("too often from here, or for the same name", headers=_retry_after(left))


class Rate:
    """A rate limit for each of many clients, counted by one process: so many actions at once, then one in so many
    seconds. actions: what they are called.
    """

    def __init__(self, at_once: int, seconds: float, actions: str = "changes"):
        self._at_once, self._seconds, self._actions = at_once, seconds, actions
        # When each client may do all at once again (time.monotonic()).
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, who: Hashable) -> None:
        """Raises TooManyRequests."""
        at = time.monotonic()
        full_at = max(self._full_at.get(who, at), at) + self._seconds
        wait = full_at - at - self._at_once * self._seconds
        if wait > 0:
            raise TooManyRequests(
                f"too many {self._actions} in a short time", headers=_retry_after(math.ceil(wait * 1000))
            )
        self._full_at[who] = full_at
        self._full_at.move_to_end(who)
        if len(self._full_at) > _REMEMBERED:
            self._full_at.popitem(last=False)


def _retry_after(milliseconds: int) -> dict[str, str]:
    return {"Retry-After": str(-(-milliseconds // 1000))}


def _name(text: str) -> str:
    """The text if it may be a name: not every text can be compared with names (Logins._find)."""
    try:
        return account_name(text)
    except FieldInvalid:
        return ""


def _count(tx: Tx, key: str, wait: Callable[[int], int]) -> None:
    at, row = now(), tx.lock(_FIND, key)
    if row is None:
        if tx.insert(
            "INSERT INTO failures (name, failed, last_at, blocked_until, in_a_row) VALUES (?, 1, ?, ?, 1)", key, at, at
        ):
            return
        row = tx.lock(_FIND, key)  # another process counted its first failure meanwhile
    failed, last_at, _, in_a_row = row
    quiet = at - last_at
    failed = 1 if quiet > (_FORGIVEN_MS if failed < FREE else _LOCKED_FORGIVEN_MS) else failed + 1
    in_a_row = 1 if quiet > STOPPED_MS else (in_a_row or 0) + 1
    change = "UPDATE failures SET failed = ?, last_at = ?, blocked_until = ?, in_a_row = ? WHERE name = ?"
    tx.run(change, failed, at, at + wait(failed), in_a_row, key)


def _know(tx: Tx, user_id: int, network: str, at: int) -> None:
    """Make the network the newest of those from which the user logged in. Only the last few are kept."""
    if not tx.run(
        "UPDATE known_networks SET last_at = ?, failed = 0 WHERE user_id = ? AND network = ?", at, user_id, network
    ):
        tx.insert(
            "INSERT INTO known_networks (user_id, network, last_at, failed) VALUES (?, ?, ?, 0)", user_id, network, at
        )
    found = tx.all("SELECT network FROM known_networks WHERE user_id = ? ORDER BY last_at DESC, network", user_id)
    for (old,) in found[KNOWN_NETWORKS:]:
        tx.run("DELETE FROM known_networks WHERE user_id = ? AND network = ?", user_id, old)


def _spend(tx: Tx, key: str, most: int, window: int) -> int:
    """Milliseconds to wait; 0 if the action may be done."""
    at, row = now(), tx.lock(_FIND, key)
    if row is None:
        if tx.insert("INSERT INTO failures (name, failed, last_at, blocked_until) VALUES (?, 1, ?, 0)", key, at):
            return 0
        row = tx.lock(_FIND, key)
    done, began, *_ = row
    if at - began >= window:
        done, began = 0, at
    if done >= most:
        return began + window - at
    tx.run("UPDATE failures SET failed = ?, last_at = ? WHERE name = ?", done + 1, began, key)
    return 0
