"""`repository`, `grant` and `explain`: who may do what."""

import argparse
import json
from typing import Any

from ...domain.access import rule
from ...domain.access.rule import PRIVATE, PUBLIC
from ...errors import AccountUnknown, FieldInvalid
from ...names import repository_name
from .common import REFUSED, CommandWord, json_flag, operator, pages, show
from .content import delete_repository


def explain(word: CommandWord) -> None:
    """What may follow `explain`."""
    explained = word.completes(_explain)
    explained.add_argument(
        "who",
        metavar="WHO",
        help=(
            "name of a user, ORG/NAME of a robot account, token:USER/NAME or token:ID of an access token, or anonymous"
        ),
    )
    explained.add_argument("action", metavar="ACTION", help=", ".join(rule.ACTIONS))
    explained.add_argument(
        "repository", metavar="REPOSITORY", help="name of a repository, which need not exist yet; * for the registry"
    )
    explained.add_argument("--token", metavar="NAME", help="ask about this access token of the user, by its name or id")
    json_flag(explained)


def repository(group: CommandWord) -> None:
    """What may follow `repository`."""
    changed = group.command("set", _set, "say who may see a repository, and what it is")
    changed.add_argument("name", metavar="NAME", help="name of the repository")
    _visibility_flags(changed, required=False)
    changed.add_argument("--description", metavar="TEXT", help="a few words; an empty text removes them")
    default = group.command("default", _default, "say who may see repositories that are new in a namespace from now on")
    default.add_argument("namespace", metavar="NAMESPACE", help="name of a user or an organization, or library")
    _visibility_flags(default, required=True)
    json_flag(group.command("list", _list, "list all repositories"))
    delete_repository(group)
    told = group.command("rights", _rights, "list who can do what with a repository, and which rule allows it")
    told.add_argument("name", metavar="NAME", help="name of the repository")
    json_flag(told)


def _visibility_flags(parser: argparse.ArgumentParser, required: bool) -> None:
    flags = parser.add_mutually_exclusive_group(required=required)
    flags.add_argument(
        "--public",
        dest="visibility",
        action="store_const",
        const=PUBLIC,
        help="all users may pull, and whomever auth.anonymous lets in",
    )
    flags.add_argument(
        "--private",
        dest="visibility",
        action="store_const",
        const=PRIVATE,
        help="only who has a right to the repository may pull, or see that it exists",
    )


def grant(group: CommandWord) -> None:
    """What may follow `grant`."""
    added = group.command(
        "add", _add_grant, "give a right; it replaces the one that the holder has on the same pattern"
    )
    _pattern(added)
    added.add_argument(
        "--to", dest="holder", metavar="HOLDER", required=True, help="user:NAME, team:ORG/TEAM or robot:ORG/NAME"
    )
    added.add_argument(
        "--right", metavar="RIGHT", required=True, help="read (pull), write (push too), or admin (delete and grant too)"
    )
    removed = group.command("remove", _remove_grant, "take a right back")
    _pattern(removed)
    removed.add_argument(
        "--from", dest="holder", metavar="HOLDER", required=True, help="user:NAME, team:ORG/TEAM or robot:ORG/NAME"
    )
    listed = group.command("list", _list_grants, "list grants, all or those in one namespace")
    listed.add_argument(
        "namespace", metavar="NAMESPACE", nargs="?", default="", help="name of a user or an organization, or library"
    )
    json_flag(listed)


def _pattern(parser: argparse.ArgumentParser) -> None:
    help = "name of a repository, or a pattern such as team/app-* (* stays in its segment) or team/** (any depth)"
    parser.add_argument("pattern", metavar="PATTERN", help=help)


async def _set(people: Any, parsed: argparse.Namespace) -> None:
    if parsed.visibility is None and parsed.description is None:
        raise FieldInvalid("there is nothing to change", "say --public, --private or --description TEXT")
    if parsed.visibility is not None:
        await people.repository_settings.set_visibility(operator(), parsed.name, parsed.visibility)
    if parsed.description is not None:
        await people.repository_settings.set_description(operator(), parsed.name, parsed.description)


async def _default(people: Any, parsed: argparse.Namespace) -> None:
    await people.repository_settings.set_default(operator(), parsed.namespace, parsed.visibility)


async def _list(people: Any, parsed: argparse.Namespace) -> None:
    show(parsed, ("name", "visibility", "description", "created_at"), await pages(people.repository_settings.list))


async def _rights(people: Any, parsed: argparse.Namespace) -> None:
    show(parsed, ("holder", "right", "via"), await people.repository_settings.rights(parsed.name))


async def _add_grant(people: Any, parsed: argparse.Namespace) -> None:
    await people.grants.add(operator(), parsed.pattern, parsed.holder, parsed.right)


async def _remove_grant(people: Any, parsed: argparse.Namespace) -> None:
    await people.grants.remove(operator(), parsed.pattern, parsed.holder)


async def _list_grants(people: Any, parsed: argparse.Namespace) -> None:
    show(parsed, ("pattern", "right", "holder", "created_at"), await people.grants.list(parsed.namespace))


async def _asked_about(people: Any, parsed: argparse.Namespace) -> str:
    """Whose rights to explain, as Principals.named takes it. --token is the name or id of a token of the user.

    Raises AccountUnknown.
    """
    if parsed.token is None:
        return parsed.who
    tokens = await people.tokens.list(parsed.who)
    found = [
        token
        for text in (lambda token: token.name, lambda token: str(token.id))
        for token in tokens
        if text(token) == parsed.token
    ]
    if not found:
        raise AccountUnknown(f"{parsed.who} has no token {parsed.token}", f"see `token list {parsed.who}`")
    return f"token:{found[0].id}"


async def _explain(people: Any, parsed: argparse.Namespace) -> int:
    action = rule.action(parsed.action)
    asked_about = await people.principals.named(await _asked_about(people, parsed))
    if parsed.repository == rule.REGISTRY.name:
        object = rule.REGISTRY
    else:
        object = (await people.principals.facts(repository_name(parsed.repository))).object
    decision, steps = rule.explain(asked_about, action, object)
    if parsed.json:
        print(json.dumps({"allowed": decision.allowed, "reason": decision.reason, "steps": steps}, indent=2))
    else:
        print("\n".join([*steps, "allowed" if decision.allowed else "refused"]))
    return 0 if decision.allowed else REFUSED
