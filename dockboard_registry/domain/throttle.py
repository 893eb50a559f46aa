"""Failed logins by account and by network, shared by all workers and nodes: after ten in five minutes each further one costs a wait.

Whoever shows a valid access token is never asked here. Names are hashed: people type passwords where names belong.
"""

import hashlib
from ipaddress import IPv6Address, ip_address, ip_network

from ..db import Database, Tx, now
from ..errors import TooManyRequests

FREE = 10
_FORGIVEN_MS, _LOCKED_FORGIVEN_MS = 5 * 60_000, 60 * 60_000
_LONGEST_WAIT_MS = 15 * 60_000
_FIND = "SELECT failed, last_at, blocked_until FROM failures WHERE name = ?"
_BOTH = "SELECT COALESCE(MAX(blocked_until), 0) FROM failures WHERE name IN (?, ?)"


def account_key(name: str) -> str:
    return "account " + hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()


def network_key(address: str) -> str:
    """The network of an address: itself, of IPv6 the /64, which one customer has."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return "network unknown"
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    length = 64 if found.version == 6 else 32
    return f"network {ip_network((found, length), strict=False)}"


def wait_ms(failed: int) -> int:
    """How long nobody may try after so many failures: nothing, then a second, doubling to a quarter of an hour."""
    return 0 if failed < FREE else min(1000 << min(failed - FREE, 20), _LONGEST_WAIT_MS)


class Throttle:
    def __init__(self, db: Database):
        self._db = db

    async def check(self, name: str, address: str) -> None:
        """Raise TooManyRequests while the account or the network has to wait."""
        keys = account_key(name), network_key(address)
        (until,) = await self._db.read(lambda tx: tx.one(_BOTH, *keys))
        if until > now():
            seconds = str(-(-(until - now()) // 1000))
            raise TooManyRequests("too many failed logins", "wait as long as Retry-After says; access tokens go on working", {"Retry-After": seconds})

    async def failed(self, name: str, address: str) -> None:
        """Count a failure of both."""

        def change(tx: Tx) -> None:
            for key in sorted((account_key(name), network_key(address))):
                _count(tx, key)
            tx.run("DELETE FROM failures WHERE last_at < ?", now() - 24 * _LOCKED_FORGIVEN_MS)

        await self._db.write(change, durable=False)

    async def succeeded(self, name: str) -> None:
        """Forget the account's failures; the network's stay, or one right password would buy it any number of guesses."""
        key = account_key(name)
        if await self._db.read(lambda tx: tx.one(_FIND, key)):
            await self._db.write(lambda tx: tx.run("DELETE FROM failures WHERE name = ?", key), durable=False, repeatable=True)


def _count(tx: Tx, key: str) -> None:
    at, row = now(), tx.lock(_FIND, key)
    if row is None:
        if tx.insert("INSERT INTO failures (name, failed, last_at, blocked_until) VALUES (?, 1, ?, ?)", key, at, at):
            return
        row = tx.lock(_FIND, key)  # another process counted its first failure meanwhile
    failed, last_at, _ = row
    quiet = at - last_at
    failed = 1 if quiet > (_FORGIVEN_MS if failed < FREE else _LOCKED_FORGIVEN_MS) else failed + 1
    tx.run("UPDATE failures SET failed = ?, last_at = ?, blocked_until = ? WHERE name = ?", failed, at, at + wait_ms(failed), key)
