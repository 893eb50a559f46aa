"""The packages that an SBOM names, and what differs between two of them.

SPDX 2 in JSON (clause 7, "Package Information"), CycloneDX in JSON (components), and either one as the predicate of an
in-toto statement, as buildx attaches it. Nobody has checked these documents. What is not as it should be is left out.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..content import json_limits
from . import kinds
from .attached import Attached
from .comparison import ADDED, CHANGED, REMOVED, Difference
from .manifest_content import Layer, ManifestContent, items, mapping, text

# Bytes of a document, and packages that are read of it.
LONGEST, MOST_PACKAGES = 4 << 20, 20_000
# What is attached to one image and is looked into, until there is an SBOM; and differences that are shown.
MOST_LOOKED_INTO, MOST_SHOWN = 5, 500
# Versions of one package that are shown, and characters of one.
_MOST_VERSIONS, _LONGEST_VERSION = 10, 100
_DEEPEST = 5
# Of each object in a document these fields are kept.
_FIELDS = frozenset(
    (
        *("predicate", "spdxVersion", "packages", "name", "versionInfo", "SPDXID", "documentDescribes"),
        *("relationships", "spdxElementId", "relatedSpdxElement", "relationshipType"),
        *("bomFormat", "components", "group", "version", "type"),
    )
)
_DOCUMENT, _DESCRIBES = "SPDXRef-DOCUMENT", "DESCRIBES"

# Versions by the name of the package.
Packages = Mapping[str, tuple[str, ...]]


class PackageDifferences(NamedTuple):
    """before and after of a difference are versions. same: how many packages are equal. omitted: how many differences
    are left out because there are so many.
    """

    shown: list[Difference]
    same: int
    omitted: int


def candidates(found: list[Attached], image: str, whole: str) -> list[Attached]:
    """What may be the SBOM of an image: first what is attached to it, then to the index that it belongs to."""
    of_image = [each for each in found if each.to in (image, whole) and each.kind in (kinds.SBOM, kinds.ATTESTATION)]
    of_image.sort(key=lambda each: (each.to != image, each.kind != kinds.SBOM))
    return of_image[:MOST_LOOKED_INTO]


def file_of(content: ManifestContent) -> Layer | None:
    """The file of an artifact that is an SBOM."""
    told = (layer for layer in content.layers if kinds.SBOM in map(kinds.of_type, (layer.media_type, layer.predicate)))
    found = next(told, content.layers[0] if content.kind == kinds.SBOM and content.layers else None)
    return found if found and found.size <= LONGEST else None


def read(data: bytes) -> Packages | None:
    """None if the bytes are no SBOM in a form that is known here, or too many. Long ones are read with rests."""
    keep = json_limits.pace_for(data).before(lambda pairs: {name: value for name, value in pairs if name in _FIELDS})
    try:
        found = json.loads(data, object_pairs_hook=keep) if json_limits.is_readable(data, LONGEST) else None
    except (ValueError, RecursionError):
        return None
    document = mapping(found)
    document = mapping(document.get("predicate")) or document
    if text(document.get("spdxVersion")).startswith("SPDX-2"):
        return _collected(_of_spdx(document))
    return _collected(_of_cyclonedx(document, _DEEPEST)) if document.get("bomFormat") == "CycloneDX" else None


def compare(before: Packages, after: Packages) -> PackageDifferences:
    """By name. A package of several versions is one entry."""
    names = sorted(before.keys() | after.keys())
    differing = [name for name in names if before.get(name) != after.get(name)]
    shown = [_difference(name, before.get(name), after.get(name)) for name in differing[:MOST_SHOWN]]
    return PackageDifferences(shown, len(names) - len(differing), len(differing) - len(shown))


def _difference(name: str, before: tuple[str, ...] | None, after: tuple[str, ...] | None) -> Difference:
    change = ADDED if before is None else REMOVED if after is None else CHANGED
    return Difference(change, name, *(None if each is None else _shown(each) for each in (before, after)))


def _shown(versions: tuple[str, ...]) -> str:
    """Some of the versions: a document may give one package thousands of them."""
    shown = [each if len(each) <= _LONGEST_VERSION else f"{each[:_LONGEST_VERSION]}…" for each in versions]
    return ", ".join(shown[:_MOST_VERSIONS] + ["…"] * (len(shown) > _MOST_VERSIONS))


def _collected(packages: Iterator[tuple[str, str]]) -> Packages:
    found: dict[str, set[str]] = {}
    for _, (name, version) in zip(range(MOST_PACKAGES), packages):
        if name:
            found.setdefault(name, set()).add(version)
    return {name: tuple(sorted(filter(None, versions))) for name, versions in found.items()}


def _of_spdx(document: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """All packages but the one that the document is about: the image itself."""
    about = set(map(text, items(document.get("documentDescribes"))))
    for each in map(mapping, items(document.get("relationships"))):
        if each.get("spdxElementId") == _DOCUMENT and each.get("relationshipType") == _DESCRIBES:
            about.add(text(each.get("relatedSpdxElement")))
    for each in map(mapping, items(document.get("packages"))):
        if text(each.get("SPDXID")) not in about:
            yield text(each.get("name")), text(each.get("versionInfo"))


def _of_cyclonedx(fields: dict[str, Any], depth: int) -> Iterator[tuple[str, str]]:
    """Components may have components. Files are none of the packages."""
    for each in map(mapping, items(fields.get("components"))):
        if each.get("type") != "file":
            group, name = text(each.get("group")), text(each.get("name"))
            yield f"{group}/{name}" if group and name else name, text(each.get("version"))
        if depth:
            yield from _of_cyclonedx(each, depth - 1)
