"""Who has a right to a repository, and what gives it."""

from typing import NamedTuple

from ...db import Database, Tx
from ...names import LIBRARY, namespace_of
from ..access.rule import ADMIN, MEMBER, OWNER, PUBLIC, READ, USER
from ..accounts import namespaces
from . import grants

_ADMINISTRATORS = "SELECT name FROM users WHERE administrator = 1 ORDER BY name"
_MEMBERS = (
    "SELECT users.name, members.role FROM members JOIN users ON users.id = members.user_id"
    " JOIN organizations ON organizations.id = members.organization_id WHERE organizations.name = ? ORDER BY users.name"
)

_OWNERS = (
    "SELECT users.name FROM members JOIN users ON users.id = members.user_id WHERE members.organization_id = ? AND"
    " members.role = ? ORDER BY users.name LIMIT ?"
)
_COUNT = "SELECT COUNT(*) FROM members WHERE organization_id = ? AND role = ?"
_FEW = 20


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


class RepositoryAccess(NamedTuple):
    """Who has rights to a repository, for a page: what comes from the namespace, and a page of the grants.

    owner: the user whose namespace it is, or None. owners: the first ones of the organization, of `owner_count`.
    later: where the next grants begin, or None.
    """

    owner: str | None
    owners: list[str]
    owner_count: int
    member_count: int
    grants: list[grants.ListedGrant]
    later: str | None


async def access(db: Database, name: str, after: str, limit: int) -> RepositoryAccess:
    """Who has rights to the repository, without the registry's administrators. after: `PATTERN HOLDER` of a grant."""
    return await db.scan(lambda tx: _access(tx, name, after, limit), long=True)


def _access(tx: Tx, name: str, after: str, limit: int) -> RepositoryAccess:
    namespace = namespace_of(name)
    held = None if namespace == LIBRARY else namespaces.find(tx, namespace)
    kind = held.kind if held is not None and held.released_at is None else ""
    id = held.holder_id if kind == namespaces.ORGANIZATION else 0
    found = [given for given in grants.matching(tx, name) if _key(given) > after]
    return RepositoryAccess(
        namespace if kind == USER else None,
        [user for (user,) in tx.all(_OWNERS, id, OWNER, _FEW)],
        tx.one(_COUNT, id, OWNER)[0],
        tx.one(_COUNT, id, MEMBER)[0],
        found[:limit],
        _key(found[limit - 1]) if len(found) > limit else None,
    )


def _key(given: grants.ListedGrant) -> str:
    return f"{given.pattern} {given.holder}"


def _read(tx: Tx, name: str, visibility: str, administrators: bool) -> list[EffectiveRight]:
    namespace = namespace_of(name)
    found = (
        [EffectiveRight(f"{USER}:{user}", ADMIN, "administers the registry") for (user,) in tx.all(_ADMINISTRATORS)]
        if administrators
        else []
    )
    if namespace != LIBRARY:
        found += _of_namespace(tx, namespace)
    found += [
        EffectiveRight(given.holder, given.right, f"grant on {given.pattern}") for given in grants.matching(tx, name)
    ]
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
