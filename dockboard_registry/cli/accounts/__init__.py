"""Commands that manage accounts and what was pushed: user, org, team, repository, tag, manifest, grant, token, robot,
uploads, explain, audit.

They work on the database, beside a running server. They write results to standard output, read passwords from standard
input, and print a new secret once, with nothing else.

A command imports its module when it is called. Importing all of them would double the time that `version` takes.
"""

from collections.abc import Callable
from typing import Any

from .common import CommandWord, Run
from .common import Parser as Parser

_WORDS = {
    "user": (
        "people's accounts: add, invite, approve, reject, import, set, list, enable, disable, promote, demote, passwd,"
        " reset, unlock, quota, delete"
    ),
    "invitation": "codes with which people make accounts themselves: add, list, revoke",
    "org": "organizations, which own a namespace: add, list, member, quota, delete, restore",
    "team": "teams of organizations, which hold grants together: add, list, member, delete",
    "repository": "who may see repositories, and what they are: set, default, list, rights, delete",
    "tag": "tags of images: delete",
    "manifest": "manifests, by digest: delete",
    "grant": "rights on repositories, by name or pattern: add, remove, list",
    "token": (
        "access tokens of users, for machines that act for them: add, list, revoke; and the key that signs logins:"
        " rotate-key"
    ),
    "robot": "robot accounts of organizations: add, rotate, list, secrets, enable, disable, delete",
    "uploads": "unfinished uploads: list, drop",
    "explain": "tell whether somebody may do something, and why (exit status 1: no)",
    "audit": "list the changes that were made to accounts and rights, the newest first",
}


def declare(add_parser: Callable[..., Any], common: list, run: Run) -> None:
    """Add the commands.

    add_parser: of the command line's subparsers. common: parents of all parsers. run: calls a command with the
    services.
    """
    for name, help in _WORDS.items():
        CommandWord(add_parser, name, help, common, run, _grammar)


def _grammar(name: str) -> Callable[[CommandWord], None]:
    """The function that declares what may follow the word."""
    if name == "user":
        from . import people

        return people.user
    if name in ("org", "team"):
        from . import organizations

        return {"org": organizations.org, "team": organizations.team}[name]
    if name in ("repository", "grant", "explain"):
        from . import rights

        return {"repository": rights.repository, "grant": rights.grant, "explain": rights.explain}[name]
    if name in ("tag", "manifest"):
        from . import content

        return {"tag": content.tag, "manifest": content.manifest}[name]
    if name == "invitation":
        from . import invitations

        return invitations.invitation
    if name == "uploads":
        from . import uploads

        return uploads.uploads
    if name == "audit":
        from . import history

        return history.audit
    from . import machines

    return {"token": machines.token, "robot": machines.robot}[name]
