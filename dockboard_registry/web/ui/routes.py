"""All pages: the routes of each module of pages/, and the page for a path.

Repositories are below /r/, accounts below /@, so no name can be taken for a page.
"""

import functools
import re
from collections.abc import Mapping

from ...errors import NotFound
from ...http.messages import decoded
from ...names import NAME_LIMIT
from .pages import TABLES
from .route import IN_PATH, NAMES, Page

# A repository, a tag and a digest.
_LONGEST = NAME_LIMIT + 128 + 135 + 100


def find(raw_path: str) -> tuple[Page, dict[str, str]]:
    """The page at a path, and the names in the path. Raises NotFound."""
    path = decoded(raw_path)
    if path is None or len(path) > _LONGEST:
        raise NotFound
    for pattern, page in _table().get(_group(path), ()):
        match = pattern.fullmatch(path)
        if match:
            return page, match.groupdict()
    raise NotFound


@functools.cache
def pages() -> tuple[Page, ...]:
    """All pages."""
    return tuple(page for table in TABLES for page in table)


@functools.cache
def paths() -> frozenset[str]:
    return frozenset(page.path for page in pages())


@functools.cache
def _table() -> Mapping[str, tuple[tuple[re.Pattern[str], Page], ...]]:
    """Pages with the patterns of their paths, by the group of the path."""
    found: dict[str, list] = {}
    for page in pages():
        parts = IN_PATH.split(page.path)
        pattern = "".join(f"(?P<{part}>{NAMES[part]})" if at % 2 else re.escape(part) for at, part in enumerate(parts))
        found.setdefault(_group(page.path), []).append((re.compile(pattern, re.A), page))
    return {group: tuple(each) for group, each in found.items()}


def _group(path: str) -> str:
    """Few patterns are tried for a path: those of its group."""
    if path.startswith("/@"):
        return "/@"
    first, _, rest = path[1:].partition("/")
    return f"/r/{rest.partition('/-/')[2].partition('/')[0]}" if first == "r" else first
