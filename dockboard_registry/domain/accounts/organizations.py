"""Organizations: each holds a namespace and has members, of whom at least one is an owner."""

from typing import NamedTuple

from ...db import ALL, Database, Tx, now
from ...errors import AccountUnknown, ChangeRefused, FieldInvalid
from ...names import namespace_name
from ...wording import quoted
from .. import audit
from ..access.rule import MEMBER, OWNER
from ..audit import Actor
from ..changes import Unchanged, access_changed, write_if_changed
from ..content.repositories import new_id
from . import accounts, namespaces, organization_restore

ROLES = (OWNER, MEMBER)
# Organizations that a user who is no administrator may own to make another one; and to which a user may belong, because
# all of them are read with the user's rights.
MOST_OWNED, MOST_JOINED = 100, 1000
# Organizations that such a user may try to make in so many seconds. The name of one that is deleted stays taken for a
# while, so that otherwise one user could take all names.
MOST_TRIES, SECONDS = 10, 3600
_FIND = "SELECT id, name, created_at FROM organizations WHERE name = ?"
_MEMBERS = (
    "SELECT users.name, members.role, members.created_at FROM members JOIN users ON users.id = members.user_id"
    " WHERE members.organization_id = ? AND users.name > ? ORDER BY users.name LIMIT ?"
)
_ROLE = "SELECT role FROM members WHERE organization_id = ? AND user_id = ?"
_OWNED = "SELECT COUNT(*) FROM members WHERE user_id = ? AND role = ?"
_JOINED = "SELECT COUNT(*) FROM members WHERE user_id = ?"
_ANOTHER_OWNER = "SELECT 1 FROM members WHERE organization_id = ? AND role = ? AND user_id <> ? LIMIT 1"


class TooMany(ChangeRefused):
    """There is no room for one more."""


class Organization(NamedTuple):
    id: int
    name: str
    created_at: int


class Member(NamedTuple):
    user: str
    role: str
    since: int


class Organizations:
    """quarantine: seconds until a name that was given up is free again."""

    def __init__(self, db: Database, quarantine: float):
        self._db = db
        self._quarantine = quarantine

    async def add(self, actor: Actor, name: str, owner: str, adopt: bool = False, most: int | None = None) -> None:
        """Make an organization that this user owns.

        adopt: also if there are repositories below its name. most: so many organizations the user may own then. Raises
        FieldInvalid, AccountUnknown, TooMany, ChangeRefused if the name is taken.
        """
        namespace_name(name)

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            person = accounts.find(tx, owner)
            if most is not None and tx.one(_OWNED, person.id, OWNER)[0] >= most:
                raise TooMany(f"{owner} owns {most:,} organizations already", "delete one, or ask an administrator")
            made = new_id()
            namespaces.claim(tx, name, namespaces.ORGANIZATION, made, self._quarantine, adopt)
            tx.run("INSERT INTO organizations (id, name, created_at) VALUES (?, ?, ?)", made, name, now())
            join(tx, made, person.id, OWNER)
            audit.note(tx, actor, "org.add", f"org {name}", owner=owner)

        await self._db.write(change)

    async def members(self, name: str, after: str = "", limit: int = ALL) -> list[Member]:
        """Members with names greater than `after`. Raises AccountUnknown."""

        def query(tx: Tx) -> list[Member]:
            return [Member(*row) for row in tx.all(_MEMBERS, find(tx, name).id, after, limit)]

        return await self._db.scan(query)

    async def list(self, after: str = "", limit: int = 1000) -> list[Organization]:
        """Organizations with names greater than `after` in byte order."""
        rows = await self._db.scan(
            lambda tx: tx.all(
                "SELECT id, name, created_at FROM organizations WHERE name > ? ORDER BY name LIMIT ?", after, limit
            )
        )
        return [Organization(*row) for row in rows]

    async def get(self, name: str) -> Organization:
        """Raises AccountUnknown."""
        return await self._db.scan(lambda tx: find(tx, name))

    async def set_member(self, actor: Actor, name: str, user: str, role: str) -> None:
        """Make the user a member with this role, or give a member this role.

        Raises AccountUnknown, FieldInvalid, ChangeRefused for the last owner and for too many organizations.
        """
        role_name(role)

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            organization, person = find(tx, name), accounts.find(tx, user)
            if tx.one(_ROLE, organization.id, person.id) == (role,):
                raise Unchanged
            if role != OWNER:
                _require_another_owner(tx, organization, person)
            tx.run("DELETE FROM members WHERE organization_id = ? AND user_id = ?", organization.id, person.id)
            join(tx, organization.id, person.id, role)
            audit.note(tx, actor, "org.member.add", f"org {name}", user=user, role=role)

        await write_if_changed(self._db, change)

    async def remove_member(self, actor: Actor, name: str, user: str) -> None:
        """Remove the user from the organization and its teams, with the user's own grants in its namespace.

        Raises AccountUnknown, ChangeRefused for the last owner.
        """

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            organization, person = find(tx, name), accounts.find(tx, user)
            require_member(tx, organization, person)
            _require_another_owner(tx, organization, person)
            tx.run("DELETE FROM members WHERE organization_id = ? AND user_id = ?", organization.id, person.id)
            tx.run(
                "DELETE FROM team_members WHERE user_id = ? AND team_id IN (SELECT id FROM teams WHERE organization_id"
                " = ?)",
                person.id,
                organization.id,
            )
            tx.run("DELETE FROM grants WHERE holder_kind = 'user' AND holder_id = ? AND namespace = ?", person.id, name)
            audit.note(tx, actor, "org.member.remove", f"org {name}", user=user)

        await self._db.write(change, brings=0)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete the organization with its teams, robot accounts and all grants in its namespace.

        Repositories stay. `restore` undoes it. Raises AccountUnknown.
        """

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            organization = find(tx, name)
            organization_restore.keep(tx, organization.id, name)
            for statement in _OF_AN_ORGANIZATION:
                tx.run(statement, organization.id)
            namespaces.release(tx, name)
            audit.note(tx, actor, "org.delete", f"org {name}")

        await self._db.write(change, brings=0)

    async def restore(self, actor: Actor, name: str, owner: str | None = None) -> None:
        """Undo the deletion while the name is not free. owner: a user who becomes its owner.

        Raises AccountUnknown, ChangeRefused.
        """

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            organization_restore.restore(tx, name, self._quarantine, accounts.find(tx, owner).id if owner else None)
            audit.note(tx, actor, "org.restore", f"org {name}", **({"owner": owner} if owner else {}))

        await self._db.write(change)

    async def forget(self) -> None:
        """Delete the saved rows of deleted organizations that can't be restored any more."""
        await self._db.write(lambda tx: organization_restore.forget(tx, self._quarantine), durable=False, brings=0)


