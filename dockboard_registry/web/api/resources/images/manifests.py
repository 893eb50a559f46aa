"""/repositories/NAME/tags/TAG and /manifests/DIGEST: one manifest in full."""

from typing import Any

from .....domain.inspection.attached import Attached
from .....domain.inspection.image_config import ImageConfig
from .....domain.inspection.inspector import BuildStep, Image, InspectedManifest, Platform, TagState
from .....domain.inspection.layer_uses import own_bytes
from .....names import Reference
from ....auth.permissions import PULLS_CONTENT
from ...kinds import Anything, ListOf, Record, Switch, Text, Whole
from ...operations import MOMENT, PATH, Answer, Call, Operation
from ..pages import following
from .facts import BYTES, DIGEST, FACTS, FREE, PLATFORM, PUSHED_BY, TAG, count, pushed_by, shown_facts

_KIND = Text("such as image, index, chart, signature, sbom", False, 16)
_STATE = Record(
    "the tag that was asked for; null: a digest was",
    *(True, "TagState"),
    {
        "name": TAG,
        "updated_at": MOMENT,
        "pushed_by": PUSHED_BY,
        "pulls": Whole(),
        "pulled_at": MOMENT.or_null(),
    },
)
_PLATFORM = Record(
    "an image of an index",
    *(False, "IndexPlatform"),
    {
        "platform": PLATFORM,
        "digest": DIGEST,
        "size": BYTES.or_null(),
        "own_size": BYTES.said("bytes of layers that no other manifest of the repository has").or_null(),
        "attached": ListOf("kinds of what is attached to it", False, _KIND),
    },
)
_LAYER = Record(
    "own: no other manifest of the repository has it; title: the name of a file",
    *(False, "LayerUse"),
    {"digest": DIGEST, "size": BYTES, "own": Switch(), "media_type": FREE, "title": FREE},
)
_STEP = Record(
    "layer: the number of the layer that the step made, from 1 on; null: it made none",
    *(False, "BuildStep"),
    {"command": FREE, "comment": FREE, "created_at": MOMENT.or_null(), "layer": Whole("", True, 1)},
)
_CONFIG = Record(
    "how the image is run; null: its config is not there, too long or no JSON",
    *(True, "ImageConfig"),
    {
        **dict.fromkeys(("platform", "author", "user", "working_dir", "stop_signal"), FREE),
        **dict.fromkeys(("entrypoint", "cmd", "ports", "volumes", "healthcheck"), ListOf("", False, FREE)),
        "built_at": MOMENT.or_null(),
        "env": ListOf("as NAME=VALUE", False, FREE),
        "labels": Anything("names and texts"),
    },
)
_IMAGE = Record(
    "the image itself, or the one of the index that `platform` chooses; null: there is none that can be read",
    *(True, "Image"),
    {
        "digest": DIGEST,
        "platform": PLATFORM,
        "layers": ListOf("in their order", False, _LAYER),
        "omitted": Whole("how many further layers there are"),
        "history": ListOf("empty if it does not fit the layers", False, _STEP),
        "config": _CONFIG,
    },
)
_ATTACHED = Record(
    "nothing is verified here; to: the digest of what it is attached to",
    *(False, "Attached"),
    {
        "kind": _KIND,
        "type": FREE,
        "to": DIGEST,
        "digest": DIGEST,
        "size": BYTES.said("of the manifest"),
        "pushed_at": MOMENT.or_null(),
        "tag": TAG.said("the tag by which a tool attached it").or_null(),
    },
)
_MANIFEST = Record(
    "a manifest in full",
    *(False, "Manifest"),
    {
        "digest": DIGEST,
        "kind": _KIND,
        "media_type": FREE,
        "artifact_type": FREE.or_null(),
        "size": BYTES.said("of the manifest"),
        "pushed_at": MOMENT,
        "warning": FREE.said("what the registry said about it when it was pushed").or_null(),
        "facts": FACTS,
        "tag": _STATE,
        "tags": ListOf("some of those that point to it", False, TAG),
        "indexes": ListOf("some that it belongs to", False, DIGEST),
        "annotations": Anything("names and texts"),
        "platforms": ListOf("at most 64", False, _PLATFORM),
        "image": _IMAGE,
        "attached": ListOf("at most 50 to each platform and to itself", False, _ATTACHED),
        "next": Text("path and query with what else is attached to it, where there is more", False, 8000),
    },
    ("next",),
)
_QUERY = {
    "platform": Text("which image of an index is shown; a usual one, if there is none of this", False, 100),
    "after": PATH["digest"].said("what is attached to it after this digest, and not what is attached to platforms"),
}


