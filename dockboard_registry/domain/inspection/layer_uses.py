"""Which bytes of an image no other image of its repository has.

Only the repository itself is counted. Other repositories may be hidden, and would tell by it what they hold.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ...db import Tx
from ..content import references
from . import manifest_facts
from .manifest_content import ManifestContent

# Layers of one image that a strip shows.
MOST_SHOWN = 100
_REMEMBERED = 512


class LayerUse(NamedTuple):
    """size: in bytes. own: no other manifest of the repository refers to it."""

    digest: str
    size: int
    own: bool


def own_bytes(layers: Iterable[LayerUse]) -> int:
    return sum(layer.size for layer in layers if layer.own)


def shared(tx: Tx, repository_id: int, digests: Iterable[str]) -> set[str]:
    """Those of the blobs that more than one manifest of the repository refers to."""
    return set(references.used_twice(tx, repository_id, sorted(set(digests))))


def of_content(tx: Tx, repository_id: int, content: ManifestContent) -> list[LayerUse]:
    """The layers of an image in their order."""
    found = shared(tx, repository_id, [layer.digest for layer in content.layers])
    return [LayerUse(layer.digest, layer.size, layer.digest not in found) for layer in content.layers]


def of_images(tx: Tx, repository_id: int, images: Sequence[str]) -> dict[str, list[LayerUse]]:
    """The layers of a few images, by digest. Long manifests are left out."""
    layers = _layers(tx, repository_id, images)
    found = shared(tx, repository_id, [digest for each in layers.values() for digest, _ in each])
    return {
        image: [LayerUse(digest, size, digest not in found) for digest, size in each] for image, each in layers.items()
    }


# The layers of images that were shown lately. They follow from the digest.
_remembered: OrderedDict[str, tuple[tuple[str, int], ...]] = OrderedDict()


def _layers(tx: Tx, repository_id: int, images: Sequence[str]) -> Mapping[str, Sequence[tuple[str, int]]]:
    """Digest and size of each layer. The caller has found that the repository has the images."""
    remembered = ((image, _remembered.get(image)) for image in images)
    found = {image: layers for image, layers in remembered if layers is not None}
    missing = [image for image in images if image not in found]
    for manifest in manifest_facts.read(tx, repository_id, missing, manifest_facts.SHORT):
        if manifest.content:
            layers = tuple((layer.digest, layer.size) for layer in manifest.content.layers[:MOST_SHOWN])
            found[manifest.digest] = _remembered[manifest.digest] = layers
    while len(_remembered) > _REMEMBERED:
        _remembered.popitem(last=False)
    return found
