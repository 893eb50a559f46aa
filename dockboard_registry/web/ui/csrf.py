"""Tokens against forged forms (CSRF). Each form carries one; it is made of the secret in the visitor's cookie.

Another site can make a browser send a form with the cookie, but it can't read the cookie. A token is masked anew in
each page, because compressed pages tell the length of text that they repeat (BREACH).
"""

import base64
import binascii
import hmac
import secrets

_SIZE = 16


def token(secret: str) -> str:
    """A token for the forms of one page. secret: the visitor's cookie."""
    mask = secrets.token_bytes(_SIZE)
    return base64.urlsafe_b64encode(mask + _mixed(mask, _code(secret))).decode()


def is_valid(secret: str, shown: str) -> bool:
    """Whether a form carries a token of this visitor."""
    try:
        data = base64.urlsafe_b64decode(shown.encode())
    except (binascii.Error, UnicodeEncodeError):
        return False
    mask, mixed = data[:_SIZE], data[_SIZE:]
    return len(mixed) == _SIZE and hmac.compare_digest(_mixed(mask, mixed), _code(secret))


def _code(secret: str) -> bytes:
    return hmac.digest(secret.encode(), b"form", "sha256")[:_SIZE]


def _mixed(mask: bytes, data: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(mask, data, strict=True))
