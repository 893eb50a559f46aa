"""`org` and `team`: who works together."""

import argparse
from typing import Any

from ...domain.access.rule import MEMBER
from ...domain.accounts.organizations import ROLES
from ...wording import counted
from .common import CommandWord, confirm, json_flag, operator, pages, show, yes_flag
from .quotas import quota


def org(group: CommandWord) -> None:
    """What may follow `org`."""
    added = group.command("add", _add_org, "make an organization")
    added.add_argument("name", metavar="NAME", help="name of the organization, which is also its namespace")
    added.add_argument(
        "--owner", metavar="USER", required=True, help="user who owns it; more owners are added as members"
    )
    json_flag(group.command("list", _list_orgs, "list all organizations"))
    deleted = group.command(
        "delete", _delete_org, "delete the organization with its teams, robot accounts and grants; repositories stay"
    )
    _org(deleted)
    yes_flag(deleted)
    restored = group.command(
        "restore",
        _restore_org,
        "undo the deletion of an organization; auth.quarantine says for how long this is possible",
    )
    _org(restored)
    restored.add_argument(
        "--owner", metavar="USER", help="user who becomes its owner, where those that it had have no account any more"
    )
    quota(group, "organization")
    _members(group.group("member", "members of an organization: add, remove, list"))


def _members(members: CommandWord) -> None:
    joined = members.command("add", _add_member, "add a member, or give a member another role")
    _org(joined)
    _user(joined)
    joined.add_argument(
        "--role",
        choices=ROLES,
        default=MEMBER,
        help="owners may do everything in the namespace, members pull from it (default: %(default)s)",
    )
    removed = members.command(
        "remove", _remove_member, "remove a member, also from the teams, with the user's grants in the namespace"
    )
    _org(removed)
    _user(removed)
    listed = members.command("list", _list_members, "list the members with their roles")
    _org(listed)
    json_flag(listed)


def team(group: CommandWord) -> None:
    """What may follow `team`."""
    _team(group.command("add", _add_team, "make a team"))
    listed = group.command("list", _list_teams, "list the teams of an organization")
    _org(listed)
    json_flag(listed)
    _team(group.command("delete", _delete_team, "delete the team with its grants"))
    members = group.group("member", "members of a team: add, remove, list")
    for name, work, help in (
        ("add", _join_team, "add a member of the organization to the team"),
        ("remove", _leave_team, "take a user out of the team"),
    ):
        made = members.command(name, work, help)
        _team(made)
        _user(made)
    shown = members.command("list", _list_team, "list the members of a team")
    _team(shown)
    json_flag(shown)


def _org(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("org", metavar="ORG", help="name of the organization")


def _team(parser: argparse.ArgumentParser) -> None:
    _org(parser)
    parser.add_argument("team", metavar="TEAM", help="name of the team in it")


def _user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("user", metavar="USER", help="name of the user")


async def _add_org(people: Any, parsed: argparse.Namespace) -> None:
    await people.organizations.add(operator(), parsed.name, parsed.owner, adopt=True)


async def _list_orgs(people: Any, parsed: argparse.Namespace) -> None:
    found = await pages(people.organizations.list)
    show(parsed, ("name", "created_at"), [(item.name, item.created_at) for item in found])


async def _delete_org(people: Any, parsed: argparse.Namespace) -> None:
    members = await people.organizations.members(parsed.org)
    teams, robots = await people.teams.list(parsed.org), await people.robots.list(parsed.org)
    goes = ", ".join(
        counted(len(each), noun) for each, noun in ((members, "member"), (teams, "team"), (robots, "robot account"))
    )
    confirm(
        parsed,
        f"This deletes the organization {parsed.org} with {goes}, and all grants in its namespace. Its repositories"
        " stay, for administrators. `org restore` undoes it.",
    )
    await people.organizations.delete(operator(), parsed.org)


async def _restore_org(people: Any, parsed: argparse.Namespace) -> None:
    await people.organizations.restore(operator(), parsed.org, parsed.owner)


async def _add_member(people: Any, parsed: argparse.Namespace) -> None:
    await people.organizations.set_member(operator(), parsed.org, parsed.user, parsed.role)


async def _remove_member(people: Any, parsed: argparse.Namespace) -> None:
    await people.organizations.remove_member(operator(), parsed.org, parsed.user)


async def _list_members(people: Any, parsed: argparse.Namespace) -> None:
    show(parsed, ("user", "role", "since_at"), await people.organizations.members(parsed.org))


async def _add_team(people: Any, parsed: argparse.Namespace) -> None:
    await people.teams.add(operator(), parsed.org, parsed.team)


async def _list_teams(people: Any, parsed: argparse.Namespace) -> None:
    show(parsed, ("name", "members"), [(str(team), team.members) for team in await people.teams.list(parsed.org)])


async def _delete_team(people: Any, parsed: argparse.Namespace) -> None:
    await people.teams.delete(operator(), parsed.org, parsed.team)


async def _join_team(people: Any, parsed: argparse.Namespace) -> None:
    await people.teams.add_member(operator(), parsed.org, parsed.team, parsed.user)


async def _leave_team(people: Any, parsed: argparse.Namespace) -> None:
    await people.teams.remove_member(operator(), parsed.org, parsed.team, parsed.user)


async def _list_team(people: Any, parsed: argparse.Namespace) -> None:
    show(parsed, ("user",), [(user,) for user in await people.teams.members(parsed.org, parsed.team)])
