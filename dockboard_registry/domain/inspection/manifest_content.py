"""Reads a stored manifest for people: its layers and platforms.

It forgives what domain/content/documents.py refuses, because a version before may have stored it.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from ...errors import ManifestInvalid
from ...names import is_digest
from ..content import documents
from ..content.pace import NO_PACE, Pace
from . import kinds

# What is read of one manifest at most.
MOST_LAYERS, MOST_CHILDREN = 1000, 500
# Longer manifests are not read.
LONGEST = 1 << 20
# Longer ones are read with rests.
_SHORT = 64 << 10
_LONGEST_TEXT = 4 << 10
_TITLE = "org.opencontainers.image.title"
_ATTESTS, _ATTESTED = "vnd.docker.reference.type", "vnd.docker.reference.digest"


class Layer(NamedTuple):
    """size: in bytes, as the manifest says. title: the name of a file, or empty."""

    digest: str
    size: int
    media_type: str
    title: str = ""
    predicate: str = ""


class Child(NamedTuple):
    """An entry of an index. platform: os/architecture/variant, or empty. attests: the digest of the entry that this one
    says something about, or empty.
    """

    digest: str
    size: int
    media_type: str
    platform: str = ""
    attests: str = ""
    annotations: Mapping[str, str] = {}

    @property
    def is_platform(self) -> bool:
        return not self.attests and self.platform != "unknown/unknown"


class ManifestContent(NamedTuple):
    """What a manifest holds. artifact_type: otherwise that of its config.

    omitted: how many layers or children were not read because there are so many.
    """

    kind: str
    media_type: str
    artifact_type: str | None = None
    config: Layer | None = None
    layers: tuple[Layer, ...] = ()
    children: tuple[Child, ...] = ()
    subject: str | None = None
    annotations: Mapping[str, str] = {}
    omitted: int = 0

    def blobs(self) -> list[Layer]:
        """Config and layers, each blob once."""
        found = ([self.config] if self.config else []) + list(self.layers)
        return list({blob.digest: blob for blob in found}.values())

    def platforms(self) -> list[Child]:
        return [child for child in self.children if child.is_platform]


def read(body: bytes, media_type: str, pace: Pace = NO_PACE) -> ManifestContent | None:
    """None if the bytes are too many, or no JSON object."""
    if len(body) > LONGEST:
        return None
    try:
        fields = json.loads(body) if len(body) <= _SHORT else documents.load(body, pace)
    except (ManifestInvalid, ValueError, RecursionError):
        return None
    return _content(fields, media_type) if isinstance(fields, dict) else None


def _content(fields: dict, media_type: str) -> ManifestContent:
    config = _layer(fields.get("config"))
    layers, children = items(fields.get("layers")), items(fields.get("manifests"))
    read_layers = tuple(filter(None, map(_layer, layers[:MOST_LAYERS])))
    artifact_type = text(fields.get("artifactType")) or (config.media_type if config else None)
    subject = mapping(fields.get("subject")).get("digest")
    return ManifestContent(
        kinds.of_manifest(media_type, artifact_type, ((layer.media_type, layer.predicate) for layer in read_layers)),
        media_type,
        artifact_type,
        config,
        read_layers,
        tuple(filter(None, map(_child, children[:MOST_CHILDREN]))),
        subject if is_digest(subject) else None,
        texts(fields.get("annotations")),
        max(len(layers) - MOST_LAYERS, len(children) - MOST_CHILDREN, 0),
    )


def _layer(value: Any) -> Layer | None:
    fields = mapping(value)
    digest, annotations = fields.get("digest"), mapping(fields.get("annotations"))
    if not is_digest(digest):
        return None
    title, predicate = text(annotations.get(_TITLE)), text(annotations.get(kinds.PREDICATE))
    return Layer(digest, whole(fields.get("size")), text(fields.get("mediaType")), title, predicate)


def _child(value: Any) -> Child | None:
    fields = mapping(value)
    digest, annotations = fields.get("digest"), texts(fields.get("annotations"))
    if not is_digest(digest):
        return None
    attests = annotations.get(_ATTESTED, "") if _ATTESTS in annotations else ""
    place = mapping(fields.get("platform"))
    return Child(
        *(digest, whole(fields.get("size")), text(fields.get("mediaType"))),
        *(platform(place.get("os"), place.get("architecture"), place.get("variant")), attests, annotations),
    )


def platform(os: Any, architecture: Any, variant: Any = None) -> str:
    """os/architecture/variant. The variant of arm64 is left out if it is the usual one. Empty if unknown."""
    names = [text(part)[:32] for part in (os, architecture, variant)]
    if not names[0] or not names[1]:
        return ""
    if names[1:] in (["arm64", "v8"], ["amd64", "v1"]):
        names.pop()
    return "/".join(filter(None, names)).replace(",", "")


def mapping(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list:
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """The beginning of a text; of a number its figures; of anything else nothing. Always valid in UTF-8."""
    if isinstance(value, str):
        found = value[:_LONGEST_TEXT]
        return found if found.isascii() else found.encode("utf-8", "backslashreplace").decode()
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else ""


def texts(value: Any) -> dict[str, str]:
    """Names and texts. All other values are left out."""
    return {text(key): text(each) for key, each in mapping(value).items() if isinstance(each, (str, int, float))}


def whole(value: Any) -> int:
    """A number of bytes; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else 0
