"""Cookies: reading them, and writing them so that only pages of this registry get them (RFC 6265, RFC 6265bis).

Only pages look at cookies. They authenticate nobody in /v2/, /api/ and /token.
"""

import secrets
from urllib.parse import quote, unquote

from ...http.messages import Request

# The secret of a session; and one for forms before anybody signs in.
SESSION, VISITOR = "dockboard", "dockboard-visitor"
# What a link in a mail brought: the code of an invitation, or a token that sets a password.
CODE, TOKEN = "dockboard-code", "dockboard-token"
# Kept by the page's script and by the server: theme, language, time zone, and the client whose commands are shown.
THEME, LANGUAGE, ZONE, CLIENT = "theme", "lang", "tz", "client"
_YEAR = 31536000
_LONGEST = 4096


def read(request: Request) -> dict[str, str]:
    """The cookies of a request by name. Of several with one name the first counts."""
    found: dict[str, str] = {}
    for pair in request.headers.get("Cookie", "")[: 4 * _LONGEST].split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals and len(value) <= _LONGEST:
            found.setdefault(name, value)
    return found


def full_name(name: str, secure: bool) -> str:
    """Behind TLS only this host can set a cookie of this name (the prefix __Host-)."""
    return f"__Host-{name}" if secure else name


def written(name: str, value: str, secure: bool, seconds: int | None = None) -> str:
    """A Set-Cookie line for a secret, which no script can read. seconds: how long it lasts; None: until the browser
    ends.
    """
    age = "" if seconds is None else f"; Max-Age={seconds}"
    ending = "; Secure" if secure else ""
    return f"{full_name(name, secure)}={value}; Path=/{age}; HttpOnly; SameSite=Lax{ending}"


def removed(name: str, secure: bool) -> str:
    return written(name, "", secure, 0)


def preference(name: str, value: str, secure: bool) -> str:
    """A Set-Cookie line for a choice that the page's script also reads and writes."""
    return f"{name}={quote(value, safe='')}; Path=/; Max-Age={_YEAR}; SameSite=Lax{'; Secure' if secure else ''}"


def plain(cookies: dict[str, str], name: str) -> str:
    """A choice as it was written, or nothing."""
    return unquote(cookies.get(name, ""))[:64]


def new_secret() -> str:
    return secrets.token_urlsafe(16)
