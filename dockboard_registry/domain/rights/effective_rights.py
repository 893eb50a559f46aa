"""Who has a right to a repository, and what gives it."""

from typing import NamedTuple

from ...db import Database, Tx
from ...names import LIBRARY, namespace_of
from ..access import patterns
from ..access.rule import ADMIN, MEMBER, OWNER, PUBLIC, READ, USER
from ..accounts import namespaces
from . import grants

_ADMINISTRATORS = "SELECT name FROM users WHERE administrator = 1 ORDER BY name"
_MEMBERS = (
    "SELECT users.name, members.role FROM members JOIN users ON users.id = members.user_id"
    " JOIN organizations ON organizations.id = members.organization_id WHERE organizations.name = ? ORDER BY users.name"
)


class EffectiveRight(NamedTuple):
    """A right to the repository. holder: user:NAME, team:ORG/TEAM, robot:ORG/NAME, or everyone. via: what gives the
    right, in words.
    """

    holder: str
    right: str
    via: str


async def of_repository(db: Database, name: str, visibility: str, administrators: bool) -> list[EffectiveRight]:
    """All rights to the repository, with or without those of the registry's administrators.

    Disabled accounts are listed too, because they have their rights again when they are enabled.
    """
    return await db.scan(lambda tx: _read(tx, name, visibility, administrators), long=True)


def _read(tx: Tx, name: str, visibility: str, administrators: bool) -> list[EffectiveRight]:
    namespace = namespace_of(name)
    found = (
        [EffectiveRight(f"{USER}:{user}", ADMIN, "administers the registry") for (user,) in tx.all(_ADMINISTRATORS)]
        if administrators
        else []
    )
    if namespace != LIBRARY:
        found += _of_namespace(tx, namespace)
    for given in grants.in_namespace(tx, namespace):
        if patterns.parse(given.pattern).matches(patterns.full(name)):
            found.append(EffectiveRight(given.holder, given.right, f"grant on {given.pattern}"))
    if visibility == PUBLIC:
        found.append(
            EffectiveRight("everyone", READ, "the repository is public; without logging in as auth.anonymous says")
        )
    return found


def _of_namespace(tx: Tx, namespace: str) -> list[EffectiveRight]:
    """The user of that name, or the members of the organization."""
    held = namespaces.find(tx, namespace)
    if held is None or held.released_at is not None:
        return []
    if held.kind == USER:
        return [EffectiveRight(f"{USER}:{namespace}", ADMIN, "own namespace")]
    role_rights = {OWNER: (ADMIN, "owner of the organization"), MEMBER: (READ, "member of the organization")}
    return [EffectiveRight(f"{USER}:{user}", *role_rights[role]) for user, role in tx.all(_MEMBERS, namespace)]
