"""What is inside of an artifact that is no image: facts of a Helm chart, and files that are text.

Nobody has checked these blobs. What is not as it should be is left out.
"""

import json
from typing import NamedTuple

from . import kinds
from .manifest_content import Layer, ManifestContent, items, mapping, text

# Files that are looked into, and bytes of one of them. Blobs of this size lie in the database.
MOST_FILES, LONGEST = 5, 32 << 10
_MOST_ENTRIES = 50
# Fields of Chart.yaml (Helm 3, "The Chart.yaml File") that are single texts, in the order in which they are shown.
_FACTS = ("name", "version", "appVersion", "type", "description", "kubeVersion", "home", "deprecated")
_EMPTY = "application/vnd.oci.empty.v1+json"


class FileText(NamedTuple):
    """A file of an artifact, and what is in it."""

    file: Layer
    text: str


class Artifact(NamedTuple):
    """chart: names of fields of Chart.yaml and their values. texts: files that are text."""

    chart: tuple[tuple[str, tuple[str, ...]], ...] = ()
    texts: tuple[FileText, ...] = ()


def looked_into(content: ManifestContent) -> list[Layer]:
    """The blobs of an artifact that `read` reads."""
    found = [blob for blob in content.blobs() if blob.size <= LONGEST and blob.media_type != _EMPTY]
    return found[:MOST_FILES]


def read(content: ManifestContent, bytes_of: dict[str, bytes]) -> Artifact:
    """bytes_of: those of the blobs that could be read, by digest."""
    files = [blob for blob in looked_into(content) if blob.digest in bytes_of]
    chart = ()
    if content.kind == kinds.CHART and content.config:
        chart = _chart(bytes_of.get(content.config.digest, b""))
        files = [blob for blob in files if blob is not content.config]
    texts = [(blob, _plain(bytes_of[blob.digest])) for blob in files]
    return Artifact(chart, tuple(FileText(blob, found) for blob, found in texts if found))


def _chart(config: bytes) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Helm writes Chart.yaml as JSON into the config."""
    try:
        fields = mapping(json.loads(config))
    except (ValueError, RecursionError):
        return ()
    found = {name: (_word(fields.get(name)),) for name in _FACTS}
    found["keywords"] = tuple(map(text, items(fields.get("keywords"))))
    found["sources"] = tuple(map(text, items(fields.get("sources"))))
    found["maintainers"] = tuple(map(_maintainer, items(fields.get("maintainers"))))
    found["dependencies"] = tuple(map(_dependency, items(fields.get("dependencies"))))
    shown = {name: tuple(filter(None, values[:_MOST_ENTRIES])) for name, values in found.items()}
    return tuple((name, values) for name, values in shown.items() if values)


def _word(value: object) -> str:
    return "true" if value is True else text(value)


def _maintainer(value: object) -> str:
    fields = mapping(value)
    name, email = text(fields.get("name")), text(fields.get("email"))
    return f"{name} <{email}>" if name and email else name or email


def _dependency(value: object) -> str:
    fields = mapping(value)
    return " ".join(filter(None, (text(fields.get(name)) for name in ("name", "version", "repository"))))


def _plain(data: bytes) -> str:
    """The text that the bytes are; empty if they are none."""
    try:
        found = data.decode()
    except UnicodeDecodeError:
        return ""
    return found if not any(each < " " and each not in "\t\n\r" for each in found) else ""
