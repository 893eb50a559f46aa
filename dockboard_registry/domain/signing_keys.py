"""The keys that the registry signs its tokens with: in the database, for all nodes. The newest signs, and the one before it counts too."""

import secrets

from ..db import Database, Tx, now
from ..errors import ChangeRefused
from . import audit
from .audit import Actor
from .changes import access_changed, value

_VALID = 2
_KEY_BYTES = 32
_NEWEST = "SELECT id, secret FROM signing_keys ORDER BY id DESC LIMIT ?"


class SigningKeys:
    """Remembered for one value of the counter of changes, so that a rotation counts with the next request everywhere."""

    def __init__(self, db: Database):
        self._db = db
        self._remembered: tuple[int, tuple[bytes, ...]] = (-1, ())

    async def valid(self, value: int) -> tuple[bytes, ...]:
        """The keys that count, the newest first, as of this value of the counter; none where nothing was ever signed."""
        if self._remembered[0] != value or not self._remembered[1]:
            self._remembered = await self._db.scan(_read)
        return self._remembered[1]

    async def newest(self, value: int) -> bytes:
        """The key to sign with; made where there is none."""
        if not await self.valid(value):
            await self._db.write(lambda tx: _insert(tx, 1), repeatable=True)
        return (await self.valid(value))[0]

    async def rotate(self, actor: Actor) -> None:
        """A new key; the one before the last counts no more. Raises ChangeRefused where there are no accounts."""

        def change(tx: Tx) -> None:
            if not value(tx):
                raise ChangeRefused("there are no accounts yet, so nothing is signed", "add a user first")
            access_changed(tx)
            found = [int(id) for id, _ in tx.all(_NEWEST, _VALID)]
            _insert(tx, found[0] + 1 if found else 1)
            for id in found[_VALID - 1 :]:
                tx.run("DELETE FROM signing_keys WHERE id <= ?", _name(id))
            audit.note(tx, actor, "key.rotate", "signing keys")

        await self._db.write(change)


def _read(tx: Tx) -> tuple[int, tuple[bytes, ...]]:
    return value(tx), tuple(bytes.fromhex(secret) for _, secret in tx.all(_NEWEST, _VALID))


def _insert(tx: Tx, number: int) -> None:
    """Of several processes that need the first key at once one makes it."""
    tx.insert("INSERT INTO signing_keys (id, secret, created_at) VALUES (?, ?, ?)", _name(number), secrets.token_hex(_KEY_BYTES), now())


def _name(number: int) -> str:
    """Ids whose order as text is that of their numbers."""
    return f"{number:010d}"
