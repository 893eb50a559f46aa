"""Text that becomes HTML: what is markup already, and how all other text is escaped.

Templates escape every value but `Markup`. Characters that do not show, or that change the direction of the text around
them, are written as escapes: names of users and images must not look like others.
"""

import functools
import re

_SPECIAL = re.compile(
    "[&<>\"'\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)
# The same without those that have names. A long text may have very many of these, and replacing is much quicker.
_HIDDEN = re.compile(_SPECIAL.pattern.replace("&<>\"'", ""))
# The ampersand comes first, because the names begin with it.
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\r": ""}
_LONGEST = 4096
# Characters of a text that is remembered with its escapes, and how many of them are. Most are sentences of the pages.
_SHORT, _REMEMBERED = 256, 2048


class Markup(str):
    """HTML that may stand in a page as it is."""


def written(value: str | bytes) -> bytes:
    """What templates write for a value: markup as it is, all else escaped. They call it for each value."""
    if type(value) is Markup:
        return value.encode()
    return _remembered(value) if len(value) <= _SHORT else _text(value)


def _text(value: str | bytes) -> bytes:
    return escape(value if isinstance(value, str) else value.decode("utf-8", "backslashreplace")).encode()


_remembered = functools.lru_cache(_REMEMBERED)(_text)


def escape(text: str) -> str:
    """Text as HTML. Lone surrogates, which JSON may have, become escapes too."""
    if isinstance(text, Markup) or _SPECIAL.search(text) is None:
        return text
    for special, name in _NAMED.items():
        text = text.replace(special, name)
    return _HIDDEN.sub(_escape, text)


def _escape(match: re.Match) -> str:
    return f"\\u{ord(match[0]):04x}"


def cut(text: str, most: int = _LONGEST) -> str:
    """At most so many characters of a text that a user wrote."""
    return text if len(text) <= most else text[:most] + "…"


def join(parts: "list[str] | tuple[str, ...]", between: str = "") -> Markup:
    """Several pieces as one; those that are no markup are escaped."""
    return Markup(escape(between).join(escape(part) for part in parts))
