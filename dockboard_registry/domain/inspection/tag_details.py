"""What a list of tags shows besides the tags: other tags of the same manifest, what is attached, and layers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from ...db import Database, Tx
from ...db.each import EachLimited
from ...errors import NameUnknown
from ..content import repositories
from ..explore import nearest
from . import attached, layer_uses, tag_list
from .layer_uses import LayerUse
from .tag_list import MADE_BY_TOOLS, OWN, ListedTag, TagPage, TagQuery

T = TypeVar("T")
# Of each manifest so many tags are named.
MOST_NAMES = 6
_NAMES = EachLimited(
    f"SELECT digest, name FROM tags WHERE repository_id = ? AND NOT {MADE_BY_TOOLS} AND digest = ? LIMIT {MOST_NAMES}"
)
# Among these the tags are looked for that are nearly what somebody typed. No tag has a character behind the last one.
_LAST = "~"
_ALIKE = (
    f"SELECT name FROM tags WHERE repository_id = ? AND name >= ? AND name < ? AND NOT {MADE_BY_TOOLS} ORDER BY name"
    " LIMIT 200"
)
_NEWEST = (
    f"SELECT name FROM tags WHERE repository_id = ? AND NOT {MADE_BY_TOOLS} ORDER BY updated_at DESC, name DESC"
    " LIMIT 200"
)


class TagDetails(NamedTuple):
    """By the digests of manifests; layers by those of images (see ManifestFacts.image_digest)."""

    names: Mapping[str, list[str]]
    attached: Mapping[str, list[str]]
    layers: Mapping[str, list[LayerUse]]


def names(tx: Tx, repository_id: int, digests: Sequence[str]) -> dict[str, list[str]]:
    """A few tags of each manifest."""
    found: dict[str, list[str]] = {}
    for digest, name in _NAMES.all(tx, (repository_id,), digests):
        found.setdefault(digest, []).append(name)
    return found


def is_long(query: TagQuery) -> bool:
    """Whether many rows may be looked at for one page."""
    return query.filters or query.sort == OWN


def of_tags(tx: Tx, repository_id: int, tags: Sequence[ListedTag]) -> TagDetails:
    digests = sorted({tag.digest for tag in tags})
    images = sorted({tag.facts.image_digest for tag in tags if tag.facts and tag.facts.image_digest})
    return TagDetails(
        names(tx, repository_id, digests),
        attached.kinds_of(tx, repository_id, digests),
        layer_uses.of_images(tx, repository_id, images),
    )


class TagLists:
    def __init__(self, db: Database):
        self._db = db

    async def page(self, repository: str, query: TagQuery) -> TagPage:
        """Raises NameUnknown; FieldInvalid for a key that is none."""
        return await self._scan(repository, query, tag_list.page)

    async def page_with_details(self, repository: str, query: TagQuery) -> tuple[TagPage, TagDetails]:
        """Raises what `page` raises."""
        return await self._scan(repository, query, with_details)

    async def names(self, repository: str, digests: Sequence[str]) -> dict[str, list[str]]:
        """A few tags of each of these manifests."""
        return await self._db.scan(lambda tx: names(tx, repositories.find(tx, repository) or 0, digests))

    async def found(self, repository: str, query: TagQuery, most: int) -> dict[str, str] | None:
        """All tags that the filter finds with their digests; None if there are more than `most`. Raises NameUnknown."""
        return await self._scan(repository, query, lambda tx, place, query: tag_list.found(tx, place, query, most))

    async def near(self, repository: str, name: str) -> list[str]:
        """A few tags with names like this one, the nearest first: among those that begin like it, and the newest."""
        return await self._db.scan(lambda tx: _near(tx, repositories.find(tx, repository) or 0, name))

    def _scan(self, repository: str, query: TagQuery, fn: Callable[[Tx, int, TagQuery], T]) -> Awaitable[T]:
        def find(tx: Tx) -> T:
            found = repositories.find(tx, repository)
            if found is None:
                raise NameUnknown(name=repository)
            return fn(tx, found, query)

        return self._db.scan(find, long=is_long(query))


def _near(tx: Tx, repository_id: int, name: str) -> list[str]:
    start = name[: max(len(name) // 2, 1)]
    alike = [tag for (tag,) in tx.all(_ALIKE, repository_id, start, start + _LAST)]
    if len(name) > nearest.LONGEST:
        return alike[:MOST_NAMES]
    newest = [tag for (tag,) in tx.all(_NEWEST, repository_id)]
    return nearest.tags(name, [*alike, *newest], MOST_NAMES)


def with_details(tx: Tx, repository_id: int, query: TagQuery) -> tuple[TagPage, TagDetails]:
    found = tag_list.page(tx, repository_id, query)
    return found, of_tags(tx, repository_id, found.tags)
