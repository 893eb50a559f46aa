"""Teams: members of an organization who hold grants together. A team is written ORGANIZATION/TEAM."""

from typing import NamedTuple

from ...db import ALL, Database, Tx, now
from ...errors import AccountUnknown, ChangeRefused, FieldInvalid
from ...names import account_name
from ...wording import quoted
from .. import audit
from ..audit import Actor
from ..changes import Unchanged, access_changed, write_if_changed
from ..content.repositories import new_id
from . import accounts, organizations

# Teams of an organization; and those to which a user may belong, because all of them are read with the user's rights.
MOST, MOST_JOINED = 1000, 1000
_COUNT = "SELECT COUNT(*) FROM teams WHERE organization_id = ?"
_JOINED = "SELECT COUNT(*) FROM team_members WHERE user_id = ?"


class Team(NamedTuple):
    id: int
    organization: str
    name: str
    members: int

    def __str__(self) -> str:
        return f"{self.organization}/{self.name}"


_TEAMS = (
    "SELECT teams.id, organizations.name, teams.name, (SELECT COUNT(*) FROM team_members WHERE team_members.team_id ="
    " teams.id) FROM teams JOIN organizations ON organizations.id = teams.organization_id"
)
_LIST = f"{_TEAMS} WHERE teams.organization_id = ? AND teams.name > ? ORDER BY teams.name LIMIT ?"
_MEMBERS = (
    "SELECT users.name FROM team_members JOIN users ON users.id = team_members.user_id WHERE team_members.team_id = ?"
    " AND users.name > ? ORDER BY users.name LIMIT ?"
)


class Teams:
    def __init__(self, db: Database):
        self._db = db

    async def add(self, actor: Actor, organization: str, name: str) -> None:
        """Raises FieldInvalid, AccountUnknown, ChangeRefused if the organization has such a team, or too many."""
        account_name(name)

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            holder = organizations.find(tx, organization)
            if tx.one(_COUNT, holder.id)[0] >= MOST:
                raise organizations.TooMany(f"organization {organization} has {MOST:,} teams already", "delete one")
            if not tx.insert(
                "INSERT INTO teams (id, organization_id, name, created_at) VALUES (?, ?, ?, ?)",
                new_id(),
                holder.id,
                name,
                now(),
            ):
                raise ChangeRefused(f"organization {organization} has a team {name} already", "choose another name")
            audit.note(tx, actor, "team.add", f"team {organization}/{name}")

        await self._db.write(change)

    async def members(self, organization: str, name: str, after: str = "", limit: int = ALL) -> list[str]:
        """Names of users greater than `after`. Raises AccountUnknown."""

        def query(tx: Tx) -> list[str]:
            return [user for (user,) in tx.all(_MEMBERS, find(tx, f"{organization}/{name}").id, after, limit)]

        return await self._db.scan(query)

    async def get(self, organization: str, name: str) -> Team:
        """Raises AccountUnknown."""
        return await self._db.scan(lambda tx: find(tx, f"{organization}/{name}"))

    async def list(self, organization: str, after: str = "", limit: int = ALL) -> list[Team]:
        """Teams with names greater than `after`. Raises AccountUnknown."""

        def query(tx: Tx) -> list[Team]:
            return [Team(*row) for row in tx.all(_LIST, organizations.find(tx, organization).id, after, limit)]

        return await self._db.scan(query)

    async def add_member(self, actor: Actor, organization: str, name: str, user: str) -> None:
        """Raises AccountUnknown, also for a user who is no member of the organization; ChangeRefused for too many."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            team, person = find(tx, f"{organization}/{name}"), accounts.find(tx, user)
            organizations.require_member(tx, organizations.find(tx, organization), person)
            joined = tx.one(_JOINED, person.id)[0]
            if not tx.insert("INSERT INTO team_members (team_id, user_id) VALUES (?, ?)", team.id, person.id):
                raise Unchanged
            if joined >= MOST_JOINED:
                raise organizations.TooMany(f"{user} is in {MOST_JOINED:,} teams already", "let them leave one first")
            audit.note(tx, actor, "team.member.add", f"team {team}", user=user)

        await write_if_changed(self._db, change)

    async def remove_member(self, actor: Actor, organization: str, name: str, user: str) -> None:
        """Raises AccountUnknown."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            team, person = find(tx, f"{organization}/{name}"), accounts.find(tx, user)
            if not tx.run("DELETE FROM team_members WHERE team_id = ? AND user_id = ?", team.id, person.id):
                raise AccountUnknown(f"{user} is not in team {team}")
            audit.note(tx, actor, "team.member.remove", f"team {team}", user=user)

        await self._db.write(change, brings=0)

    async def delete(self, actor: Actor, organization: str, name: str) -> None:
        """Delete the team with its grants. Raises AccountUnknown."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            team = find(tx, f"{organization}/{name}")
            tx.run("DELETE FROM grants WHERE holder_kind = 'team' AND holder_id = ?", team.id)
            tx.run("DELETE FROM team_members WHERE team_id = ?", team.id)
            tx.run("DELETE FROM teams WHERE id = ?", team.id)
            audit.note(tx, actor, "team.delete", f"team {team}")

        await self._db.write(change, brings=0)


def split(text: str, what: str) -> tuple[str, str]:
    """ORGANIZATION/NAME -> both. Raises FieldInvalid."""
    organization, slash, name = text.partition("/")
    if not (organization and slash and name) or "/" in name:
        raise FieldInvalid(
            f"{quoted(text)} is not the name of a {what}",
            f"write ORGANIZATION/NAME: the organization's name, a slash, and the {what}'s",
        )
    return organization, name


def find(tx: Tx, text: str) -> Team:
    """By ORGANIZATION/TEAM. Raises FieldInvalid, AccountUnknown."""
    row = tx.one(f"{_TEAMS} WHERE organizations.name = ? AND teams.name = ?", *split(text, "team"))
    if row is None:
        raise AccountUnknown(f"there is no team {text}")
    return Team(*row)
