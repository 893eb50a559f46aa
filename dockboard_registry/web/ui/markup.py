"""Text that becomes HTML: what is markup already, and how all other text is escaped.

Templates escape every value but `Markup`. Characters that do not show, or that change the direction of the text around
them, are written as escapes: names of users and images must not look like others.
"""

import re

_SPECIAL = re.compile(
    rb"[&<>\"'\x00-\x08\x0b-\x1f\x7f]"
    rb"|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8b-\x8f\xa8-\xae]|\xe2\x81[\xa0-\xaf]|\xef\xbb\xbf"
)
_NAMED = {b"&": b"&amp;", b"<": b"&lt;", b">": b"&gt;", b'"': b"&quot;", b"'": b"&#39;", b"\r": b""}
_LONGEST = 4096


class Markup(str):
    """HTML that may stand in a page as it is."""


class _Html(bytes):
    """Markup on its way into a page."""


def encoded(value: str | bytes | None) -> bytes | None:
    """What templates make of each value before they escape it. Lone surrogates, which JSON may have, become escapes."""
    if isinstance(value, str):
        data = value.encode("utf-8", "backslashreplace")
        return _Html(data) if isinstance(value, Markup) else data
    return value


def escaped(data: bytes) -> bytes:
    """What templates write for a value: markup as it is, all else escaped."""
    return data if type(data) is _Html else _SPECIAL.sub(_escape, data)


def _escape(match: re.Match) -> bytes:
    special = match[0]
    return _NAMED.get(special) or (b"" if special == b"\r" else rb"\u%04x" % ord(special.decode()))


def escape(text: str) -> str:
    """Text as HTML, for what is put together outside of templates."""
    if isinstance(text, Markup):
        return text
    return escaped(text.encode("utf-8", "backslashreplace")).decode()


def cut(text: str, most: int = _LONGEST) -> str:
    """At most so many characters of a text that a user wrote."""
    return text if len(text) <= most else text[:most] + "…"


def join(parts: "list[str] | tuple[str, ...]", between: str = "") -> Markup:
    """Several pieces as one; those that are no markup are escaped."""
    return Markup(escape(between).join(escape(part) for part in parts))
