"""/admin/changes: who changed what. /admin/changes/lines: the same as a file of JSON lines."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .....domain.audit import NEWEST, Event
from .....errors import BadRequest
from .....http.messages import Response
from .....numbers import whole
from ....auth.permissions import ADMINISTRATOR
from ...route import Page
from ...visit import Visit
from ..shared import listing
from .head import tabs

_ROWS, _MOST_LINES = 50, 10_000
_FILTERS = ("actor", "action", "object", "since")


async def show(visit: Visit) -> Response:
    asked = {name: visit.query(name) for name in _FILTERS}
    found = await _events(visit, asked, visit.query("after"), _ROWS + 1)
    events = found[:_ROWS]
    later = str(events[-1].id) if len(found) > _ROWS else None
    return visit.page(
        "admin/changes.html",
        title=visit.t("admin.changes"),
        tabs=tabs(visit),
        events=events,
        details=[_detail(event.detail) for event in events],
        asked=asked,
        pager=listing.following(visit, len(events), visit.query("after"), later, **asked),
        lines=visit.url("/admin/changes/lines", **asked),
        alternate="/api/v1/audit",
    )


async def lines(visit: Visit) -> Response:
    asked = {name: visit.query(name) for name in _FILTERS}
    events = await _events(visit, asked, "", _MOST_LINES)
    text = "".join(json.dumps(event._asdict() | {"id": str(event.id)}, ensure_ascii=False) + "\n" for event in events)
    return visit.download(text.encode("utf-8", "replace"), "changes.jsonl")


async def _events(visit: Visit, asked: Mapping[str, str], after: str, limit: int) -> list[Event]:
    before = whole(after) if after else NEWEST
    if before is None:
        raise BadRequest("the address has a field after that is no number", "take the address of a page from the list")
    return await visit.services.people.audit.list(
        asked["actor"],
        asked["action"],
        asked["object"],
        _since(asked["since"]),
        before,
        limit,
    )


def _since(text: str) -> int:
    """The beginning of a day, in milliseconds since 1970. Raises BadRequest."""
    if not text:
        return 0
    try:
        return max(int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000), 0)
    except ValueError:
        raise BadRequest("the field since is not a day", "write it as 2026-11-28") from None


def _detail(detail: Mapping[str, Any]) -> str:
    """What else is known of a change, in one line."""
    return ", ".join(f"{name}: {_short(value)}" for name, value in detail.items() if value not in (None, False, ""))


def _short(value: Any) -> str:
    """A value as people read it: lists with spaces, digests by their first characters."""
    if isinstance(value, list):
        return " ".join(map(_short, value))
    text = str(value)
    algorithm, colon, figures = text.partition(":")
    return f"{algorithm}:{figures[:12]}…" if colon and len(figures) >= 64 and figures.isalnum() else text


TABLE = (
    Page("/admin/changes", ADMINISTRATOR, show, private=True),
    Page("/admin/changes/lines", ADMINISTRATOR, lines, private=True),
)
