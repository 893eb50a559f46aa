"""`audit`: who changed what."""

import argparse
import json
import time
from typing import Any

from ...domain.audit import NEWEST
from ...errors import FieldInvalid
from ...wording import quoted
from .common import CommandWord, as_json, duration, show

_PAGE = 1000


def audit(word: CommandWord) -> None:
    """What may follow `audit`."""
    shown = word.completes(_audit)
    shown.add_argument(
        "--actor",
        metavar="WHO",
        default="",
        help="only changes by this one: a user, ORG/NAME of a robot account, console, anonymous, mail or registry",
    )
    shown.add_argument("--action", metavar="WHAT", default="", help="only changes of this kind, such as grant.add")
    shown.add_argument(
        "--object",
        metavar="OBJECT",
        default="",
        help="only changes to this, such as 'user bob' or 'repository team/app'",
    )
    shown.add_argument("--since", metavar="TIME", help="only changes of so long ago or less, such as 12h or 30d")
    shown.add_argument("--limit", metavar="N", default="100", help="at most so many, or all (default: %(default)s)")
    shown.add_argument("--json", action="store_true", help="print one JSON object a line")


async def _audit(people: Any, parsed: argparse.Namespace) -> None:
    since = int((time.time() - duration(parsed.since)) * 1000) if parsed.since else 0
    left, before, events = _limit(parsed.limit), NEWEST, []
    while page := await people.audit.list(parsed.actor, parsed.action, parsed.object, since, before, min(left, _PAGE)):
        left, before = left - len(page), page[-1].id
        events += page
        if left <= 0:
            break
    if parsed.json:
        for event in events:
            print(json.dumps(as_json(event._fields, event)))
        return
    names = ("happened_at", "actor", "address", "action", "object", "detail")
    show(
        parsed,
        names,
        [
            [json.dumps(event.detail) if name == "detail" else getattr(event, name) for name in names]
            for event in events
        ],
    )


def _limit(text: str) -> int:
    """Raises FieldInvalid."""
    if text == "all":
        return NEWEST
    if not (text.isascii() and text.isdigit() and len(text) <= 18 and int(text)):
        raise FieldInvalid(f"--limit {quoted(text)} is not a number of 1 or more", "write a number, or `all`")
    return int(text)
