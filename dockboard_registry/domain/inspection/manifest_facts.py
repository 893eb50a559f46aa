"""Facts of manifests: kind, platforms, sizes. Lists filter and sort by them.

They follow from bytes that never change, so they are never out of date. They are stored after the push, a few at a
time (facts_filling.py). What is not stored yet is found out where it is shown.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

from ...db import Tx
from ...db.each import Each
from ...numbers import LARGEST
from ..content import documents
from ..content.pace import NO_PACE, Pace
from . import image_config, kinds, linked_blobs, manifest_content
from .image_config import ImageConfig
from .manifest_content import ManifestContent

_COLUMNS = (
    "kind, platforms, config_digest, image_digest, size, total_size, layers, attestations, created_at FROM"
    " manifest_facts"
)
_STORED = Each(f"SELECT digest, {_COLUMNS} WHERE repository_id = ? AND digest IN (...)")
_STORE = (
    "INSERT INTO manifest_facts (repository_id, digest, kind, platforms, config_digest, image_digest, size, total_size,"
    " layers, attestations, created_at) SELECT repository_id, digest, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM manifests WHERE"
    " repository_id = ? AND digest = ?"
)
_FORGET = "DELETE FROM manifest_facts WHERE repository_id = ? AND digest = ?"
_MANIFESTS = Each(
    "SELECT digest, media_type, artifact_type, CASE WHEN size <= ? THEN body END FROM manifests WHERE repository_id = ?"
    " AND digest IN (...)"
)
_LONGEST_PLATFORMS = 1000
# Bytes of a manifest that is read beside others, and platforms of an index that are looked at.
SHORT, _MOST_PLATFORMS = 64 << 10, 64
# The platform whose size stands for an index that has it.
_USUAL = "linux/amd64"


class ManifestFacts(NamedTuple):
    """A row of manifest_facts; schema/0015_manifest_facts.sql says what the columns mean. platforms: a tuple here."""

    kind: str
    platforms: tuple[str, ...] = ()
    config_digest: str | None = None
    image_digest: str | None = None
    size: int | None = None
    total_size: int | None = None
    layers: int | None = None
    attestations: int | None = None
    created_at: int | None = None

    @classmethod
    def of_row(cls, kind: str, platforms: str | None, *rest) -> Self:
        return cls(kind, tuple(filter(None, (platforms or "").split(","))), *rest)

    def row(self) -> tuple:
        text = f",{','.join(self.platforms)}," if self.platforms else None
        while text is not None and len(text) > _LONGEST_PLATFORMS:
            text = text[: text.rindex(",", 0, -1) + 1]
        return self.kind, text, *(min(value, LARGEST) if isinstance(value, int) else value for value in self[2:])


class ExaminedManifest(NamedTuple):
    """A manifest that was read: its columns, and its content if it could be read."""

    digest: str
    media_type: str
    artifact_type: str | None
    content: ManifestContent | None


def stored(tx: Tx, repository_id: int, digests: Sequence[str]) -> dict[str, ManifestFacts]:
    """The facts that are stored."""
    return {digest: ManifestFacts.of_row(*row) for digest, *row in _STORED.all(tx, (repository_id,), digests)}


def known(tx: Tx, repository_id: int, digests: Sequence[str]) -> dict[str, ManifestFacts]:
    """The facts of these manifests, at most a hundred. What is not stored is found out now, but for long manifests."""
    found = stored(tx, repository_id, digests)
    missing = [digest for digest in digests if digest not in found]
    if not missing:
        return found
    gathered = gather(tx, repository_id, missing, SHORT)
    return found | gathered.facts(summaries(tx, repository_id, gathered.configs()))


def summaries(tx: Tx, repository_id: int, configs: Iterable[str]) -> dict[str, ImageConfig]:
    """Platform and time of the configs that lie in the database, by digest."""
    return linked_blobs.in_rows(tx, repository_id, configs, image_config.read_summary, image_config.LONGEST)


class GatheredManifests(NamedTuple):
    """Manifests, and the images of indexes among them by digest."""

    manifests: list[ExaminedManifest]
    images: dict[str, ExaminedManifest]

    def configs(self) -> set[str]:
        """The digests of the configs that tell more."""
        contents = _contents([*self.manifests, *self.images.values()])
        return {content.config.digest for content in contents if _has_image_config(content)}

    def facts(self, configs: dict[str, ImageConfig]) -> dict[str, ManifestFacts]:
        return {manifest.digest: _facts(manifest, self.images, configs) for manifest in self.manifests}


def gather(tx: Tx, repository_id: int, digests: Sequence[str], longest: int, pace: Pace = NO_PACE) -> GatheredManifests:
    """longest: of longer manifests little is told."""
    manifests = read(tx, repository_id, digests, longest, pace)
    children = [each.digest for manifest in manifests if manifest.content for each in _images(manifest.content)]
    images = read(tx, repository_id, sorted(set(children)), SHORT, pace)
    return GatheredManifests(manifests, {manifest.digest: manifest for manifest in images})


def read(
    tx: Tx, repository_id: int, digests: Sequence[str], longest: int, pace: Pace = NO_PACE
) -> list[ExaminedManifest]:
    """The manifests that the repository has of these. longest: longer ones have no content."""
    return [
        ExaminedManifest(digest, media_type, artifact_type, _content(body, media_type, pace))
        for digest, media_type, artifact_type, body in _MANIFESTS.all(tx, (longest, repository_id), digests)
    ]


def store(tx: Tx, repository_id: int, digest: str, facts: ManifestFacts) -> None:
    """A manifest that was deleted meanwhile gets no row."""
    tx.insert(_STORE, *facts.row(), repository_id, digest)


def forget(tx: Tx, repository_id: int, digest: str) -> None:
    """For a manifest that is deleted."""
    tx.run(_FORGET, repository_id, digest)


def main_image(content: ManifestContent) -> str | None:
    """Of an index, the image whose size stands for it."""
    images = _images(content)
    usual = [child.digest for child in images if child.platform == _USUAL]
    return next(iter(usual + [child.digest for child in images]), None)


def _images(content: ManifestContent) -> list:
    """The platforms of an index that are looked at."""
    return [child for child in content.platforms() if child.media_type not in documents.INDEXES][:_MOST_PLATFORMS]


def _content(body: bytes | None, media_type: str, pace: Pace) -> ManifestContent | None:
    return None if body is None else manifest_content.read(bytes(body), media_type, pace)


def _contents(manifests: Iterable[ExaminedManifest]) -> list[ManifestContent]:
    return [manifest.content for manifest in manifests if manifest.content]


def _has_image_config(content: ManifestContent) -> bool:
    return content.config is not None and content.config.media_type in kinds.IMAGE_CONFIGS


def _facts(
    manifest: ExaminedManifest, images: dict[str, ExaminedManifest], configs: dict[str, ImageConfig]
) -> ManifestFacts:
    content = manifest.content
    if content is None:
        return ManifestFacts(kinds.of_manifest(manifest.media_type, manifest.artifact_type))
    if content.kind == kinds.INDEX:
        return _of_index(content, images, configs)
    return _of_image(manifest.digest, content, configs)


def _of_image(digest: str, content: ManifestContent, configs: dict[str, ImageConfig]) -> ManifestFacts:
    config = configs.get(content.config.digest) if content.config else None
    size = _size([content])
    return ManifestFacts(
        content.kind,
        (config.platform,) if config and config.platform and content.kind == kinds.IMAGE else (),
        content.config.digest if content.config else None,
        digest,
        size,
        size,
        len(content.layers) + content.omitted,
        None,
        config.created_at if config else None,
    )


def _of_index(
    content: ManifestContent, images: dict[str, ExaminedManifest], configs: dict[str, ImageConfig]
) -> ManifestFacts:
    image = images.get(main_image(content) or "")
    main = _of_image(image.digest, image.content, configs) if image and image.content else ManifestFacts("")
    children = [images[child.digest] for child in _images(content) if child.digest in images]
    return main._replace(
        kind=kinds.INDEX,
        platforms=tuple(dict.fromkeys(filter(None, _platforms(content, images, configs)))),
        total_size=_size(_contents(children)),
        attestations=sum(1 for child in content.children if not child.is_platform),
    )


def _platforms(
    content: ManifestContent, images: dict[str, ExaminedManifest], configs: dict[str, ImageConfig]
) -> Iterable[str]:
    """Of an entry that does not name its platform, the config does."""
    for child in _images(content):
        image = images.get(child.digest)
        config = image.content.config if image and image.content else None
        yield child.platform or (configs[config.digest].platform if config and config.digest in configs else "")


def _size(contents: Iterable[ManifestContent]) -> int:
    """Bytes of configs and layers, each blob once."""
    return sum({blob.digest: blob.size for content in contents for blob in content.blobs()}.values())
