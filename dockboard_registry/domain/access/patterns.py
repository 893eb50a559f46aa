"""Patterns of repository names in grants and scopes of tokens: team/app, team/app-*, team/**.

`*` stands for any number of characters of one segment. `**`, once and alone in its segment, stands for one segment or
more. The first segment is the namespace and has no wildcard. A repository of one segment is in library: the pattern
`app` means library/app.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from ...errors import FieldInvalid, NameInvalid
from ...names import LIBRARY, NAME_LIMIT, namespace_of, repository_name
from ...wording import quoted

_SEGMENT = re.compile(r"[a-z0-9._*-]+", re.A)
_MOST_STARS = 16
_NEXT = "write NAMESPACE/NAME, with * inside a segment or ** for a whole one, such as team/app-* or team/**"


class Pattern(NamedTuple):
    """A parsed pattern. `matches` takes a repository name in full form (see `full`)."""

    text: str
    namespace: str
    matches: Callable[[str], object]


def full(repository: str) -> str:
    """The repository's name with its namespace spelled out."""
    return repository if "/" in repository else f"{LIBRARY}/{repository}"


def exact(text: str) -> Pattern:
    """The pattern of one name, which is not checked."""
    return Pattern(text, namespace_of(text), full(text).__eq__)


@lru_cache(maxsize=10_000)
def parse(text: str) -> Pattern:
    """Raises FieldInvalid."""
    if "*" not in text:
        return exact(_literal(text, text))
    namespace, *segments = text.split("/")
    if not segments or "*" in namespace:
        raise FieldInvalid(f"the pattern {quoted(text)} does not begin with the name of a namespace", _NEXT)
    _literal(namespace, text)
    if len(text) > NAME_LIMIT or not all(map(_SEGMENT.fullmatch, segments)) or text.count("*") > _MOST_STARS:
        raise FieldInvalid(
            f"the pattern {quoted(text)} has characters, too many wildcards or a length that is not allowed", _NEXT
        )
    if segments.count("**") > 1 or any("**" in segment and segment != "**" for segment in segments):
        raise FieldInvalid(f"the pattern {quoted(text)} has ** twice, or beside other characters of a segment", _NEXT)
    expression = "/".join([re.escape(namespace), *map(_expression, segments)])
    return Pattern(text, namespace, re.compile(expression).fullmatch)


def _literal(name: str, pattern: str) -> str:
    """A name without wildcards. Raises FieldInvalid, which names the whole pattern."""
    try:
        return repository_name(name)
    except NameInvalid:
        raise FieldInvalid(
            f"the pattern {quoted(pattern)} has characters, a form or a length that is not allowed", _NEXT
        ) from None


def _expression(segment: str) -> str:
    """A segment as a regular expression in linear time: what a * has skipped is not tried again, except for the last
    one.
    """
    if segment == "**":
        return r"[^/]+(?:/[^/]+)*"
    first, *others = map(re.escape, segment.split("*"))
    if not others:
        return first
    *middle, last = others
    return first + "".join(f"(?>[^/]*?{part})" for part in middle) + f"[^/]*{last}"
