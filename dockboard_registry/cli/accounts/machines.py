"""`token` and `robot`: keys for machines."""

import argparse
from typing import Any

from .common import CommandWord, duration, in_future, json_flag, operator, output_flag, secret_output, show


def token(group: CommandWord) -> None:
    """What may follow `token`."""
    added = group.command("add", _add, "make a token and print it; it is not shown again")
    _user(added)
    added.add_argument("--name", metavar="N", required=True, help="name of the token")
    added.add_argument(
        "--repositories",
        metavar="PATTERN",
        help=(
            "names and patterns of repositories, separated by commas, such as team/app-*,team/tool; without this flag"
            " all that the user may use"
        ),
    )
    added.add_argument(
        "--actions",
        metavar="LIST",
        help=(
            "actions, separated by commas: pull, push, create (push, but move no tag), delete, admin, catalog; without"
            " this flag all"
        ),
    )
    _expires(added)
    output_flag(added)
    listed = group.command("list", _list, "list a user's tokens, with their last use")
    _user(listed)
    json_flag(listed)
    revoked = group.command("revoke", _revoke, "make a token invalid, from the next request on")
    _user(revoked)
    revoked.add_argument("name", metavar="NAME", help="name of the token")
    group.command(
        "rotate-key",
        _rotate_key,
        "sign login tokens with a new key; the key before the present one becomes invalid, and logins that it"
        " signed end",
    )


def robot(group: CommandWord) -> None:
    """What may follow `robot`."""
    added = group.command("add", _add_robot, "make a robot account and print its secret, which is not shown again")
    _robot(added)
    _expires(added)
    output_flag(added)
    rotated = group.command("rotate", _rotate, "print a new secret; the old ones go on working for a while")
    _robot(rotated)
    rotated.add_argument(
        "--overlap",
        metavar="TIME",
        default="24h",
        help="how long old secrets go on working, such as 30m or 0s (default: %(default)s)",
    )
    _expires(rotated)
    output_flag(rotated)
    listed = group.command("list", _list_robots, "list the robot accounts of an organization")
    listed.add_argument("org", metavar="ORG", help="name of the organization")
    json_flag(listed)
    secrets = group.command(
        "secrets",
        _list_secrets,
        "list the secrets of a robot account with their last use, to see whether an old one is still used",
    )
    _robot(secrets)
    json_flag(secrets)
    _robot(group.command("enable", _enable, "let a disabled robot account be used again"))
    _robot(group.command("disable", _disable, "refuse the robot account everything, from the next request on"))
    _robot(group.command("delete", _delete, "delete the robot account with its grants and secrets"))


def _user(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("user", metavar="USER", help="name of the user")


def _robot(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="ORG/NAME", help="organization and name of the robot account, which is also what it logs in as"
    )


def _expires(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--expires",
        metavar="TIME",
        help="how long it is valid, such as 90d or 12h; without this flag until it is revoked",
    )


async def _add(people: Any, parsed: argparse.Namespace) -> None:
    until = in_future(parsed.expires)
    with secret_output(parsed) as tell:
        tell(await people.tokens.add(operator(), parsed.user, parsed.name, parsed.repositories, parsed.actions, until))


async def _list(people: Any, parsed: argparse.Namespace) -> None:
    names = (
        "name",
        "state",
        "hint",
        "patterns",
        "actions",
        "created_at",
        "expires_at",
        "last_used_at",
        "last_used_from",
        "id",
    )
    show(parsed, names, [[getattr(token, name) for name in names] for token in await people.tokens.list(parsed.user)])


async def _revoke(people: Any, parsed: argparse.Namespace) -> None:
    await people.tokens.revoke(operator(), parsed.user, parsed.name)


async def _rotate_key(people: Any, parsed: argparse.Namespace) -> None:
    await people.signing_keys.rotate(operator())


async def _add_robot(people: Any, parsed: argparse.Namespace) -> None:
    until = in_future(parsed.expires)
    with secret_output(parsed) as tell:
        tell(await people.robots.add(operator(), parsed.name, until))


async def _rotate(people: Any, parsed: argparse.Namespace) -> None:
    overlap, until = duration(parsed.overlap), in_future(parsed.expires)
    with secret_output(parsed) as tell:
        tell(await people.robots.rotate(operator(), parsed.name, overlap, until))


async def _list_robots(people: Any, parsed: argparse.Namespace) -> None:
    show(
        parsed,
        ("name", "state", "created_at"),
        [(str(robot), robot.state, robot.created_at) for robot in await people.robots.list(parsed.org)],
    )


async def _list_secrets(people: Any, parsed: argparse.Namespace) -> None:
    names = ("hint", "state", "created_at", "expires_at", "last_used_at", "last_used_from", "id")
    show(
        parsed,
        names,
        [[getattr(secret, name) for name in names] for secret in await people.robots.secrets(parsed.name)],
    )


async def _enable(people: Any, parsed: argparse.Namespace) -> None:
    await people.robots.set_state(operator(), parsed.name, True)


async def _disable(people: Any, parsed: argparse.Namespace) -> None:
    await people.robots.set_state(operator(), parsed.name, False)


async def _delete(people: Any, parsed: argparse.Namespace) -> None:
    await people.robots.delete(operator(), parsed.name)
