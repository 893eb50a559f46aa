"""`invitation`: codes with which people make accounts themselves."""

import argparse
from typing import Any

from ...domain.accounts.organizations import ROLES
from .common import CommandWord, in_future, json_flag, operator, output_flag, secret_output, show


def invitation(group: CommandWord) -> None:
    """What may follow `invitation`."""
    added = group.command("add", _add, "make a code for one account and print it; it is not shown again")
    added.add_argument("--email", metavar="E", help="only for an account with this address")
    added.add_argument(
        "--expires", metavar="TIME", default="7d", help="how long the code is valid (default: %(default)s)"
    )
    added.add_argument("--organization", metavar="ORG", help="make the account a member of this organization")
    added.add_argument(
        "--role", choices=ROLES, default="member", help="role in the organization (default: %(default)s)"
    )
    output_flag(added)
    json_flag(group.command("list", _list, "list invitations and who used them"))
    revoked = group.command("revoke", _revoke, "make a code invalid")
    revoked.add_argument("id", metavar="ID", type=int, help="id of an invitation, as `invitation list` shows it")


async def _add(people: Any, parsed: argparse.Namespace) -> None:
    until = in_future(parsed.expires)
    with secret_output(parsed) as tell:
        tell((await people.invitations.add(operator(), parsed.email, until, parsed.organization, parsed.role)).code)


async def _list(people: Any, parsed: argparse.Namespace) -> None:
    names = (
        "id",
        "state",
        "email",
        "organization",
        "role",
        "made_by",
        "created_at",
        "expires_at",
        "used_at",
        "used_by",
    )
    found: list = []
    while page := await people.invitations.list(found[-1].id if found else 0):
        found += page
    show(parsed, names, [[getattr(item, name) for name in names] for item in found])


async def _revoke(people: Any, parsed: argparse.Namespace) -> None:
    await people.invitations.revoke(operator(), parsed.id)
