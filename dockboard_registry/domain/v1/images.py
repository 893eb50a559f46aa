"""Which v1 images a repository has, and in which repository somebody finds an id.

An index stands for its image for linux/amd64, the only platform that clients of v1 know.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from ...db import Database, Tx
from ...errors import ManifestInvalid, ManifestUnknown, NotFound
from ..access import rule
from ..access.rule import PULL, Principal, decide
from ..content import documents, references, repositories
from ..explore import conditions, reach
from ..explore.conditions import NEVER, Condition, either, statement
from ..inspection import manifest_content
from ..inspection.manifest_content import ManifestContent
from . import derived
from .derived import V1Image

# Of a repository, those that were pushed last.
MOST_TAGS = 1000
# Bytes of a manifest. One with 127 layers, the most that docker takes, has 30 KB.
LONGEST = 64 << 10
# Manifests in which an id is looked for: in one repository; without one, repositories, and manifests of each.
MOST_LOOKED_AT, _MOST_PLACES, _MOST_EACH = 500, 50, 10
_MANY_WAYS = 32
# Ids that a worker remembers with what they mean.
_MOST_KNOWN = 2000
_PLATFORM = "linux/amd64"
_MANIFEST = "SELECT media_type, CASE WHEN size <= ? THEN body END FROM manifests WHERE repository_id = ? AND digest = ?"
_TAG = "SELECT digest FROM tags WHERE repository_id = ? AND name = ?"
_TAGS = "SELECT name, digest FROM tags WHERE repository_id = ? ORDER BY updated_at DESC, name LIMIT ?"
_HAS_BLOB = (
    "(repository_blobs.digest >= ? AND repository_blobs.digest < ? OR repository_blobs.digest >= ? AND"
    " repository_blobs.digest < ?)"
)
_PLACES = (
    "SELECT repository_facts.repository_id, repository_facts.name, repository_facts.visibility FROM repository_blobs"
    " CROSS JOIN repository_facts ON repository_facts.repository_id = repository_blobs.repository_id"
)


class FoundImage(NamedTuple):
    """A v1 image in a repository. chain: all images of the image that was pushed, the first one at its beginning; at:
    which of them this is.
    """

    repository: str
    chain: Sequence[V1Image]
    at: int

    @property
    def image(self) -> V1Image:
        return self.chain[self.at]

    @property
    def ancestry(self) -> list[str]:
        """Its id, its parent's, and so on to the first one."""
        return [image.id for image in self.chain[self.at :: -1]]


class V1Images:
    def __init__(self, db: Database):
        self._db = db
        self._known: OrderedDict[tuple[str, str], FoundImage] = OrderedDict()

    async def tags(self, repository: str) -> dict[str, str]:
        """The id that each tag points to, of the MOST_TAGS newest ones. Tags of what is no image of v1 are left out."""

        def query(tx: Tx) -> dict[str, str]:
            found = _require(tx, repository)
            newest = dict(tx.all(_TAGS, found, MOST_TAGS))
            ids = {digest: _last_id(tx, found, digest) for digest in dict.fromkeys(newest.values())}
            return {name: id for name, digest in newest.items() if (id := ids[digest]) is not None}

        return await self._db.scan(query, long=True)

    async def tag(self, repository: str, tag: str) -> str:
        """The id that the tag points to. Raises NotFound, ManifestUnknown; ManifestInvalid, which says why clients
        of v1 cannot pull it.
        """

        def query(tx: Tx) -> str:
            found = _require(tx, repository)
            row = tx.one(_TAG, found, tag)
            if row is None:
                raise NotFound("tag not found", "the list of tags shows what the repository has")
            return _images(tx, found, row[0])[-1].id

        return await self._db.scan(query)

    def known(self, repository: str, id: str) -> FoundImage | None:
        """The image with this id, if somebody pulls it from the repository. An id never means another image. Whether
        the repository still has its blobs is for the caller to ask.
        """
        return self._known.get((repository, id))

    async def within(self, repository: str, id: str) -> FoundImage:
        """The image with this id in the repository. Raises NotFound."""

        def query(tx: Tx) -> FoundImage | None:
            found = repositories.find(tx, repository)
            return None if found is None else _image(tx, found, repository, id, MOST_LOOKED_AT)

        found = _known(await self._db.scan(query))
        self._keep(found)
        return found

    def _keep(self, found: FoundImage) -> None:
        """Its whole chain, because a pull asks for all of it."""
        for at, image in enumerate(found.chain):
            self._known[found.repository, image.id] = found._replace(at=at)
        while len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)

    async def anywhere(self, principal: Principal, id: str) -> FoundImage:
        """The image with this id in any repository that the principal may pull. Raises NotFound."""

        def query(tx: Tx) -> FoundImage | None:
            for repository_id, name in _places(tx, principal, id):
                found = _image(tx, repository_id, name, id, _MOST_EACH)
                if found is not None:
                    return found
            return None

        return _known(await self._db.scan(query, long=True))


