"""Links and pictures. Links lead to http, https, mailto, or a heading of the same text."""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from .escapes import escape

# Characters of an address. A longer one is text.
LONGEST = 500
_SAFE = re.compile(r"(?:https?://[^/?#]|mailto:[^/?#@]+@)[^\x00-\x20\x7f\"'<>\\^`{|}]*", re.I)
_REL = 'rel="noopener noreferrer nofollow"'


class Pictures(NamedTuple):
    """words: those of a link in place of a picture, made of the picture's own words.

    hosts: from which pictures are shown. They may be names such as img.example.org, or *.example.org.
    """

    words: Callable[[str], str] = "picture: {}".format
    hosts: tuple[str, ...] = ()


class Picture(str):
    """A picture as HTML. bare: the same without a link, for use within a link."""

    bare = ""


def target(address: str, headings: str) -> str | None:
    """The address for href, or None if no link may lead there. headings: what the ids of headings begin with."""
    if address.startswith("#"):
        return f"#{headings}{heading_id(unquote(address[1:]))}"
    if len(address) > LONGEST or not _SAFE.fullmatch(address) or not address.isprintable():
        return None
    return address


def tags(address: str) -> tuple[str, str]:
    """What stands before and after the words of a link. address: of `target`."""
    rel = "" if address.startswith("#") else f" {_REL}"
    return f'<a href="{escape(address)}"{rel}>', "</a>"


def picture(address: str, words: str, shown: Pictures) -> Picture:
    """The picture if its host is allowed, otherwise a link to it, or its words if no link may lead there."""
    found = target(address, "")
    text = escape(shown.words(words.strip() or address[:LONGEST]))
    if found is not None and _is_allowed(found, shown.hosts):
        alt = escape(words.strip())
        made = Picture(f'<img src="{escape(found)}" alt="{alt}" loading="lazy" referrerpolicy="no-referrer">')
        made.bare = str(made)
        return made
    made = Picture(text if found is None or found.startswith("#") else text.join(tags(found)))
    made.bare = text
    return made


def _is_allowed(address: str, hosts: tuple[str, ...]) -> bool:
    if not hosts or not address.lower().startswith("https://"):
        return False
    try:
        host = urlsplit(address).netloc.lower()
    except ValueError:
        return False
    return any(host.endswith(name[1:]) if name.startswith("*.") else host == name for name in hosts)


def heading_id(text: str) -> str:
    """The id of a heading, without its prefix: letters and digits of any script, with - for spaces."""
    kept = re.sub(r"[^\w\- ]", "", text[:200].lower()).strip()
    return kept.replace(" ", "-")[:100]
