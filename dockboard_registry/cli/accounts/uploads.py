"""`uploads`: uploads that are not finished."""

import argparse
from typing import Any

from ...domain.access.rule import ANONYMOUS
from ...errors import FieldInvalid
from ...wording import counted
from .common import REFUSED, CommandWord, json_flag, operator, show

_PAGE = 1000
_NAMES = ("id", "repository", "owner", "network", "size", "started_at", "updated_at", "ends_at")


def uploads(group: CommandWord) -> None:
    """What may follow `uploads`."""
    listed = group.command("list", _list, "list unfinished uploads")
    _filters(listed)
    json_flag(listed)
    dropped = group.command("drop", _drop, "end uploads and free their bytes")
    dropped.add_argument("ids", metavar="ID", nargs="*", help="id of an upload, as `uploads list` shows it")
    _filters(dropped)
    dropped.add_argument("--all", action="store_true", help="all uploads")


def _filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--owner",
        metavar="WHO",
        default="",
        help="only uploads of this owner: a user, ORG/NAME of a robot account, or anonymous",
    )
    parser.add_argument("--repository", metavar="NAME", default="", help="only uploads to this repository")


async def _list(people: Any, parsed: argparse.Namespace) -> None:
    show(parsed, _NAMES, await _found(people, parsed))


async def _drop(people: Any, parsed: argparse.Namespace) -> int:
    chosen = sum(map(bool, (parsed.ids, parsed.owner or parsed.repository, parsed.all)))
    if chosen != 1:
        raise FieldInvalid(
            "nothing says which uploads to drop, or more than one thing does",
            "give ids, or --owner and --repository, or --all",
        )
    ids = parsed.ids or [upload.id for upload in await _found(people, parsed)]
    dropped = await people.open_uploads.drop(operator(), ids)
    print(f"dropped {dropped:,} of {counted(len(ids), 'upload')}")
    return REFUSED if dropped < len(parsed.ids) else 0


async def _found(people: Any, parsed: argparse.Namespace) -> list:
    """Raises AccountUnknown."""
    owner, found = await _holder(people, parsed.owner), []
    while page := await people.open_uploads.list(found[-1].id if found else "", _PAGE, owner, parsed.repository):
        found += page
    return found


async def _holder(people: Any, who: str) -> str:
    """The owner as the list of uploads stores it. Raises AccountUnknown, FieldInvalid."""
    if who in ("", ANONYMOUS):
        return who
    return (await people.principals.named(f"robot:{who}" if "/" in who else f"user:{who}")).account_key