def _known(found: FoundImage | None) -> FoundImage:
    if found is None:
        raise NotFound("image not found", "take the id from the tags of a repository")
    return found


def _require(tx: Tx, repository: str) -> int:
    found = repositories.find(tx, repository)
    if found is None:
        raise NotFound("repository not found", "check the name")
    return found


def _places(tx: Tx, principal: Principal, id: str) -> Iterator[tuple[int, str]]:
    """Repositories that the principal may pull, and that have the blob from which the id was made."""
    ways = conditions.ways(reach.of(principal))
    within = NEVER if not ways else either(ways) if len(ways) <= _MANY_WAYS else conditions.ALWAYS
    blob = Condition(_HAS_BLOB, tuple(end for ends in derived.digests_with(id) for end in ends))
    sql, *parameters = statement(_PLACES, [blob, Condition(f"({within.sql})", within.parameters)], " LIMIT ?")
    for repository_id, name, visibility in tx.all(sql, *parameters, _MOST_PLACES):
        if decide(principal, PULL, rule.repository(name, True, visibility)).allowed:
            yield repository_id, name


def _image(tx: Tx, repository_id: int, name: str, id: str, most: int) -> FoundImage | None:
    """The image with this id, among so many manifests of the repository."""
    for first, end in derived.digests_with(id):
        for digest in references.manifests_with(tx, repository_id, first, end, most):
            chain = _readable(tx, repository_id, digest)
            for at, image in enumerate(chain):
                if image.id == id:
                    return FoundImage(name, chain, at)
    return None


def _last_id(tx: Tx, repository_id: int, digest: str) -> str | None:
    images = _readable(tx, repository_id, digest)
    return images[-1].id if images else None


def _readable(tx: Tx, repository_id: int, digest: str) -> list[V1Image]:
    """No images where clients of v1 cannot pull it."""
    try:
        return _images(tx, repository_id, digest)
    except (ManifestInvalid, ManifestUnknown):
        return []


def _images(tx: Tx, repository_id: int, digest: str) -> list[V1Image]:
    """Raises ManifestInvalid, ManifestUnknown."""
    content = _content(tx, repository_id, digest)
    if content.media_type in documents.INDEXES:
        content = _content(tx, repository_id, _usual(content))
    return derived.images(content)


def _content(tx: Tx, repository_id: int, digest: str) -> ManifestContent:
    row = tx.one(_MANIFEST, LONGEST, repository_id, digest)
    if row is None:
        raise ManifestUnknown("the manifest is gone", "begin the pull again")
    if row[1] is None:
        raise derived.unfit(f"its manifest has more than {LONGEST} bytes")
    content = manifest_content.read(bytes(row[1]), row[0])
    if content is None:
        raise derived.unfit("its manifest cannot be read")
    return content


def _usual(index: ManifestContent) -> str:
    found: Iterable[str] = (child.digest for child in index.platforms() if child.platform == _PLATFORM)
    digest = next(iter(found), None)
    if digest is None:
        raise derived.unfit(f"it has no image for {_PLATFORM}")
    return digest
