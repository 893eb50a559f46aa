"""/admin/changes: who changed what. /admin/changes/lines: the same as a file of JSON lines."""

from collections.abc import Mapping

from .....domain.audit import NEWEST, Event
from .....http.messages import Response
from ....auth.permissions import ADMINISTRATOR
from ...route import Page
from ...visit import Visit
from ..shared import changes, listing
from .head import tabs

_FILTERS = ("actor", "action", "object", "since")


async def show(visit: Visit) -> Response:
    asked = {name: visit.query(name) for name in _FILTERS}
    found = await _events(visit, asked, changes.before(visit), changes.ROWS + 1)
    events = found[: changes.ROWS]
    later = str(events[-1].id) if len(found) > changes.ROWS else None
    return visit.page(
        "admin/changes.html",
        title=visit.t("admin.changes"),
        tabs=tabs(visit),
        events=events,
        details=[changes.detail(event.detail) for event in events],
        asked=asked,
        pager=listing.following(visit, len(events), visit.query("after"), later, **asked),
        lines=visit.url("/admin/changes/lines", **asked),
        alternate="/api/v1/audit",
    )


async def lines(visit: Visit) -> Response:
    asked = {name: visit.query(name) for name in _FILTERS}
    return changes.lines(visit, await _events(visit, asked, NEWEST, changes.MOST_LINES), "changes.jsonl")


async def _events(visit: Visit, asked: Mapping[str, str], before: int, limit: int) -> list[Event]:
    actor, action, object, day = (asked[name] for name in _FILTERS)
    return await visit.services.people.audit.list(actor, action, object, changes.since(day), before, limit)


TABLE = (
    Page("/admin/changes", ADMINISTRATOR, show, private=True),
    Page("/admin/changes/lines", ADMINISTRATOR, lines, private=True),
)
