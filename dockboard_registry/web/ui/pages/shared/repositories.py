"""Lists of repositories on pages: the filter in the address, and the links to the pages before and behind."""

import functools
from collections.abc import Callable
from typing import NamedTuple

from .....domain.explore import newest_layers
from .....domain.explore.lists import PUSHED, SORTS, Key, ListedRepository, Page, Wanted, parse_key
from .....domain.inspection import kinds
from .....errors import FieldInvalid
from .....wording import sized
from ... import figures, language
from ...markup import Markup
from ...visit import Visit
from .listing import Pager, counted

ROWS = 25
IMAGES, CHARTS, OTHERS = "images", "charts", "others"
_KINDS = {
    IMAGES: (kinds.IMAGE, kinds.INDEX),
    CHARTS: (kinds.CHART,),
    OTHERS: tuple(kind for kind in kinds.KINDS if kind not in (kinds.IMAGE, kinds.INDEX, kinds.CHART)),
}
# Others are typed into the address, or come by the search.
_PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64")
_LONGEST = 255
# Strips that were drawn lately. Each has a few KiB at most.
_REMEMBERED = 512


class Asked(NamedTuple):
    """What the address asks for. kind: a word of the form, or the kind of a manifest."""

    text: str
    namespace: str
    kind: str
    platform: str
    sort: str
    category: str

    @property
    def is_filtered(self) -> bool:
        return bool(self.text or self.kind or self.platform or self.category)


def asked(visit: Visit) -> Asked:
    """Raises FieldInvalid."""
    fields = [visit.query(name)[:_LONGEST] for name in ("q", "in", "kind", "platform")]
    sort = visit.query("sort", PUSHED)
    if sort not in SORTS:
        raise FieldInvalid("the list can't be sorted by that", f"sort by one of {', '.join(SORTS)}")
    return Asked(*fields, sort, visit.query("category")[:_LONGEST])


def wanted(visit: Visit, filter: Asked, limit: int = ROWS) -> Wanted:
    """The page of the list that the address asks for. Raises FieldInvalid."""
    chosen = _KINDS.get(filter.kind, (filter.kind,)) if filter.kind else ()
    after, before = _key(visit, "after", filter.sort), _key(visit, "before", filter.sort)
    return Wanted(
        filter.sort, limit, filter.text, filter.namespace, chosen, filter.platform, after, before, filter.category
    )


async def page(visit: Visit, filter: Asked) -> tuple[Page, int | None]:
    """That page, and how long the list is without a filter. With a filter it counts as a search.

    Raises FieldInvalid, TooManyRequests.
    """
    asked_for = wanted(visit, filter)
    if asked_for.is_filtered:
        visit.asker.count_search()
    return await visit.services.lists.counted(visit.principal, asked_for)


def _key(visit: Visit, name: str, sort: str) -> Key | None:
    text = visit.query(name)
    return parse_key(text, sort) if text else None


def pager(visit: Visit, filter: Asked, page: Page, total: int | None) -> Pager:
    """total: of the list without a filter, if it is known."""
    same = {"q": filter.text, "kind": filter.kind, "platform": filter.platform, "category": filter.category}
    same["sort"] = "" if filter.sort == PUSHED else filter.sort
    path = visit.request.path
    same["in"] = filter.namespace if path == "/" else ""
    return Pager(
        visit.url(path, **same) if page.previous else "",
        visit.url(path, **same, before=page.previous) if page.previous else "",
        visit.url(path, **same, after=page.next) if page.next else "",
        counted(visit, None if filter.is_filtered else total, len(page.items)),
    )


def words(filter: Asked) -> list[str]:
    """The kinds to choose from: words of the form, and a kind that was typed into the address."""
    return [*_KINDS, *([filter.kind] if filter.kind not in ("", *_KINDS) else [])]


def platforms(filter: Asked) -> list[str]:
    """The platforms to choose from."""
    return [*_PLATFORMS, *([filter.platform] if filter.platform not in ("", *_PLATFORMS) else [])]


def short_platforms(found: tuple[str, ...]) -> str:
    """amd64 arm64 arm/v7: most run on Linux."""
    return " ".join(platform.removeprefix("linux/") for platform in found[:6]) + (" …" if len(found) > 6 else "")


def strips(visit: Visit) -> Callable[[ListedRepository], Markup]:
    """What draws the layers of a repository's newest image; nothing where they are not known."""
    return lambda each: _strip(visit.language, each.layers, each.size) if each.layers else Markup("")


@functools.lru_cache(_REMEMBERED)
def _strip(spoken: str, layers: str, size: int) -> Markup:
    """spoken: the language of the label. layers: see newest_layers.py. size: of the image, in bytes."""
    parts = newest_layers.read(layers)
    label = language.text(spoken, "explore.strip", size=sized(size), own=sized(newest_layers.own_bytes(parts)))
    return figures.strip([(part.size, "own" if part.own else "shared") for part in parts], label)
