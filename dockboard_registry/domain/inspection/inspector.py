"""One manifest in full, for its page: what it holds, how it was built, what is attached, what points to it."""

from collections.abc import Sequence
from typing import NamedTuple

from ...db import Database, Tx
from ...errors import ManifestUnknown
from ...names import Reference
from ...storage import Storage
from ..content import references, repositories
from ..content.pace import Pace
from . import (
    attached,
    image_config,
    kinds,
    layer_uses,
    linked_blobs,
    manifest_content,
    manifest_facts,
    tag_details,
)
from .attached import Attached
from .image_config import ImageConfig, Step
from .layer_uses import LayerUse
from .manifest_content import Child, ManifestContent
from .manifest_facts import ManifestFacts

# Platforms of an index that are shown.
MOST_PLATFORMS = 64
_MOST_PARENTS = 10
_TAG = "SELECT digest, updated_at, pushed_by, pulls, pulled_at FROM tags WHERE repository_id = ? AND name = ?"
_MANIFEST = (
    "SELECT media_type, artifact_type, size, pushed_at, warning, CASE WHEN size <= ? THEN body END FROM manifests"
    " WHERE repository_id = ? AND digest = ?"
)


class TagState(NamedTuple):
    """Times in milliseconds since 1970. pushed_by: an actor of the audit; None if not known."""

    name: str
    digest: str
    updated_at: int
    pushed_by: str | None
    pulls: int
    pulled_at: int | None


class Platform(NamedTuple):
    """An image of an index. layers: None if its manifest could not be read."""

    child: Child
    size: int | None
    layers: list[LayerUse] | None
    attached: list[str]


class BuildStep(NamedTuple):
    """A step of the history, with the layer that it made. number: from 1. layer: None if it made none."""

    number: int
    step: Step | None
    layer: LayerUse | None
    layer_number: int = 0


class Image(NamedTuple):
    """The image that a page shows: the manifest itself, or one of its index. config: None if it could not be read.

    matched: whether the history fits the layers; if not, the steps are the layers alone.
    """

    digest: str
    content: ManifestContent
    config: ImageConfig | None
    layers: list[LayerUse]
    steps: list[BuildStep]
    matched: bool


