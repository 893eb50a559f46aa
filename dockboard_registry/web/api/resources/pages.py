"""Lists in pages, sorted by a key. The next page begins after the key of the last item."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from ....domain.sorted_list import Page
from ..operations import Answer, Call


def after(call: Call) -> str:
    return call.query.get("after", "")


def size(call: Call) -> int:
    return call.query["limit"]


def page(call: Call, found: list, shown: Callable[[Any], dict], key: Callable[[Any], str]) -> Answer:
    """One page of a list that begins after `after`. The domain was asked for one more item than the page has."""
    items = found[: size(call)]
    return part(call, items, shown, key(items[-1]) if len(found) > len(items) else None)


def part(call: Call, items: list, shown: Callable[[Any], dict], last: str | None) -> Answer:
    """The same for lists where the domain says how far it came: the next page begins after the key `last`, if there is
    one.
    """
    content: dict[str, Any] = {"items": [shown(item) for item in items]}
    if last is not None:
        content["next"] = following(call, last)
    return Answer(200, content)


def sorted_page(call: Call, found: Page, shown: Callable[[Any], dict]) -> Answer:
    """One page of a list that the domain sorts and cuts."""
    return part(call, found.items, shown, found.later)


def following(call: Call, last: str) -> str:
    """Path and query of the next page."""
    return f"{call.request.path}?{urlencode({**call.query, 'after': last})}"


def cut(call: Call, everything: Iterable, shown: Callable[[Any], dict], key: Callable[[Any], str]) -> Answer:
    """The same for a list that is read as a whole."""
    rest = sorted((item for item in everything if key(item) > after(call)), key=key)
    return page(call, rest, shown, key)
