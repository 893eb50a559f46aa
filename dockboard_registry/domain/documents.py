"""Reading a manifest: what the registry has to know of it, and refusal of what two readers could take for two things.

Image specification 1.1 ("Image Manifest", "Image Index", "Content Descriptors") and Docker's schema 2. Unknown fields are
allowed and kept: the bytes are stored as they came. Limits keep one document from holding the interpreter for long.
"""

import json
import math
from typing import NamedTuple

from ..errors import DigestInvalid, ManifestInvalid
from ..names import digest as parse_digest
from ..names import media_type as parse_media_type

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_LIST)

SIZE_LIMIT = 4 << 20
_LAYERS, _CHILDREN = 4096, 10_000
_TOKENS, _DEPTH = 250_000, 64
_KEYS = {
    key.casefold(): key
    for key in ("schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations", "digest", "size", "urls", "data")
}
_FOREIGN = ("application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign.")


class Descriptor(NamedTuple):
    """Content that a document refers to: size in bytes; required: it has to be in the repository."""

    digest: str
    size: int
    media_type: str
    required: bool


class Document(NamedTuple):
    """A manifest or index as far as the registry reads it."""

    media_type: str
    artifact_type: str | None
    subject: str | None
    annotations: dict | None
    blobs: list[Descriptor]
    children: list[Descriptor]


def parse(body: bytes, content_type: str) -> Document:
    """Read the body of a manifest PUT; content_type is the header's value, or empty. Raises ManifestInvalid, DigestInvalid."""
    fields = _object(load(body), "the manifest")
    _refuse_lookalikes(fields, "the manifest")
    media_type = _media_type(fields, content_type)
    if not _is_integer(fields.get("schemaVersion")) or fields["schemaVersion"] != 2:
        raise ManifestInvalid("schemaVersion has to be 2")
    index = media_type in INDEXES
    stranger = "layers" if index else "manifests"
    if stranger in fields or (index and "config" in fields):
        raise ManifestInvalid("the document mixes the fields of an image manifest and an index")
    return Document(
        media_type,
        _artifact_type(fields, index),
        _subject(fields),
        _annotations(fields),
        [] if index else _image_blobs(fields),
        _list(fields, "manifests", _CHILDREN) if index else [],
    )


def load(body: bytes) -> object:
    """JSON by RFC 8259 that every reader takes for the same thing. Raises ManifestInvalid.

    Refused: not UTF-8, duplicate keys, NaN and infinities, lone surrogates, more than 250,000 values, deeper than 64 levels.
    """
    tokens = body.count(b",") + body.count(b":") + body.count(b"[") + body.count(b"{")
    if tokens > _TOKENS:
        raise ManifestInvalid("the JSON has more values than the registry reads")
    try:
        found = json.loads(
            body.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
        if b"\\u" in body:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except ManifestInvalid:
        raise
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid("the body is not valid JSON in UTF-8") from error
    if body.count(b"[") + body.count(b"{") > _DEPTH and _depth_over(found, _DEPTH):
        raise ManifestInvalid("the JSON is nested too deeply")
    return found


def _unique(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ManifestInvalid("the JSON has the same key twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ManifestInvalid(f"the JSON has {name}, which is not a JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ManifestInvalid("the JSON has a number that is too large")
    return number


def _depth_over(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [inner for outer in level if isinstance(outer, (dict, list)) for inner in (outer.values() if isinstance(outer, dict) else outer)]
        if not level:
            return False
    return True


def _media_type(fields: dict, content_type: str) -> str:
    """The document's type from Content-Type and its own mediaType, which have to agree (CVE-2021-41190)."""
    header = content_type.partition(";")[0].strip()
    own = fields.get("mediaType")
    if own is not None and not isinstance(own, str):
        raise ManifestInvalid("mediaType has to be a string")
    if own and header and own != header:
        raise ManifestInvalid("the manifest's mediaType is not that of the Content-Type header")
    found = own or header
    if not found:
        raise ManifestInvalid("neither Content-Type nor mediaType tells what this manifest is")
    if found not in IMAGES + INDEXES:
        raise ManifestInvalid("this media type is not a manifest that the registry stores", f"use one of {', '.join(IMAGES + INDEXES)}")
    return found


def _image_blobs(fields: dict) -> list[Descriptor]:
    config = _descriptor(fields.get("config"), "config")
    return [config, *_list(fields, "layers", _LAYERS)]


def _artifact_type(fields: dict, index: bool) -> str | None:
    """artifactType, else an image's config.mediaType: distribution specification, "Listing Referrers"."""
    own = fields.get("artifactType")
    if own is not None and not isinstance(own, str):
        raise ManifestInvalid("artifactType has to be a string")
    if own:
        return parse_media_type(own)
    if index:
        return None
    return _object(fields.get("config"), "config").get("mediaType")


def _subject(fields: dict) -> str | None:
    return None if fields.get("subject") is None else _descriptor(fields["subject"], "subject").digest


def _annotations(fields: dict) -> dict | None:
    found = fields.get("annotations")
    if found is None:
        return None
    if not all(isinstance(value, str) for value in _object(found, "annotations").values()):
        raise ManifestInvalid("every annotation has to be a string")
    return found


def _list(fields: dict, key: str, limit: int) -> list[Descriptor]:
    found = fields.get(key)
    if not isinstance(found, list):
        raise ManifestInvalid(f"{key} has to be a list")
    if len(found) > limit:
        raise ManifestInvalid(f"{key} has more than {limit} entries")
    return [_descriptor(entry, f"an entry of {key}") for entry in found]


def _descriptor(value: object, where: str) -> Descriptor:
    fields = _object(value, where)
    _refuse_lookalikes(fields, where)
    media_type, size, digest = fields.get("mediaType"), fields.get("size"), fields.get("digest")
    if not isinstance(media_type, str) or not isinstance(digest, str):
        raise ManifestInvalid(f"{where} needs mediaType and digest as strings")
    if not _is_integer(size) or not 0 <= size < 2**63:
        raise ManifestInvalid(f"{where} needs size as a whole number of bytes")
    urls = fields.get("urls")
    if urls is not None and not (isinstance(urls, list) and all(isinstance(url, str) for url in urls)):
        raise ManifestInvalid(f"urls of {where} has to be a list of strings")
    try:
        return Descriptor(parse_digest(digest), size, parse_media_type(media_type), not media_type.startswith(_FOREIGN))
    except DigestInvalid as error:
        raise ManifestInvalid(f"{where} has a digest that is not valid") from error


def _refuse_lookalikes(fields: dict, where: str) -> None:
    """Readers written in Go take MEDIATYPE for mediaType, and manife\u017fts for manifests; we don't, so such a key has two readings."""
    for key in fields:
        if _KEYS.get(key.casefold(), key) != key:
            raise ManifestInvalid(f"{where} has a key that differs only in case from {_KEYS[key.casefold()]}")


def _object(value: object, where: str) -> dict:
    if not isinstance(value, dict):
        raise ManifestInvalid(f"{where} has to be an object")
    return value


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
