"""What the pages of a repository show. Each is read in one snapshot, because every change of thread costs time."""

from collections.abc import Sequence
from typing import NamedTuple

from ..db import Database, Tx
from ..errors import ManifestUnknown
from ..names import Reference
from .access.rule import Principal
from .content import repositories
from .inspection import inspector, tag_details, tag_list
from .inspection.inspector import InspectedManifest, Inspector
from .inspection.tag_details import TagDetails
from .inspection.tag_list import ListedTag, TagPage, TagQuery
from .social import comments, details, readmes
from .social.comments import Comment
from .social.details import Details
from .social.readmes import Readme

# Of the overview. All of them have pages of their own.
TAGS, COMMENTS = 20, 3


class Overview(NamedTuple):
    """tags: those that were pushed last. tag: the one whose manifest is shown; empty if there are no tags. shown: None
    if there is no such tag. comments: the newest ones.
    """

    about: Details
    tags: TagPage
    tag: str
    shown: InspectedManifest | None
    readme: Readme | None
    comments: list[Comment]


class RepositoryPages:
    """asker: who sees the page. The permission was asked before. All raise NameUnknown."""

    def __init__(self, db: Database, inspector: Inspector):
        self._db, self._inspector = db, inspector

    async def overview(self, name: str, asker: Principal, tag: str = "") -> Overview:
        """tag: whose manifest is wanted; if empty, that of latest or of the tag that was pushed last."""
        id, found = await self._db.scan(lambda tx: _overview(tx, name, asker, tag), long=True)
        if found.shown is None:
            return found
        return found._replace(shown=await self._inspector.completed(id, found.shown))

    async def tags(self, name: str, asker: Principal, query: TagQuery) -> tuple[Details, TagPage, TagDetails]:
        """Raises FieldInvalid for a key that is none."""

        def read(tx: Tx) -> tuple[Details, TagPage, TagDetails]:
            id = repositories.require(tx, name)
            return details.read(tx, id, name, asker), *tag_details.with_details(tx, id, query)

        return await self._db.scan(read, long=query.filters)

    async def manifest(
        self, name: str, asker: Principal, reference: Reference, platform: str, after: str
    ) -> tuple[Details, InspectedManifest]:
        """platform, after: see Inspector.inspect. Raises ManifestUnknown."""

        def read(tx: Tx) -> tuple[int, Details, InspectedManifest]:
            id = repositories.require(tx, name)
            found = inspector.inspected(tx, id, name, reference, platform, after)
            return id, details.read(tx, id, name, asker), found

        id, about, found = await self._db.scan(read, long=True)
        return about, await self._inspector.completed(id, found)


def _overview(tx: Tx, name: str, asker: Principal, tag: str) -> tuple[int, Overview]:
    """The repository's id, and what its overview shows."""
    id = repositories.require(tx, name)
    about, tags = details.read(tx, id, name, asker), tag_list.page(tx, id, TagQuery(limit=TAGS))
    tag = tag or _usual(tags.tags)
    said = comments.newest(tx, id, COMMENTS) if about.comments else []
    return id, Overview(about, tags, tag, _shown(tx, id, name, tag), readmes.of(tx, id), said)


def _usual(tags: Sequence[ListedTag]) -> str:
    """The tag that is shown first: latest, or the last pushed one."""
    names = [tag.name for tag in tags]
    return "latest" if "latest" in names else next(iter(names), "")


def _shown(tx: Tx, id: int, name: str, tag: str) -> InspectedManifest | None:
    try:
        return inspector.inspected(tx, id, name, Reference(tag, None)) if tag else None
    except ManifestUnknown:
        return None
