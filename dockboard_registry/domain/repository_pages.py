"""What the pages of a repository show. Each is read in one snapshot, because every change of thread costs time."""

from collections.abc import Sequence
from typing import NamedTuple

from ..db import Database, Tx
from ..errors import ManifestUnknown
from ..names import Reference
from ..storage import Storage
from .access.rule import Principal
from .content import repositories, untagged
from .content.untagged import UntaggedPage
from .inspection import image_readme, inside, inspector, manifest_facts, tag_details, tag_list
from .inspection.image_readme import Brought, ImageReadme
from .inspection.inside import Inside, Kept
from .inspection.inspector import InspectedManifest, Inspector
from .inspection.manifest_facts import ManifestFacts
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
    if there is no such tag. comments: the newest ones. brought: where no README was written, the one of a referrer.
    """

    about: Details
    tags: TagPage
    tag: str
    shown: InspectedManifest | None
    readme: Readme | None
    comments: list[Comment]
    brought: ImageReadme | None = None

    @property
    def along(self) -> ImageReadme | None:
        """The README that the image brings along, in a referrer or a label, where none was written."""
        if self.readme is not None or self.shown is None:
            return None
        return self.brought or image_readme.of_labels(self.shown.labels)


class RepositoryPages:
    """asker: who sees the page. The permission was asked before. All raise NameUnknown."""

    def __init__(self, db: Database, storage: Storage, inspector: Inspector):
        self._db, self._storage, self._inspector = db, storage, inspector

    async def overview(self, name: str, asker: Principal, tag: str = "") -> Overview:
        """tag: whose manifest is wanted; if empty, that of latest or of the tag that was pushed last."""
        id, found, brought = await self._db.scan(lambda tx: _overview(tx, name, asker, tag), long=True)
        if found.shown is None:
            return found
        readme = await image_readme.completed(self._db, self._storage, id, brought) if brought else None
        return found._replace(shown=await self._inspector.completed(id, found.shown), brought=readme)

    async def readme(self, name: str, asker: Principal) -> Readme | ImageReadme | None:
        """The README that was written, else the one that the image of the overview brings along."""
        found = await self.overview(name, asker)
        return found.readme or found.along

    async def tags(self, name: str, asker: Principal, query: TagQuery) -> tuple[Details, TagPage, TagDetails]:
        """Raises FieldInvalid for a key that is none."""

        def read(tx: Tx) -> tuple[Details, TagPage, TagDetails]:
            id = repositories.require(tx, name)
            return details.read(tx, id, name, asker), *tag_details.with_details(tx, id, query)

        return await self._db.scan(read, long=tag_details.is_long(query))

    async def untagged(
        self, name: str, asker: Principal, after: str, limit: int
    ) -> tuple[Details, UntaggedPage, dict[str, ManifestFacts]]:
        """Manifests without a tag, and the facts that are known of them. after: a digest, or empty."""

        def read(tx: Tx) -> tuple[Details, UntaggedPage, dict[str, ManifestFacts]]:
            id = repositories.require(tx, name)
            page = untagged.page(tx, id, after, limit)
            facts = manifest_facts.known(tx, id, [each.digest for each in page.manifests])
            return details.read(tx, id, name, asker), page, facts

        return await self._db.scan(read, long=True)

    async def manifest(
        self, name: str, asker: Principal, reference: Reference, platform: str, after: str
    ) -> tuple[Details, InspectedManifest, Inside]:
        """platform, after: see Inspector.inspect. Raises ManifestUnknown."""

        def read(tx: Tx) -> tuple[int, Details, InspectedManifest, Kept]:
            id = repositories.require(tx, name)
            found = inspector.inspected(tx, id, name, reference, platform, after)
            kept = inside.kept(tx, id, found.image.content) if found.image else Kept()
            return id, details.read(tx, id, name, asker), found, kept

        id, about, found, kept = await self._db.scan(read, long=True)
        looked = await inside.inside(self._db, self._storage, found.image.content, kept) if found.image else Inside()
        return about, await self._inspector.completed(id, found), looked


def _overview(tx: Tx, name: str, asker: Principal, tag: str) -> tuple[int, Overview, Brought | None]:
    """The repository's id, what its overview shows, and the README that the image brings along if none was written."""
    id = repositories.require(tx, name)
    about, tags = details.read(tx, id, name, asker), tag_list.page(tx, id, TagQuery(limit=TAGS))
    tag = tag or _usual(tags.tags)
    said = comments.newest(tx, id, COMMENTS) if about.comments else []
    found = Overview(about, tags, tag, _shown(tx, id, name, tag), readmes.of(tx, id), said)
    looks = found.shown is not None and found.readme is None
    return id, found, image_readme.brought(tx, id, found.shown.digest) if looks else None


def _usual(tags: Sequence[ListedTag]) -> str:
    """The tag that is shown first: latest, or the last pushed one."""
    names = [tag.name for tag in tags]
    return "latest" if "latest" in names else next(iter(names), "")


def _shown(tx: Tx, id: int, name: str, tag: str) -> InspectedManifest | None:
    try:
        return inspector.inspected(tx, id, name, Reference(tag, None)) if tag else None
    except ManifestUnknown:
        return None
