"""`user quota` and `org quota`: how much a namespace may hold, and what it holds."""

import argparse
import re
from typing import Any

from ..domain.quota_settings import MOST
from ..domain.quotas import UNLIMITED, in_words
from ..errors import FieldInvalid
from .words import Word, json_flag, operator, show

_SIZE = re.compile(r"([0-9]{1,16})(?:(B|KiB|MiB|GiB|TiB))?", re.A)
_UNITS = {None: 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}
_WORDS = {"none": UNLIMITED, "default": None}


def quota(group: Word, kind: str) -> None:
    """Declare `quota` for users or organizations."""

    async def work(people: Any, parsed: argparse.Namespace) -> None:
        await _quota(people, kind, parsed)

    made = group.command("quota", work, "limit what the namespace holds, or without a flag show what it may hold and holds")
    made.add_argument("name", metavar="NAME", help=f"name of the {kind}")
    made.add_argument("--repositories", metavar="N", help="so many repositories at most; none = no limit, default = auth.quota_repositories")
    made.add_argument("--bytes", metavar="SIZE", help="so many bytes at most, such as 10GiB; none = no limit, default = auth.quota_bytes")
    json_flag(made)


async def _quota(people: Any, kind: str, parsed: argparse.Namespace) -> None:
    most = {name: limit(text) for name in ("repositories", "bytes") if (text := getattr(parsed, name)) is not None}
    if most:
        await people.quotas.set(operator(), kind, parsed.name, **most)
        return
    use = await people.quotas.show(kind, parsed.name)
    if parsed.json:
        show(parsed, use._fields, [use])
        return
    rows = [("repositories", _words(use.most_repositories, str), use.repositories), ("bytes", _words(use.most_bytes, in_words), in_words(use.bytes))]
    show(parsed, ("quota", "at most", "used"), rows)


def _words(limit: int | None, spelled: Any) -> str:
    return "none" if limit is None else spelled(limit)


def limit(text: str) -> int | None:
    """10GiB, 500, none or default. Raises FieldInvalid."""
    if text in _WORDS:
        return _WORDS[text]
    found = _SIZE.fullmatch(text)
    if not found or (size := int(found[1]) << _UNITS[found[2]]) > MOST:
        raise FieldInvalid("this is not a quota", "write a number, for bytes with B, KiB, MiB, GiB or TiB; or none, or default")
    return size
