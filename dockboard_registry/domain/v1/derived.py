"""The v1 images of an image that was pushed by v2: one for each layer, as docker 1.10 made them.

Nothing of them is stored: ids and texts follow from the manifest and the config. An id of 64 hexadecimal digits is

    32 digits of the digest of the layer; of the config for the last image
    32 digits of SHA-256 over the digests of this layer and all below it, and that of the config for the last image

docker 1.10 took the diff_ids of the config for this. These are what the pusher says, and nobody has checked them. The
digests of blobs were checked. So whoever has an id gets the same bytes in every repository, and nobody can put other
bytes under the id of somebody else. With the first half the database finds the blob by its index.
"""

import hashlib
import json
import re
from typing import NamedTuple

from ...errors import ManifestInvalid
from ...wording import quoted
from ..content import documents
from ..inspection.kinds import IMAGE_CONFIGS
from ..inspection.manifest_content import ManifestContent

_LAYERS = frozenset(
    {
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    }
)
_HALF = 32
_NEXT = "pull it by the v2 API, with docker 1.10 or later"
_ID = re.compile(r"[0-9a-f]{64}", re.A)
# The time of all images but the last: the same layers have the same text in every image.
_EPOCH = "1970-01-01T00:00:00Z"
# What the config says of the whole, and what says which image this is.
_LEFT_OUT = frozenset({"rootfs", "history", "id", "parent", "layer_id", "parent_id", "throwaway"})


class V1Image(NamedTuple):
    """parent: its id; None for the first one. layer: the digest of its blob. config: that of the image's config; None
    for all but the last one.
    """

    id: str
    parent: str | None
    layer: str
    config: str | None = None


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def digests_with(id: str) -> tuple[tuple[str, str], ...]:
    """Between which digests the blob is from which the id was made: pairs of the first and the one behind the last."""
    half = id[:_HALF]
    return tuple((f"{algorithm}:{half}", f"{algorithm}:{half}g") for algorithm in ("sha256", "sha512"))


def images(content: ManifestContent) -> list[V1Image]:
    """The v1 images of an image manifest, the first one at its beginning.

    Raises ManifestInvalid for what the clients of v1 cannot run or read.
    """
    if content.config is None or content.config.media_type not in IMAGE_CONFIGS or not content.layers:
        raise unfit("it is no image with layers")
    for number, layer in enumerate(content.layers, 1):
        if layer.media_type not in _LAYERS:
            raise unfit(f"layer {number} {_reason(layer.media_type)}")
    if content.omitted:
        raise unfit("it has too many layers")
    found: list[V1Image] = []
    digests = [layer.digest for layer in content.layers]
    for at, digest in enumerate(digests[:-1], 1):
        found.append(V1Image(_id("layers", digest, digests[:at]), found[-1].id if found else None, digest))
    config = content.config.digest
    id = _id("image", config, [*digests, config])
    return [*found, V1Image(id, found[-1].id if found else None, digests[-1], config)]


def _id(kind: str, digest: str, below: list[str]) -> str:
    chain = hashlib.sha256("\n".join([kind, *below]).encode()).hexdigest()
    return digest.partition(":")[2][:_HALF] + chain[:_HALF]


def unfit(why: str) -> ManifestInvalid:
    """The refusal of what clients of v1 cannot pull."""
    return ManifestInvalid(f"clients of the v1 API cannot pull this: {why}", _NEXT)


def _reason(media_type: str) -> str:
    if documents.is_foreign(media_type):
        return "is kept by another server"
    if media_type.endswith("zstd"):
        return "is compressed with Zstandard"
    return f"is of the type {quoted(media_type)}"


def text(image: V1Image, config: bytes | None) -> bytes:
    """The JSON of an image. config: the bytes of the image's config, for the last one. Raises ManifestInvalid."""
    own = {"id": image.id} | ({"parent": image.parent} if image.parent else {})
    if config is None:
        return _json({**own, "created": _EPOCH})
    fields = documents.load(config)
    if not isinstance(fields, dict):
        raise unfit("its config is no JSON object")
    return _json(own | {name: value for name, value in fields.items() if name not in _LEFT_OUT})


def _json(fields: dict) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
