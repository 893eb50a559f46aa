"""Reads a manifest: what the registry has to know of it. Refuses what two readers could understand differently.

Image specification 1.1 ("Image Manifest", "Image Index", "Content Descriptors") and Docker's schema 2. Unknown fields
are allowed and kept, because the bytes are stored as they came. Limits keep one document from holding the interpreter
for long.
"""

import json
import math
from collections.abc import Iterator
from typing import NamedTuple

from ...errors import ManifestInvalid
from ...names import is_digest
from ...names import media_type as parse_media_type
from ...wording import quoted
from . import json_limits
from .pace import NO_PACE, Pace

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGES = (OCI_MANIFEST, DOCKER_MANIFEST)
INDEXES = (OCI_INDEX, DOCKER_LIST)
_STORED = ", ".join(IMAGES + INDEXES)

SIZE_LIMIT = 4 << 20
# 4 MiB hardly have room for more layers.
_LAYERS, _CHILDREN = 20_000, 10_000
_DEPTH = 64
# Characters of a value that an error quotes.
_QUOTED = 60
_KEYS = {
    key.casefold(): key
    for key in (
        "schemaVersion",
        "mediaType",
        "artifactType",
        "config",
        "layers",
        "manifests",
        "subject",
        "annotations",
        "digest",
        "size",
        "urls",
        "data",
    )
}
_FOREIGN = ("application/vnd.oci.image.layer.nondistributable.", "application/vnd.docker.image.rootfs.foreign.")


class Descriptor(NamedTuple):
    """Content that a document refers to. size: in bytes. required: whether the repository has to have it."""

    digest: str
    size: int
    media_type: str
    required: bool


class Document(NamedTuple):
    """The parts of a manifest or index that the registry reads. annotations: every value as text."""

    media_type: str
    artifact_type: str | None
    subject: str | None
    annotations: dict | None
    blobs: list[Descriptor]
    children: list[Descriptor]

    def references(self) -> list[Descriptor]:
        """All descriptors whose content the repository has to have, or may have. `place` says where each one stands."""
        return self.blobs + self.children

    def parts(self, size: int) -> Iterator["Document"]:
        """The same document with at most so many of its references each time."""
        for first in range(0, len(self.blobs), size):
            yield self._replace(blobs=self.blobs[first : first + size], children=[])
        for first in range(0, len(self.children), size):
            yield self._replace(blobs=[], children=self.children[first : first + size])

    def place(self, at: int) -> str:
        if not self.blobs:
            return f"manifests[{at}]"
        return f"layers[{at - 1}]" if at else "config"


def parse(body: bytes, content_type: str, pace: Pace = NO_PACE) -> Document:
    """Read the body of a manifest. content_type: the value of the header, or empty. Raises ManifestInvalid."""
    fields = _object(load(body, pace), "the manifest")
    _refuse_lookalikes(fields, "the manifest")
    media_type = _media_type(fields, content_type)
    version = fields.get("schemaVersion")
    if not _is_integer(version) or version != 2:
        # The value is not quoted if it is a text, because that may be anything.
        raise ManifestInvalid(
            f"schemaVersion: has to be 2, not {'a text' if isinstance(version, str) else _quoted(version)}"
        )
    index = media_type in INDEXES
    for stranger in ("layers", "config") if index else ("manifests",):
        if fields.get(stranger) is not None:
            raise ManifestInvalid(f"{stranger}: the document mixes the fields of an image manifest and an index")
    return Document(
        media_type,
        _artifact_type(fields, index),
        _subject(fields),
        annotations(fields),
        [] if index else _image_blobs(fields, pace),
        _list(fields, "manifests", _CHILDREN, pace) if index else [],
    )


def load(body: bytes, pace: Pace = NO_PACE) -> object:
    """JSON (RFC 8259) that all readers understand alike. Raises ManifestInvalid.

    Refused: other encodings than UTF-8, duplicate keys, NaN and infinities, lone surrogates, too many values, too deep
    nesting.
    """
    values, most = json_limits.values(body), json_limits.MOST_VALUES
    if values > most:
        raise ManifestInvalid(
            f"the JSON has {values} commas, colons and brackets, and the registry reads at most {most}"
        )
    try:
        found = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=pace.before(_unique),
            parse_constant=_no_constant,
            parse_float=_finite,
        )
        if b"\\u" in body:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except ManifestInvalid:
        raise
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid(f"the body is not valid JSON in UTF-8{_where(error)}") from error
    if body.count(b"[") + body.count(b"{") > _DEPTH and _depth_over(found, _DEPTH, pace):
        raise ManifestInvalid(f"the JSON is nested too deeply: more than {_DEPTH} levels")
    return found


def _where(error: Exception) -> str:
    return f": {error.msg} at byte {error.pos}" if isinstance(error, json.JSONDecodeError) else ""


def _unique(pairs: list) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ManifestInvalid(f"the JSON has the same key twice in one object: {_quoted(twice)}")
    return found


