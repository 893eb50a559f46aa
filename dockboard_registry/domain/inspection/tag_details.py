"""What a list of tags shows besides the tags: other tags of the same manifest, what is attached, and layers."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from ...db import Database, Tx
from ...db.each import EachLimited
from ...errors import NameUnknown
from ..content import repositories
from . import attached, layer_uses, tag_list
from .layer_uses import LayerUse
from .tag_list import MADE_BY_TOOLS, NAME, ListedTag, TagPage, TagQuery

T = TypeVar("T")
# Of each manifest so many tags are named.
MOST_NAMES = 6
_NAMES = EachLimited(
    f"SELECT digest, name FROM tags WHERE repository_id = ? AND NOT {MADE_BY_TOOLS} AND digest = ? LIMIT {MOST_NAMES}"
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
        return await self._scan(repository, query, _with_details)

    async def names(self, repository: str, digests: Sequence[str]) -> dict[str, list[str]]:
        """A few tags of each of these manifests."""
        return await self._db.scan(lambda tx: names(tx, repositories.find(tx, repository) or 0, digests))

    async def near(self, repository: str, name: str) -> list[str]:
        """A few tags whose names begin like this one."""
        start = name[: max(len(name) // 2, 1)]
        page = await self.page(repository, TagQuery(f"{start.replace('*', '')}*", sort=NAME, limit=MOST_NAMES))
        return [tag.name for tag in page.tags]

    def _scan(self, repository: str, query: TagQuery, fn: Callable[[Tx, int, TagQuery], T]) -> Awaitable[T]:
        def find(tx: Tx) -> T:
            found = repositories.find(tx, repository)
            if found is None:
                raise NameUnknown(name=repository)
            return fn(tx, found, query)

        return self._db.scan(find, long=query.filters)


def _with_details(tx: Tx, repository_id: int, query: TagQuery) -> tuple[TagPage, TagDetails]:
    found = tag_list.page(tx, repository_id, query)
    return found, of_tags(tx, repository_id, found.tags)