class InspectedManifest(NamedTuple):
    """tag: the one that was asked for. body: None if it is longer than manifest_content.LONGEST. content: None if it
    could not be read. names: tags. parents: digests of indexes that it belongs to. more_attached: there are others.
    """

    digest: str
    media_type: str
    artifact_type: str | None
    size: int
    pushed_at: int
    warning: str | None
    body: bytes | None
    content: ManifestContent | None
    facts: ManifestFacts | None
    tag: TagState | None
    names: list[str]
    parents: list[str]
    platforms: list[Platform]
    image: Image | None
    attached: list[Attached]
    more_attached: bool

    @property
    def kind(self) -> str:
        return self.content.kind if self.content else kinds.of_manifest(self.media_type, self.artifact_type)

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the shown image, and annotations of the manifest."""
        config = self.image.config if self.image else None
        return dict(config.labels if config else ()) | dict(self.content.annotations if self.content else {})


class Inspector:
    def __init__(self, db: Database, storage: Storage):
        self._db, self._storage = db, storage

    async def inspect(
        self, repository: str, reference: Reference, platform: str = "", after: str = ""
    ) -> InspectedManifest:
        """platform: of an index, the image that is shown; if it has none of that, a usual one is. after: the digest of
        the last attached manifest that was seen.

        Raises NameUnknown, ManifestUnknown.
        """

        def query(tx: Tx) -> tuple[int, InspectedManifest]:
            place = repositories.require(tx, repository)
            return place, inspected(tx, place, repository, reference, platform, after)

        return await self.completed(*await self._db.scan(query, long=True))

    async def completed(self, repository_id: int, found: InspectedManifest) -> InspectedManifest:
        """The same with the config of its image, where that lies in the store."""
        image = found.image
        wanted = _config(image.content) if image is not None and image.config is None else None
        if image is None or wanted is None:
            return found
        reader = image_config.read, image_config.LONGEST
        configs = await linked_blobs.everywhere(self._db, self._storage, repository_id, [wanted], *reader)
        return found._replace(image=with_config(image, configs.get(wanted)))


def with_config(image: Image, config: ImageConfig | None) -> Image:
    steps, matched = build_steps(config.history if config else (), image.layers)
    return image._replace(config=config, steps=steps, matched=matched)


def build_steps(history: Sequence[Step], layers: Sequence[LayerUse]) -> tuple[list[BuildStep], bool]:
    """The steps with their layers; the layers alone, and False, if these do not fit together."""
    if sum(not step.empty for step in history) != len(layers):
        return [BuildStep(at, None, layer, at) for at, layer in enumerate(layers, 1)], False
    rest, steps, made = iter(layers), [], 0
    for number, step in enumerate(history, 1):
        layer = None if step.empty else next(rest)
        made += layer is not None
        steps.append(BuildStep(number, step, layer, made if layer else 0))
    return steps, True


def inspected(
    tx: Tx, place: int, repository: str, reference: Reference, platform: str = "", after: str = ""
) -> InspectedManifest:
    """The manifest of the repository with this id and name; see Inspector.inspect. Raises ManifestUnknown."""
    tag = _tag(tx, place, repository, reference.tag) if reference.tag else None
    digest = tag.digest if tag else reference.digest
    row = tx.one(_MANIFEST, manifest_content.LONGEST, place, digest)
    if row is None:
        raise ManifestUnknown(f"{repository} has no manifest {digest}", name=repository, reference=digest)
    media_type, artifact_type, size, pushed_at, warning, body = row
    content = manifest_content.read(bytes(body), media_type, Pace()) if body is not None else None
    platforms = _platforms(tx, place, content) if content else []
    others, more = attached.listed(
        tx, place, [digest, *(each.child.digest for each in platforms if each.attached)], after
    )
    return InspectedManifest(
        *(digest, media_type, artifact_type, size, pushed_at, warning, None if body is None else bytes(body)),
        *(content, manifest_facts.known(tx, place, [digest]).get(digest), tag),
        *(
            tag_details.names(tx, place, [digest]).get(digest, []),
            references.indexes_with(tx, place, digest, _MOST_PARENTS),
        ),
        *(platforms, _image(tx, place, digest, content, platforms, platform)),
        *(others + _attestations(content), more),
    )


def _tag(tx: Tx, place: int, repository: str, name: str) -> TagState:
    row = tx.one(_TAG, place, name)
    if row is None:
        raise ManifestUnknown(f"{repository} has no tag {name}", name=repository, tag=name)
    digest, updated_at, pushed_by, pulls, pulled_at = row
    return TagState(name, digest, updated_at, pushed_by, pulls or 0, pulled_at)


def _platforms(tx: Tx, place: int, content: ManifestContent) -> list[Platform]:
    """The images of an index, as far as they are shown."""
    children = content.platforms()[:MOST_PLATFORMS]
    digests = sorted({child.digest for child in children})
    facts, layers = manifest_facts.known(tx, place, digests), layer_uses.of_images(tx, place, digests)
    kinds_found = attached.kinds_of(tx, place, digests)
    attested = {child.attests for child in content.children}
    return [
        Platform(
            child._replace(platform=child.platform or ", ".join(facts[child.digest].platforms))
            if child.digest in facts
            else child,
            facts[child.digest].size if child.digest in facts else None,
            layers.get(child.digest),
            [*kinds_found.get(child.digest, []), *([kinds.ATTESTATION] if child.digest in attested else [])],
        )
        for child in children
    ]


def _attestations(content: ManifestContent | None) -> list[Attached]:
    """Attestations that lie in the index itself, as buildx writes them."""
    return [
        Attached(kinds.ATTESTATION, child.media_type, child.attests, child.digest, child.size, 0)
        for child in (content.children if content else ())
        if child.attests
    ][: attached.MOST_LISTED]


def _image(
    tx: Tx, place: int, digest: str, content: ManifestContent | None, platforms: list[Platform], wanted: str
) -> Image | None:
    """The image that is shown, with its config if that lies in the database."""
    if content is None:
        return None
    if content.kind == kinds.INDEX:
        chosen = chosen_platform(platforms, wanted)
        manifests = manifest_facts.read(tx, place, [chosen], manifest_content.LONGEST, Pace()) if chosen else []
        if not manifests or manifests[0].content is None:
            return None
        digest, content = chosen, manifests[0].content
    image = Image(digest, content, None, layer_uses.of_content(tx, place, content), [], False)
    wanted = _config(content)
    configs = linked_blobs.in_rows(tx, place, [wanted], image_config.read, image_config.LONGEST) if wanted else {}
    return with_config(image, configs.get(wanted or ""))


def _config(content: ManifestContent) -> str | None:
    """The digest of the config, if it is that of an image."""
    config = content.config
    return config.digest if config is not None and config.media_type in kinds.IMAGE_CONFIGS else None


def chosen_platform(platforms: Sequence[Platform], wanted: str) -> str | None:
    """The digest of the image of this platform; of linux/amd64 or the first one if there is none."""
    for name in (wanted, "linux/amd64"):
        for each in platforms:
            if name and (each.child.platform == name or each.child.platform.startswith(f"{name}/")):
                return each.child.digest
    return platforms[0].child.digest if platforms else None