def _no_constant(name: str) -> None:
    raise ManifestInvalid(f"the JSON has {name}, which is not a JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ManifestInvalid(f"the JSON has a number that is too large: {_quoted(text)}")
    return number


def _depth_over(value: object, limit: int, pace: Pace) -> bool:
    level = [value]
    for _ in range(limit + 1):
        level = [
            inner
            for outer in pace.over(level)
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def _media_type(fields: dict, content_type: str) -> str:
    """The document's type. Content-Type and its own mediaType have to agree (CVE-2021-41190)."""
    header = content_type.partition(";")[0].strip()
    own = fields.get("mediaType")
    if own is not None and not isinstance(own, str):
        raise ManifestInvalid(f"mediaType: has to be a string, not {_quoted(own)}")
    if own and header and own != header:
        raise ManifestInvalid(f"mediaType: {_quoted(own)} is not that of the Content-Type header, {_quoted(header)}")
    found = own or header
    if not found:
        raise ManifestInvalid(
            "neither the Content-Type header nor mediaType says what this manifest is", f"use one of {_STORED}"
        )
    if found not in IMAGES + INDEXES:
        raise ManifestInvalid(
            f"{'mediaType' if own else 'Content-Type'}: {_quoted(found)} is not a manifest that the registry stores",
            f"use one of {_STORED}",
        )
    return found


def _image_blobs(fields: dict, pace: Pace) -> list[Descriptor]:
    config = _descriptor(fields.get("config"), "config")
    return [config, *_list(fields, "layers", _LAYERS, pace)]


def _artifact_type(fields: dict, index: bool) -> str | None:
    """artifactType, otherwise an image's config.mediaType: distribution specification, "Listing Referrers"."""
    own = fields.get("artifactType")
    if own is not None and not isinstance(own, str):
        raise ManifestInvalid(f"artifactType: has to be a string, not {_quoted(own)}")
    if own:
        return _known_type(own, "artifactType")
    if index:
        return None
    return _object(fields.get("config"), "config").get("mediaType")


def _subject(fields: dict) -> str | None:
    return None if fields.get("subject") is None else _descriptor(fields["subject"], "subject").digest


def annotations(fields: dict, where: str = "annotations") -> dict[str, str] | None:
    """The annotations of a document or descriptor.

    Numbers are accepted, as by other registries, and shown as text, because clients in Go read only text.
    """
    found = fields.get("annotations")
    if found is None:
        return None
    for key, value in _object(found, where).items():
        if not isinstance(value, str) and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise ManifestInvalid(f"{where}[{_quoted(key)}]: has to be a string or a number, not {_quoted(value)}")
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in found.items()}


def _list(fields: dict, key: str, limit: int, pace: Pace) -> list[Descriptor]:
    """A field that is absent or null is an empty list: docker pushes an image without layers with `null`."""
    found = fields.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise ManifestInvalid(f"{key}: has to be a list, not {_quoted(found)}")
    if len(found) > limit:
        raise ManifestInvalid(f"{key}: the list has {len(found)} entries, and the registry stores at most {limit}")
    return [_descriptor(entry, f"{key}[{at}]") for at, entry in enumerate(pace.over(found))]


def _descriptor(value: object, where: str) -> Descriptor:
    fields = _object(value, where)
    _refuse_lookalikes(fields, where)
    size, digest, urls = fields.get("size"), fields.get("digest"), fields.get("urls")
    media_type = _known_type(fields.get("mediaType"), f"{where}.mediaType")
    if not _is_integer(size) or not 0 <= size < 2**63:
        raise ManifestInvalid(f"{where}.size: has to be a whole number of bytes, not {_quoted(size)}")
    if urls is not None and not (isinstance(urls, list) and all(isinstance(url, str) for url in urls)):
        raise ManifestInvalid(f"{where}.urls: has to be a list of strings, not {_quoted(urls)}")
    if "annotations" in fields:
        annotations(fields, f"{where}.annotations")
    if not is_digest(digest):
        raise ManifestInvalid(f"{where}.digest: {_quoted(digest)} is not a sha256 or sha512 digest")
    return Descriptor(digest, size, media_type, not is_foreign(media_type))


def _known_type(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise ManifestInvalid(f"{where}: has to be a media type, not {_quoted(value)}")
    try:
        return parse_media_type(value)
    except ManifestInvalid as error:
        raise ManifestInvalid(f"{where}: {error.cause}", error.next) from error


def _quoted(value: object) -> str:
    """The beginning of a value, for an error that quotes it."""
    if isinstance(value, str):
        return quoted(value, _QUOTED)
    return {dict: "an object", list: "a list", bool: "true or false"}.get(type(value)) or json.dumps(value)[:_QUOTED]


def _refuse_lookalikes(fields: dict, where: str) -> None:
    """Readers in Go take MEDIATYPE for mediaType, and manife\u017fts for manifests.

    This registry does not, so such a key would have two meanings.
    """
    for key in fields:
        if _KEYS.get(key.casefold(), key) != key:
            raise ManifestInvalid(
                f"{where} has the key {_quoted(key)}, which differs only in case from {_KEYS[key.casefold()]}"
            )


def is_foreign(media_type: str) -> bool:
    """Whether a layer of this type lies elsewhere, so that a repository need not have it."""
    return media_type.startswith(_FOREIGN)


def _object(value: object, where: str) -> dict:
    if not isinstance(value, dict):
        raise ManifestInvalid(f"{where}: has to be an object, not {_quoted(value)}")
    return value


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
