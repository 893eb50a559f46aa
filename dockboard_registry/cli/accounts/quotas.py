"""`user quota` and `org quota`: how much a namespace may hold, and what it holds."""

import argparse
from collections.abc import Callable
from typing import Any

from ...domain.quotas.quota_settings import MOST
from ...domain.quotas.quotas import UNLIMITED, in_words
from ...durations import SIZE_EXAMPLES, size
from ...errors import FieldInvalid
from .common import CommandWord, json_flag, operator, show

_WORDS = {"none": UNLIMITED, "default": None}


def quota(group: CommandWord, kind: str) -> None:
    """Declare `quota` for users or organizations."""

    async def work(people: Any, parsed: argparse.Namespace) -> None:
        await _quota(people, kind, parsed)

    made = group.command(
        "quota", work, "limit what the namespace holds, or without a flag show what it may hold and holds"
    )
    made.add_argument("name", metavar="NAME", help=f"name of the {kind}")
    made.add_argument(
        "--repositories",
        metavar="N",
        help="so many repositories at most; none = no limit, default = auth.quota_repositories",
    )
    made.add_argument(
        "--bytes",
        metavar="SIZE",
        help="so many bytes at most, such as 10GiB; none = no limit, default = auth.quota_bytes",
    )
    json_flag(made)


async def _quota(people: Any, kind: str, parsed: argparse.Namespace) -> None:
    most = {name: limit(text, *_READ[name]) for name in _READ if (text := getattr(parsed, name)) is not None}
    if most:
        await people.quotas.set(operator(), kind, parsed.name, **most)
        return
    use = await people.quotas.show(kind, parsed.name)
    if parsed.json:
        show(parsed, use._fields, [use])
        return
    rows = [
        ("repositories", _words(use.most_repositories, str), use.repositories),
        ("bytes", _words(use.most_bytes, in_words), in_words(use.bytes)),
    ]
    show(parsed, ("quota", "at most", "used"), rows)


def _words(limit: int | None, spelled: Any) -> str:
    return "none" if limit is None else spelled(limit)


def limit(text: str, read: Callable[[str], int], kind: str) -> int | None:
    """The text as `read` converts it, or none, or default. Raises FieldInvalid."""
    if text in _WORDS:
        return _WORDS[text]
    try:
        if (found := read(text)) <= MOST:
            return found
    except ValueError:
        pass
    raise FieldInvalid(f"{text[:60]!a} is not a quota", f"write {kind}, or none, or default")


def _whole(text: str) -> int:
    """Raises ValueError."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(text)
    return int(text[:20])


# Flag -> how its value is read, and what it is in words.
_READ = {"repositories": (_whole, "a number"), "bytes": (size, f"a number of bytes, or a size such as {SIZE_EXAMPLES}")}