_OF_AN_ORGANIZATION = (
    "DELETE FROM grants WHERE holder_kind = 'team' AND holder_id IN (SELECT id FROM teams WHERE organization_id = ?)",
    "DELETE FROM grants WHERE holder_kind = 'robot' AND holder_id IN (SELECT id FROM robots WHERE organization_id = ?)",
    (
        "DELETE FROM access_tokens WHERE holder_kind = 'robot' AND holder_id IN (SELECT id FROM robots WHERE"
        " organization_id = ?)"
    ),
    "DELETE FROM team_members WHERE team_id IN (SELECT id FROM teams WHERE organization_id = ?)",
    "DELETE FROM teams WHERE organization_id = ?",
    "DELETE FROM robots WHERE organization_id = ?",
    "DELETE FROM members WHERE organization_id = ?",
    "DELETE FROM invitations WHERE organization_id = ?",
    "DELETE FROM organizations WHERE id = ?",
)


def role_name(text: str) -> str:
    """Raises FieldInvalid."""
    if text not in ROLES:
        raise FieldInvalid(f"the role {quoted(text)} is not one of owner and member", "say owner or member")
    return text


def find(tx: Tx, name: str) -> Organization:
    """Raises AccountUnknown."""
    row = tx.one(_FIND, name)
    if row is None:
        raise AccountUnknown(f"there is no organization {name}")
    return Organization(*row)


def require_member(tx: Tx, organization: Organization, person: accounts.User) -> None:
    """Raises AccountUnknown."""
    if tx.one(_ROLE, organization.id, person.id) is None:
        raise AccountUnknown(
            f"{person.name} is no member of organization {organization.name}", "add the user to the organization first"
        )


def join(tx: Tx, organization_id: int, user_id: int, role: str) -> None:
    """Raises TooMany."""
    if tx.one(_JOINED, user_id)[0] >= MOST_JOINED:
        raise TooMany(f"the user belongs to {MOST_JOINED:,} organizations already", "let them leave one first")
    tx.run(
        "INSERT INTO members (organization_id, user_id, role, created_at) VALUES (?, ?, ?, ?)",
        organization_id,
        user_id,
        role,
        now(),
    )


def _require_another_owner(tx: Tx, organization: Organization, person: accounts.User) -> None:
    """Raise ChangeRefused if this is the only owner."""
    if tx.one(_ROLE, organization.id, person.id) == (OWNER,) and not tx.one(
        _ANOTHER_OWNER, organization.id, OWNER, person.id
    ):
        raise ChangeRefused(
            f"{person.name} is the last owner of organization {organization.name}",
            "make another member its owner first, or delete it",
        )
