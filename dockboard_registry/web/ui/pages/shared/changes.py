"""The list of changes on pages: what the address asks for, and entries as people and programs read them."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from .....domain.audit import NEWEST, Event
from .....errors import BadRequest
from .....http.messages import Response
from .....numbers import whole
from ...visit import Visit

ROWS, MOST_LINES = 50, 10_000


def before(visit: Visit) -> int:
    """The id before which the page begins. Raises BadRequest."""
    text = visit.query("after")
    found = whole(text) if text else NEWEST
    if found is None:
        raise BadRequest("the address has a field after that is no number", "take the address of a page from the list")
    return found


def since(text: str) -> int:
    """The beginning of a day, in milliseconds since 1970. Raises BadRequest."""
    if not text:
        return 0
    try:
        return max(int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000), 0)
    except ValueError:
        raise BadRequest("the field since is not a day", "write it as 2026-11-28") from None


def detail(found: Mapping[str, Any]) -> str:
    """What else is known of a change, in one line."""
    return ", ".join(f"{name}: {_short(value)}" for name, value in found.items() if value not in (None, False, ""))


def _short(value: Any) -> str:
    """A value as people read it: lists with spaces, digests by their first characters."""
    if isinstance(value, dict):
        return " ".join(f"{name} {_short(each)}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(map(_short, value))
    text = str(value)
    algorithm, colon, figures = text.partition(":")
    return f"{algorithm}:{figures[:12]}…" if colon and len(figures) >= 64 and figures.isalnum() else text


def lines(visit: Visit, events: Iterable[Event], name: str) -> Response:
    """The entries as a file of JSON lines."""
    text = "".join(json.dumps(event._asdict() | {"id": str(event.id)}, ensure_ascii=False) + "\n" for event in events)
    return visit.download(text.encode("utf-8", "replace"), name)
