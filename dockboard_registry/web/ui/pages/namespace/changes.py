"""/@NAME/changes: who changed what in a namespace. /@NAME/changes/lines: the same as a file of JSON lines."""

from .....domain.audit import NEWEST
from .....domain.namespace_audit import Part, Wanted
from .....http.messages import Response
from ....auth.permissions import NAMESPACE_OWNER
from ...route import Page
from ...visit import Visit
from ..shared import changes, listing
from . import head

# Every user has a namespace, so a file of it is short.
MOST_LINES = 1000
_FILTERS = ("actor", "action", "since")


async def show(visit: Visit) -> Response:
    name, asked = visit.names["namespace"], {name: visit.query(name) for name in _FILTERS}
    held = await visit.services.people.repository_settings.namespace(name)
    found = await _part(visit, asked, changes.before(visit), changes.ROWS)
    later = None if found.later is None else str(found.later)
    return visit.page(
        "namespace/changes.html",
        title=visit.t("changes.title", name=name),
        head=head.head(visit, name, held.kind),
        events=found.events,
        details=[changes.detail(event.detail) for event in found.events],
        asked=asked,
        pager=listing.following(visit, len(found.events), visit.query("after"), later, **asked),
        short=later is not None and len(found.events) < changes.ROWS,
        lines=visit.url(f"/@{name}/changes/lines", **asked),
        alternate=f"/api/v1/namespaces/{name}/audit",
    )


async def lines(visit: Visit) -> Response:
    asked = {name: visit.query(name) for name in _FILTERS}
    visit.asker.count_search()
    found = await _part(visit, asked, NEWEST, MOST_LINES)
    return changes.lines(visit, found.events, f"{visit.names['namespace']}-changes.jsonl")


async def _part(visit: Visit, asked: dict[str, str], before: int, limit: int) -> Part:
    wanted = Wanted(asked["actor"], asked["action"], changes.since(asked["since"]), before, limit)
    return await visit.services.people.namespace_audit.page(visit.names["namespace"], wanted)


TABLE = (
    Page("/@{namespace}/changes", NAMESPACE_OWNER, show, private=True),
    Page("/@{namespace}/changes/lines", NAMESPACE_OWNER, lines, private=True),
)
