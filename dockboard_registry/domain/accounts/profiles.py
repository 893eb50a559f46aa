"""Profiles: what users say about themselves, and the form of each field."""

import hashlib
import re
from typing import NamedTuple
from urllib.parse import urlsplit

from ...errors import FieldInvalid
from ...wording import quoted

EMAIL_GRAMMAR, LONGEST_EMAIL = (
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}",
    254,
)
SHOWN_GRAMMAR, LONGEST_SHOWN = r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]*", 255
LONGEST_URL = 1000
AVATAR_GRAMMAR = "[0-9a-f]{32}|[0-9a-f]{64}"
_EMAIL = re.compile(EMAIL_GRAMMAR, re.A)
_SHOWN = re.compile(SHOWN_GRAMMAR)
_AVATAR = re.compile(AVATAR_GRAMMAR, re.A)


class Profile(NamedTuple):
    """What users say about themselves. Each field may be None."""

    email: str | None = None
    full_name: str | None = None
    company: str | None = None
    location: str | None = None
    url: str | None = None

    def checked(self) -> "Profile":
        """Raises FieldInvalid."""
        for name in ("full_name", "company", "location"):
            text = getattr(self, name)
            if text and not (len(text) <= LONGEST_SHOWN and _SHOWN.fullmatch(text)):
                raise FieldInvalid(
                    f"{name}: {quoted(text)} is too long, or has characters that can't be shown",
                    f"use at most {LONGEST_SHOWN} characters of text",
                )
        if self.email and not is_email(self.email):
            raise FieldInvalid(f"email: {quoted(self.email)} is not an e-mail address", "write it as name@example.org")
        if self.url and not _is_web_page(self.url):
            raise FieldInvalid(f"url: {quoted(self.url)} is not the URL of a web page", "begin it with https://")
        return Profile(*(text or None for text in self))


def is_email(text: str) -> bool:
    return len(text) <= LONGEST_EMAIL and _EMAIL.fullmatch(text) is not None


def _is_web_page(url: str) -> bool:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False
    return right and len(url) <= LONGEST_URL and _SHOWN.fullmatch(url) is not None and not re.search(r"[\s\\]", url)


def require_avatar_hash(text: str) -> None:
    """Raises FieldInvalid."""
    if not _AVATAR.fullmatch(text):
        raise FieldInvalid(
            f"avatar_hash: {quoted(text)} is not a hash", "give 32 or 64 lower-case hexadecimal digits (MD5 or SHA-256)"
        )


def avatar_hash(email: str | None) -> str | None:
    """The hash by which avatar services know an e-mail address."""
    return hashlib.sha256(email.strip().lower().encode()).hexdigest() if email else None
