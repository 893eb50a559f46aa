"""What is told about a manifest wherever it is shown, and the kinds of values that come from its author."""

from typing import Any

from .....domain.inspection.manifest_facts import ManifestFacts
from ....auth.asker import Asker
from ....auth.permissions import sees_people
from ...kinds import ListOf, Record, Text, Whole
from ...operations import MOMENT

# The largest whole number that readers of JSON keep exactly.
_MOST = 2**53 - 1
BYTES = Whole("bytes; of more than 2^53 - 1 this number", False, 0, _MOST)
DIGEST = Text("a digest", False, 135)
TAG = Text("a tag", False, 128)
# A text of whoever made the image. It may have any character.
FREE = Text("", False, 64 << 10, 0, r"[\s\S]*")
PLATFORM = FREE.said("os/architecture or os/architecture/variant; empty if not known")
FACTS = Record(
    "null: not known yet",
    *(True, "ManifestFacts"),
    {
        "kind": Text("such as image, index or chart", False, 16),
        "platforms": ListOf("", False, PLATFORM),
        "size": BYTES.said("bytes that a client pulls: of an index, for linux/amd64 or else its first image").or_null(),
        "total_size": BYTES.said("bytes of all platforms, each blob once").or_null(),
        "layers": Whole("of the same image as size").or_null(),
        "built_at": MOMENT.said("as the image says").or_null(),
    },
)
PUSHED_BY = Text(
    "an actor of the list of changes, such as `user bob`, for members of the namespace and administrators; null: not"
    " known, or for others to know",
    *(True, 160),
)


def count(number: int | None) -> int | None:
    """A number of bytes as JSON has it."""
    return None if number is None else min(number, _MOST)


def shown_facts(facts: ManifestFacts | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    return {
        "kind": facts.kind,
        "platforms": list(facts.platforms),
        "size": count(facts.size),
        "total_size": count(facts.total_size),
        "layers": facts.layers,
        "built_at": facts.created_at,
    }


def pushed_by(asker: Asker, repository: str, who: str | None) -> str | None:
    return who if sees_people(asker, repository) else None
