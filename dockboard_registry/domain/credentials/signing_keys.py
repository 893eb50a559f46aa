"""The keys with which the registry signs its tokens.

They are in the database, for all nodes. The newest one signs, and the one before it still counts.
"""

import secrets

from ...db import Database, Tx, now
from ...errors import ChangeRefused
from .. import audit
from ..audit import Actor
from ..changes import access_changed, access_version
from .signed_tokens import ACCESS_SECONDS, SKEW

_VALID = 2
_KEY_BYTES = 32
_NEWEST = "SELECT id, secret FROM signing_keys ORDER BY id DESC LIMIT ?"

_AGE = "SELECT created_at, id FROM signing_keys ORDER BY id DESC LIMIT 1"
# Seconds: twice the life of the tokens that live for minutes, with the difference of clocks that is allowed.
_SOONEST_SECONDS = 2 * (ACCESS_SECONDS + SKEW)


class SigningKeys:
    """The keys are remembered for one access version, so a rotation counts with the next request everywhere."""

    def __init__(self, db: Database):
        self._db = db
        self._remembered: tuple[int, tuple[bytes, ...]] = (-1, ())

    async def valid(self, access_version: int) -> tuple[bytes, ...]:
        """The keys that count as of this access version, the newest first. None if nothing was ever signed."""
        if self._remembered[0] != access_version or not self._remembered[1]:
            self._remembered = await self._db.scan(_read)
        return self._remembered[1]

    async def newest(self, access_version: int) -> bytes:
        """The key that signs. It is made if there is none."""
        if not await self.valid(access_version):
            await self._db.write(lambda tx: _insert(tx, 1), repeatable=True, brings=0)
        return (await self.valid(access_version))[0]

    async def rotate(self, actor: Actor) -> None:
        """Make a new key. The one before the last becomes invalid. Raises ChangeRefused if there are no accounts."""

        def change(tx: Tx) -> None:
            if not access_version(tx):
                raise ChangeRefused("there are no accounts yet, so nothing is signed", "add a user first")
            access_changed(tx, actor)
            _rotate(tx, actor)

        await self._db.write(change, brings=0)

    async def rotate_old(self, seconds: float) -> bool:
        """The same if the newest key has signed for so many seconds. True for the one process that did it.

        Never so soon that it could end a token of a few minutes.
        """
        period = int(max(seconds, _SOONEST_SECONDS) * 1000)
        age = await self._db.read(lambda tx: tx.one(_AGE))
        if age is None or now() - age[0] < period:
            return False

        def change(tx: Tx) -> bool:
            access_changed(tx)
            if tx.one(_AGE) != age:
                return False
            _rotate(tx, Actor("registry", "key_rotation"))
            return True

        return await self._db.write(change, brings=0)


def _rotate(tx: Tx, actor: Actor) -> None:
    found = [int(id) for id, _ in tx.all(_NEWEST, _VALID)]
    _insert(tx, found[0] + 1 if found else 1)
    for id in found[_VALID - 1 :]:
        tx.run("DELETE FROM signing_keys WHERE id <= ?", _name(id))
    audit.note(tx, actor, "key.rotate", "signing keys")


def _read(tx: Tx) -> tuple[int, tuple[bytes, ...]]:
    return access_version(tx), tuple(bytes.fromhex(secret) for _, secret in tx.all(_NEWEST, _VALID))


def _insert(tx: Tx, number: int) -> None:
    """If several processes need the first key at once, one of them makes it."""
    tx.insert(
        "INSERT INTO signing_keys (id, secret, created_at) VALUES (?, ?, ?)",
        _name(number),
        secrets.token_hex(_KEY_BYTES),
        now(),
    )


def _name(number: int) -> str:
    """Ids as texts that have the order of their numbers."""
    return f"{number:010d}"
