"""/repositories/NAME/tags: tags with what is known of their manifests."""

from typing import Any

from .....domain.inspection import tag_list
from .....domain.inspection.layer_uses import own_bytes
from .....domain.inspection.tag_details import TagDetails
from .....domain.inspection.tag_list import FILTERED_KINDS, PUSHED, SORTS, ListedTag, TagQuery
from ....auth.permissions import PULLS_CONTENT
from ...kinds import Choice, Kind, ListOf, Record, Switch, Text, Whole
from ...operations import MOMENT, PAGE, Answer, Call, Operation
from ..pages import after, following, size
from .facts import BYTES, DIGEST, FACTS, PUSHED_BY, TAG, count, pushed_by, shown_facts

_UP, _DOWN = "up", "down"
_TAG = Record(
    "a tag with what is known of its manifest",
    *(False, "ListedTag"),
    {
        "name": TAG,
        "digest": DIGEST,
        "updated_at": MOMENT.said("when it was pushed last, in milliseconds since 1970"),
        "pushed_by": PUSHED_BY,
        "pulls": Whole("how many manifests were pulled by this tag"),
        "pulled_at": MOMENT.said("of the last pull, to the minute").or_null(),
        "facts": FACTS,
        "own_size": BYTES.said("of the size, bytes that no other manifest of the repository has").or_null(),
        "same_tags": ListOf("some other tags of the same manifest", False, TAG),
        "attached": ListOf("kinds of what is attached, such as signature or sbom", False, Text("", False, 16)),
    },
)
_PAGE = Record(
    "a page of a list; total: without the filter",
    *(False, "ListedTagPage"),
    {
        "items": ListOf("", False, _TAG),
        "count": Whole("how many tags the filter finds; null: more than 100,000").or_null(),
        "total": Whole("the same without the filter").or_null(),
        "tools": Whole("tags that tools such as cosign made, which only kind=tools lists"),
        "complete": Switch("false: the server looked at as many tags as it does for one page; go on with `next`"),
        "next": Text("path and query of the next page, where there is one", False, 8000),
    },
    ("next",),
)
_FILTER: dict[str, Kind] = {
    "q": Text("part of a name; with * a pattern of the whole name", False, 128),
    "kind": Choice("tools: tags that tools such as cosign made", False, FILTERED_KINDS, tag_list.ALL),
    "platform": Text("only tags whose image has this platform", False, 100),
    "sort": Choice(
        "by the last push, by name (1.9 before 1.10), by size, by the last pull, or by own bytes", False, SORTS, PUSHED
    ),
    "direction": Choice("names go up where it is not given, everything else goes down", False, (_UP, _DOWN)),
    "at": Text("begin at this time in milliseconds since 1970, name, or size in bytes", False, 128),
}


async def _list(call: Call) -> Answer:
    asked, name = call.query, call.path["repository"]
    query = TagQuery(
        *(asked.get("q", ""), asked["kind"], asked.get("platform", ""), asked["sort"]),
        asked["direction"] == _DOWN if "direction" in asked else None,
        *(after(call), "", asked.get("at", ""), size(call)),
    )
    page, details = await call.services.tag_lists.page_with_details(name, query)
    content = {
        "items": [_shown(call, tag, details) for tag in page.tags],
        **{field: getattr(page, field) for field in ("count", "total", "tools", "complete")},
    }
    return Answer(200, content | ({"next": following(call, page.after)} if page.after is not None else {}))


def _shown(call: Call, tag: ListedTag, details: TagDetails) -> dict[str, Any]:
    layers = details.layers.get(tag.facts.image_digest) if tag.facts and tag.facts.image_digest else None
    return {
        **{field: getattr(tag, field) for field in ("name", "digest", "updated_at", "pulls", "pulled_at")},
        "pushed_by": pushed_by(call.asker, call.path["repository"], tag.pushed_by),
        "facts": shown_facts(tag.facts),
        "own_size": None if layers is None else count(own_bytes(layers)),
        "same_tags": [name for name in details.names.get(tag.digest, ()) if name != tag.name],
        "attached": details.attached.get(tag.digest, []),
    }


OPERATIONS = (
    Operation(
        "GET",
        "/repositories/{repository}/tags",
        "listTags",
        "List tags with what is known of them, the newest first; keys come from `next`",
        PULLS_CONTENT,
        _list,
        answer=_PAGE,
        query=PAGE | _FILTER,
        refuses=True,
    ),
)