async def _by_tag(call: Call) -> Answer:
    return await _inspected(call, Reference(call.path["tag"], None))


async def _by_digest(call: Call) -> Answer:
    return await _inspected(call, Reference(None, call.path["digest"]))


async def _inspected(call: Call, reference: Reference) -> Answer:
    found = await call.services.inspector.inspect(
        call.path["repository"], reference, call.query.get("platform", ""), call.query.get("after", "")
    )
    content = {
        **{name: getattr(found, name) for name in ("digest", "kind", "media_type", "artifact_type", "warning")},
        "size": found.size,
        "pushed_at": found.pushed_at,
        "facts": shown_facts(found.facts),
        "tag": _state(call, found.tag),
        "tags": found.names,
        "indexes": found.parents,
        "annotations": dict(found.content.annotations) if found.content else {},
        "platforms": [_platform(each) for each in found.platforms],
        "image": _image(found, found.image) if found.image else None,
        "attached": [_attached(each) for each in found.attached],
    }
    return Answer(200, content | _next(call, found))


def _next(call: Call, found: InspectedManifest) -> dict[str, str]:
    own = [each.digest for each in found.attached if each.to == found.digest and not each.tag]
    return {"next": following(call, own[-1])} if found.more_attached and own else {}


def _state(call: Call, tag: TagState | None) -> dict[str, Any] | None:
    if tag is None:
        return None
    shown = {name: getattr(tag, name) for name in ("name", "updated_at", "pulls", "pulled_at")}
    return {**shown, "pushed_by": pushed_by(call.asker, call.path["repository"], tag.pushed_by)}


def _platform(platform: Platform) -> dict[str, Any]:
    return {
        "platform": platform.child.platform,
        "digest": platform.child.digest,
        "size": count(platform.size),
        "own_size": None if platform.layers is None else count(own_bytes(platform.layers)),
        "attached": platform.attached,
    }


def _image(found: InspectedManifest, image: Image) -> dict[str, Any]:
    of_index = next((each.child.platform for each in found.platforms if each.child.digest == image.digest), "")
    return {
        "digest": image.digest,
        "platform": of_index or (image.config.platform if image.config else ""),
        "layers": [
            {**use._asdict(), "size": count(use.size), "media_type": layer.media_type, "title": layer.title}
            for use, layer in zip(image.layers, image.content.layers)
        ],
        "omitted": image.content.omitted,
        "history": [_step(each) for each in image.steps] if image.matched else [],
        "config": _config(image.config),
    }


def _step(made: BuildStep) -> dict[str, Any]:
    step = made.step
    return {
        "command": step.command if step else "",
        "comment": step.comment if step else "",
        "created_at": step.created_at if step else None,
        "layer": made.layer_number or None,
    }


def _config(config: ImageConfig | None) -> dict[str, Any] | None:
    if config is None:
        return None
    texts = ("platform", "author", "user", "working_dir", "stop_signal")
    lists = ("entrypoint", "cmd", "ports", "volumes", "healthcheck")
    return {
        **{name: getattr(config, name) for name in texts},
        **{name: list(getattr(config, name)) for name in lists},
        "built_at": config.created_at,
        "env": [f"{name}={value}" for name, value in config.env],
        "labels": dict(config.labels),
    }


def _attached(each: Attached) -> dict[str, Any]:
    return {
        **each._asdict(),
        "size": count(each.size),
        "pushed_at": each.pushed_at or None,
        "tag": each.tag or None,
    }


_TAG, _ONE = "/repositories/{repository}/tags/{tag}", "/repositories/{repository}/manifests/{digest}"
OPERATIONS = (
    Operation(
        "GET",
        _TAG,
        "getTag",
        "Show the manifest of a tag in full",
        PULLS_CONTENT,
        _by_tag,
        answer=_MANIFEST,
        query=_QUERY,
    ),
    Operation(
        "GET",
        _ONE,
        "getManifest",
        "Show a manifest in full",
        PULLS_CONTENT,
        _by_digest,
        answer=_MANIFEST,
        query=_QUERY,
    ),
)
