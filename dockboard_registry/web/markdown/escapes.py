"""Text in HTML. Characters that nobody sees, or that change the order of others, are shown by their numbers."""

import re
from html import escape as _escape

# Controls, zero-width and bidirectional marks, and lone surrogates. Not the joiners, which emoji and scripts need.
_RANGES = "\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff"
_UNSEEN = re.compile(f"[{_RANGES}]")
_SPECIAL = re.compile(f"[&<>\"'{_RANGES}]")


def escape(text: str) -> str:
    """Text for HTML and for attributes in double quotes."""
    if not _SPECIAL.search(text):
        return text
    return _escape(_UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text))
