"""/repositories/NAME/comparison: what differs between two images."""

from typing import Any

from .....domain.inspection import comparison
from .....domain.inspection.comparison import Comparison
from .....domain.inspection.sboms import PackageDifferences
from .....errors import FieldInvalid
from ....auth.permissions import PULLS_CONTENT
from ....comparing import LONGEST, Side, common_platforms, compared, packages_compared, read_side
from ...kinds import Choice, ListOf, Record, Switch, Text, Whole
from ...operations import REPOSITORY, Answer, Call, Operation
from .facts import BYTES, DIGEST, FREE, PLATFORM, count

_SECTIONS = ("configuration", "environment", "labels")
_CHANGE = Choice("", False, tuple(each for each in comparison.CHANGES if each != comparison.SAME))
_SIDE = Record(
    "one of the two images; size: of config and layers",
    *(False, "ComparedImage"),
    {"repository": REPOSITORY, "digest": DIGEST, "image": DIGEST.said("of an index, the image"), "size": BYTES},
)
_DIFFERENCE = Record(
    "before, after: the values; null: there is none",
    *(False, "Difference"),
    {"change": _CHANGE, "name": FREE, "before": FREE.or_null(), "after": FREE.or_null()},
)
_LAYER = Record(
    "name: the command that made it, if it is known; before, after: bytes; null: it is not there",
    *(False, "LayerDifference"),
    {"change": _CHANGE, "name": FREE, "before": BYTES.or_null(), "after": BYTES.or_null()},
)
_PACKAGES = Record(
    "packages that attached SBOMs name, with their versions; null: the same image twice, or one has no SBOM that can be"
    " read; omitted: how many further differences there are",
    *(True, "PackageDifferences"),
    {"differences": ListOf("", False, _DIFFERENCE), "equal": Whole("how many are equal"), "omitted": Whole()},
)
_COMPARISON = Record(
    "what differs between two images",
    *(False, "Comparison"),
    {
        "from": _SIDE,
        "to": _SIDE,
        "same": Switch("both are the same manifest"),
        "to_pull": BYTES.said("bytes that whoever has the first image still has to pull"),
        "platforms": ListOf("that both indexes have", False, PLATFORM),
        "common_layers": ListOf("layers that both images have", False, DIGEST),
        **{section: ListOf("what differs", False, _DIFFERENCE) for section in _SECTIONS},
        "layers": ListOf("matched by digest, then by command", False, _LAYER),
        "packages": _PACKAGES,
        "equal": Record(
            "how many entries are equal", False, "EqualEntries", {name: Whole() for name in (*_SECTIONS, "layers")}
        ),
    },
)
_REFERENCE = Text(
    "a tag or a digest of this repository, or a whole reference such as acme/app:v1 or acme/app@sha256:...",
    *(False, LONGEST, 1),
)
_QUERY = {
    "from": _REFERENCE,
    "to": _REFERENCE,
    "platform": Text("of indexes, the images of this platform; usual ones, if there are none of this", False, 100),
}


async def _compare(call: Call) -> Answer:
    host, name, platform = call.services.gate.host(call.request), call.path["repository"], call.query.get("platform")
    sides = [await read_side(call.asker, host, name, call.query[each], platform or "") for each in ("from", "to")]
    found = compared(sides)
    if found is None:
        raise FieldInvalid(
            "only two images can be compared, and one of these is none or can't be read",
            "name tags or digests of images",
        )
    packages = await packages_compared(call.services.attached_packages, sides)
    return Answer(200, {**_shown(sides, found), "packages": packages and _shown_packages(packages)})


def _shown(sides: list[Side], found: Comparison) -> dict[str, Any]:
    before, after = sides
    layers = [each for each in found.layers if each.change != comparison.SAME]
    return {
        "from": _side(before, found.before_size),
        "to": _side(after, found.after_size),
        "same": before.found.digest == after.found.digest,
        "to_pull": count(found.to_pull),
        "platforms": common_platforms(sides),
        "common_layers": sorted(found.common),
        **{name: [each._asdict() for each in getattr(found, name)] for name in _SECTIONS},
        "layers": [each._asdict() | {"before": count(each.before), "after": count(each.after)} for each in layers],
        "equal": dict(found.same),
    }


def _shown_packages(found: PackageDifferences) -> dict[str, Any]:
    return {"differences": [each._asdict() for each in found.shown], "equal": found.same, "omitted": found.omitted}


def _side(side: Side, size: int) -> dict[str, Any]:
    image = side.found.image
    return {
        "repository": side.name,
        "digest": side.found.digest,
        "image": image.digest if image else side.found.digest,
        "size": count(size),
    }


OPERATIONS = (
    Operation(
        "GET",
        "/repositories/{repository}/comparison",
        "compareImages",
        "Compare two images, also with one of another repository",
        PULLS_CONTENT,
        _compare,
        answer=_COMPARISON,
        query=_QUERY,
        must=("from", "to"),
        refuses=True,
    ),
)
