"""The hash of stored passwords: scrypt with N = 2^15, r = 8, p = 3, written `$scrypt$ln=15,r=8,p=3$SALT$KEY`.

Python's hashlib computes it. So a login needs no other module, and the first one at a worker is as fast as later ones.
"""

import base64
import hashlib
import hmac
import re
import secrets
from typing import NamedTuple

PREFIX = "$scrypt$"
_SALT_BYTES, _KEY_BYTES = 16, 32
_STORED = re.compile(
    r"\$scrypt\$ln=([0-9]{1,2}),r=([0-9]{1,3}),p=([0-9]{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)", re.A
)


class Cost(NamedTuple):
    """log_n: binary logarithm of N. It takes 128 * N * r bytes."""

    log_n: int = 15
    r: int = 8
    p: int = 3


OURS = Cost()


def hash(password: bytes) -> str:
    """The hash to store. It takes a quarter of a second."""
    salt = secrets.token_bytes(_SALT_BYTES)
    return _written(salt, _key(password, salt, OURS))


def hash_of_no_password() -> str:
    """A hash that no password matches. It costs nothing, because its key is random and not computed."""
    return _written(secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_KEY_BYTES))


def verify(password: bytes, stored: str) -> bool:
    """Whether this is the password. Raises ValueError for a text that `hash` can't have written."""
    cost, salt, key = _read(stored)
    return hmac.compare_digest(_key(password, salt, cost, len(key)), key)


def is_outdated(stored: str) -> bool:
    """Whether it has another cost than new ones."""
    return _read(stored)[0] != OURS


def _key(password: bytes, salt: bytes, cost: Cost, length: int = _KEY_BYTES) -> bytes:
    n = 1 << cost.log_n
    # OpenSSL also counts the p blocks and a little more.
    room = 128 * cost.r * (n + cost.p + 2)
    return hashlib.scrypt(password, salt=salt, n=n, r=cost.r, p=cost.p, maxmem=room, dklen=length)


def _written(salt: bytes, key: bytes) -> str:
    return f"{PREFIX}ln={OURS.log_n},r={OURS.r},p={OURS.p}${_text(salt)}${_text(key)}"


def _read(stored: str) -> tuple[Cost, bytes, bytes]:
    found = _STORED.fullmatch(stored)
    if found is None:
        raise ValueError("not a scrypt hash")
    return Cost(*map(int, found.groups()[:3])), _bytes(found[4]), _bytes(found[5])


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
