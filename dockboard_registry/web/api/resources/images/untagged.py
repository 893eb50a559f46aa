"""/repositories/NAME/untagged: manifests that no tag points to and no index holds."""

from typing import Any

from .....domain.content.untagged import UntaggedManifest
from .....domain.inspection.manifest_facts import ManifestFacts
from ....auth.permissions import SEES_UNTAGGED
from ...kinds import Record
from ...operations import MOMENT, PAGE, PATH, Answer, Call, Operation, paged
from ..pages import after, part, size
from .facts import DIGEST, FACTS, FREE, shown_facts

_MANIFEST = Record(
    "a manifest without a tag",
    *(False, "UntaggedManifest"),
    {"digest": DIGEST, "media_type": FREE, "artifact_type": FREE.or_null(), "pushed_at": MOMENT, "facts": FACTS},
)
_QUERY = {**PAGE, "after": PATH["digest"].said("only manifests with digests greater than this one")}


async def _list(call: Call) -> Answer:
    _, page, facts = await call.services.repository_pages.untagged(
        call.path["repository"], call.principal, after(call), size(call)
    )
    return part(call, page.manifests, lambda each: _shown(each, facts.get(each.digest)), page.after)


def _shown(found: UntaggedManifest, facts: ManifestFacts | None) -> dict[str, Any]:
    return {**found._asdict(), "facts": shown_facts(facts)}


OPERATIONS = (
    Operation(
        "GET",
        "/repositories/{repository}/untagged",
        "listUntagged",
        "List manifests that no tag points to and no index holds; what refers to another manifest is left out",
        SEES_UNTAGGED,
        _list,
        answer=paged(_MANIFEST),
        query=_QUERY,
    ),
)
