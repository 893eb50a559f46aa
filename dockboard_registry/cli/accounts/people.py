"""`user`: people's accounts."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ...domain.accounts.accounts import INVITED
from ...domain.accounts.first_account import NAME as ADMIN
from ...domain.accounts.profiles import Profile
from ...domain.credentials.one_time import INVITE, RESET
from ...errors import AccountUnknown, FieldInvalid, RegistryError
from ...wording import counted
from .common import (
    REFUSED,
    CommandWord,
    json_flag,
    operator,
    output_flag,
    pages,
    password,
    password_flag,
    secret_output,
    show,
)
from .quotas import quota


def user(group: CommandWord) -> None:
    """What may follow `user`."""
    _making(group)
    changed = group.command("set", _set, "change the profile; an empty text removes what there is")
    _name(changed)
    for field, (metavar, help) in _PROFILE.items():
        changed.add_argument("--" + field.replace("_", "-"), dest=field, metavar=metavar, help=help)
    _importing(group)
    json_flag(group.command("list", _list, "list all accounts"))
    for word, work, help in (
        ("enable", _enable, "let a disabled account be used again"),
        ("disable", _disable, "refuse the account everything, from the next request on; nothing is lost"),
        ("promote", _promote, "make the user an administrator of the registry"),
        ("demote", _demote, "make the user an ordinary user again"),
    ):
        _name(group.command(word, work, help))
    _passwords(group)
    quota(group, "user")
    _name(group.command("delete", _delete, "delete the account with its grants and tokens; repositories stay"))


def _making(group: CommandWord) -> None:
    added = group.command("add", _add, "make an account")
    _name(added)
    _profile_flags(added)
    password_flag(added)
    invited = group.command(
        "invite",
        _invite,
        "make an account without a password, and print a token with which its owner sets one within an hour",
    )
    _name(invited)
    _profile_flags(invited)
    _mail_flag(invited)
    _name(group.command("approve", _approve, "approve an account that somebody made for themselves"))
    _name(group.command("reject", _reject, "delete an account that waits for approval; its name is free at once"))


def _importing(group: CommandWord) -> None:
    help = "make accounts from a file of names and hashes (exit status 1: some were refused)"
    group.command("import", _import, help).add_argument(
        "--htpasswd",
        metavar="FILE",
        required=True,
        type=Path,
        help="file as htpasswd writes it: bcrypt, sha512-crypt, apr1, SHA1",
    )


def _passwords(group: CommandWord) -> None:
    changed = group.command("passwd", _passwd, "set another password")
    _name(changed)
    password_flag(changed)
    help = "forget the wrong passwords, so that the user can log in from everywhere again"
    _name(group.command("unlock", _unlock, help))
    reset = group.command("reset", _reset, "print a token with which the user sets another password within an hour")
    _name(reset)
    _mail_flag(reset)


_PROFILE = {
    "email": ("E", "e-mail address"),
    "full_name": ("TEXT", "name as people write it"),
    "company": ("TEXT", "company"),
    "location": ("TEXT", "place"),
    "url": ("URL", "address of a web page, http or https"),
    "avatar_hash": ("HEX", "what avatar services know the user by, where it is not the hash of the e-mail address"),
}


def _name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="name of the account, which is also its namespace")


def _mail_flag(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mail",
        action="store_true",
        help="send the token to the account's e-mail address (see mail.host) instead of printing it",
    )
    output_flag(parser)


def _profile_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--admin", action="store_true", help="an administrator of the registry, who may do everything")
    parser.add_argument("--email", metavar="E", help="e-mail address")
    parser.add_argument("--full-name", metavar="TEXT", help="name as people write it")


async def _add(people: Any, parsed: argparse.Namespace) -> None:
    profile = Profile(parsed.email, parsed.full_name)
    await people.accounts.add(operator(), parsed.name, password(parsed), profile, parsed.admin, adopt=True)


async def _invite(people: Any, parsed: argparse.Namespace) -> None:
    """Print or send a token. For somebody who was invited before, the earlier token becomes invalid.

    If the mail fails, a new account is removed again.
    """
    if parsed.mail:
        people.resets.require_mailer()
    try:
        waiting = (await people.accounts.get(parsed.name)).state == INVITED
    except AccountUnknown:
        waiting = False
    if not waiting and parsed.mail and not parsed.email:
        raise FieldInvalid(f"there is no address to send {parsed.name} a mail to", "give one with --email E")
    if not waiting:
        await people.accounts.add(
            operator(), parsed.name, None, Profile(parsed.email, parsed.full_name), parsed.admin, adopt=True
        )
    try:
        await _tell(people, parsed, INVITE)
    except RegistryError:
        if not waiting:
            await people.accounts.withdraw(operator(), parsed.name)
        raise


async def _tell(people: Any, parsed: argparse.Namespace, purpose: str) -> None:
    """Print a one-time token, or send it."""
    if parsed.mail:
        await people.resets.send(operator(), parsed.name, purpose)
    else:
        with secret_output(parsed) as tell:
            tell(await people.one_time.make(operator(), parsed.name, purpose))


async def _approve(people: Any, parsed: argparse.Namespace) -> None:
    await people.registrations.approve(operator(), parsed.name)


async def _reject(people: Any, parsed: argparse.Namespace) -> None:
    await people.registrations.reject(operator(), parsed.name)


async def _unlock(people: Any, parsed: argparse.Namespace) -> None:
    await people.accounts.unlock(operator(), parsed.name)


async def _set(people: Any, parsed: argparse.Namespace) -> None:
    given = {field: getattr(parsed, field) for field in _PROFILE if getattr(parsed, field) is not None}
    if not given:
        raise FieldInvalid("there is nothing to change", "name a field, such as --company")
    await people.accounts.change(operator(), parsed.name, given)


async def _import(people: Any, parsed: argparse.Namespace) -> int:
    found = await people.htpasswd.take_over(operator(), parsed.htpasswd.read_text("utf-8", "replace"))
    for number, name, why in found.refused:
        print(f"{parsed.htpasswd}:{number}: {name!a}: {why}", file=sys.stderr)
    print(f"{counted(len(found.added), 'account')} made, {len(found.refused):,} refused")
    return REFUSED if found.refused else 0


async def _list(people: Any, parsed: argparse.Namespace) -> None:
    found = await pages(people.accounts.list)
    names = ("name", "state", "administrator", "email", "created_at", "last_seen_at")
    show(parsed, names, [[getattr(person, name) for name in names] for person in found])


async def _enable(people: Any, parsed: argparse.Namespace) -> None:
    await people.accounts.set_state(operator(), parsed.name, True)


async def _disable(people: Any, parsed: argparse.Namespace) -> None:
    await people.accounts.set_state(operator(), parsed.name, False)


async def _promote(people: Any, parsed: argparse.Namespace) -> None:
    await people.accounts.set_administrator(operator(), parsed.name, True)


async def _demote(people: Any, parsed: argparse.Namespace) -> None:
    await people.accounts.set_administrator(operator(), parsed.name, False)


async def _passwd(people: Any, parsed: argparse.Namespace) -> None:
    """If there has never been an account, make the account admin, as the first start of a server that others reach
    does.
    """
    if parsed.name == ADMIN and not await people.principals.access_version():
        await people.accounts.add(operator(), ADMIN, password(parsed), Profile(), True, adopt=True)
    else:
        await people.accounts.set_password(operator(), parsed.name, password(parsed))


async def _reset(people: Any, parsed: argparse.Namespace) -> None:
    await _tell(people, parsed, RESET)


async def _delete(people: Any, parsed: argparse.Namespace) -> None:
    await people.accounts.delete(operator(), parsed.name)
