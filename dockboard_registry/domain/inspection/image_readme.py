"""The README that an image brings along: in an artifact that refers to it, or in one of its labels.

Only text that lies in the registry counts. An address of another host is never asked.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from ...db import Database, Tx
from ...storage import Storage
from ..social import readmes
from . import linked_blobs
from .manifest_content import LONGEST, ManifestContent, read

# Referrers of one manifest that are looked at, in the order of their digests.
MOST_REFERRERS = 1000
# Labels whose value may be an address. One that has the text inside is a data URL (RFC 2397).
_LABELS = ("io.artifacthub.package.readme-url", "org.opencontainers.image.documentation")
_DATA = re.compile(r"data:text/(?:markdown|plain)((?:;[a-z0-9-]+=[\w.-]+)*)(;base64)?,(.*)", re.I | re.S)
# manifest_content.text cuts longer values.
_LONGEST_LABEL = 4095
_MARKDOWN, _TEXTS = "text/markdown", ("text/markdown", "text/plain")
_NEWEST = (
    "SELECT digest, media_type, artifact_type FROM (SELECT digest, media_type, artifact_type, pushed_at, size FROM"
    f" manifests WHERE repository_id = ? AND subject = ? ORDER BY digest LIMIT {MOST_REFERRERS}) referrers WHERE"
    f" size <= {LONGEST} AND (LOWER(artifact_type) LIKE '%readme%' OR artifact_type = '{_MARKDOWN}') ORDER BY"
    " pushed_at DESC, digest LIMIT 1"
)
_BODY = "SELECT body FROM manifests WHERE repository_id = ? AND digest = ?"


class ImageReadme(NamedTuple):
    """text: in Markdown. referrer: the digest of the artifact that has it. label: the name of the label that has it.
    One of the two is empty.
    """

    text: str
    referrer: str = ""
    label: str = ""


class Brought(NamedTuple):
    """A README that refers to an image. blob: the digest of its file. body: its bytes, if they lie in the database."""

    referrer: str
    blob: str
    body: bytes | None


def brought(tx: Tx, repository_id: int, subject: str) -> Brought | None:
    """The newest README that refers to the manifest: its artifact type has the word readme, or is text/markdown."""
    row = tx.one(_NEWEST, repository_id, subject)
    if row is None:
        return None
    content = read(bytes(tx.one(_BODY, repository_id, row[0])[0]), row[1])
    blob = blob_of(content) if content else None
    if blob is None:
        return None
    bodies = linked_blobs.in_rows(tx, repository_id, [blob], bytes, readmes.MOST_BYTES)
    return Brought(row[0], blob, bodies.get(blob))


async def completed(db: Database, storage: Storage, repository_id: int, found: Brought) -> ImageReadme | None:
    """The README, also where its bytes lie in the store. None if they can't be read, or are no text."""
    body = found.body
    if body is None:
        reader = bytes, readmes.MOST_BYTES
        body = (await linked_blobs.everywhere(db, storage, repository_id, [found.blob], *reader)).get(found.blob, b"")
    text = text_of(body)
    return ImageReadme(text, referrer=found.referrer) if text else None


def blob_of(content: ManifestContent) -> str | None:
    """The digest of the file with the text: the first in Markdown, else the first in plain text or of no known type."""
    ways = (
        lambda layer: layer.media_type == _MARKDOWN or layer.title.lower().endswith(".md"),
        lambda layer: layer.media_type in _TEXTS,
        lambda layer: True,
    )
    found = (layer for fits in ways for layer in content.layers if fits(layer) and layer.size <= readmes.MOST_BYTES)
    return next((layer.digest for layer in found), None)


def text_of(data: bytes) -> str:
    """The text that the bytes are; empty if they are none that a README may be."""
    try:
        found = data.decode().replace("\r\n", "\n")
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in found or not found.strip() else found


def of_labels(labels: Mapping[str, str]) -> ImageReadme | None:
    """The text that lies in a label itself."""
    for name in _LABELS:
        match = _DATA.fullmatch(labels.get(name, "")[: _LONGEST_LABEL + 1])
        if match and len(labels[name]) <= _LONGEST_LABEL and (text := text_of(_decoded(match[3], bool(match[2])))):
            return ImageReadme(text, label=name)
    return None


def _decoded(data: str, is_base64: bool) -> bytes:
    plain = unquote_to_bytes(data)
    try:
        return base64.b64decode(plain, validate=True) if is_base64 else plain
    except (binascii.Error, ValueError):
        return b""
