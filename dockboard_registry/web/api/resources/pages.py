"""Lists by the page: sorted by a key, and continued behind the key of the last item."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from ..operations import Answer, Call


def after(call: Call) -> str:
    return call.query.get("after", "")


def size(call: Call) -> int:
    return call.query["limit"]


def page(call: Call, found: list, shown: Callable[[Any], dict], key: Callable[[Any], str]) -> Answer:
    """The answer for a list that goes on behind `after`, of which one more item than the page holds was asked for."""
    items = found[: size(call)]
    return part(call, items, shown, key(items[-1]) if len(found) > len(items) else None)


def part(call: Call, items: list, shown: Callable[[Any], dict], last: str | None) -> Answer:
    """The same for lists where the domain says how far it came: the list goes on after
    the key `last`, if there is one.
    """
    content: dict[str, Any] = {"items": [shown(item) for item in items]}
    if last is not None:
        content["next"] = following(call, last)
    return Answer(200, content)


def following(call: Call, last: str) -> str:
    """Path and query of the next page."""
    return f"{call.request.path}?{urlencode({**call.query, 'after': last})}"


def cut(call: Call, everything: Iterable, shown: Callable[[Any], dict], key: Callable[[Any], str]) -> Answer:
    """The same for a list that is read as a whole."""
    rest = sorted((item for item in everything if key(item) > after(call)), key=key)
    return page(call, rest, shown, key)
