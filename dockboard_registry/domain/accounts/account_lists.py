"""Users, organizations, members and robot accounts as lists that are filtered, sorted and read by the page."""

from collections.abc import Sequence
from typing import NamedTuple

from ...db import Database, Row, Tx, now
from ...db.each import Each
from ..access.rule import ROBOT, USER
from ..sorted_list import Condition, Order, Page, Place, SortedList, contains, equals
from . import accounts, organizations
from .accounts import MORE_COLUMNS, User, user_of

ADMINISTRATORS = "administrators"
NAME, SEEN, MADE, MEMBERS, ROLE, SINCE = "name", "seen", "made", "members", "role", "since"
_SEEN = Order("COALESCE(users.last_seen_at, 0)", True, True)
USERS = SortedList(
    f"SELECT SORTED_BY, name, id, {MORE_COLUMNS} FROM users",
    "SELECT 1 FROM users",
    "users.name",
    {NAME: Order("users.name"), SEEN: _SEEN, MADE: Order("users.created_at", True, True)},
)
_MEMBERS_OF = "(SELECT COUNT(*) FROM members WHERE members.organization_id = organizations.id)"
ORGANIZATIONS = SortedList(
    f"SELECT SORTED_BY, name, created_at, {_MEMBERS_OF} FROM organizations",
    "SELECT 1 FROM organizations",
    "organizations.name",
    {
        NAME: Order("organizations.name"),
        MADE: Order("organizations.created_at", True, True),
        MEMBERS: Order(_MEMBERS_OF, True, True),
    },
)
MEMBER_LIST = SortedList(
    "SELECT SORTED_BY, users.name, users.id, members.role, members.created_at, users.last_seen_at FROM members JOIN"
    " users ON users.id = members.user_id",
    "SELECT 1 FROM members JOIN users ON users.id = members.user_id",
    "users.name",
    {
        NAME: Order("users.name"),
        ROLE: Order("members.role", True),
        SINCE: Order("members.created_at", True, True),
        SEEN: _SEEN,
    },
)
ROBOT_LIST = SortedList(
    "SELECT SORTED_BY, name, id, state, created_at FROM robots",
    "SELECT 1 FROM robots",
    "robots.name",
    {NAME: Order("robots.name")},
)
_TEAMS = Each(
    "SELECT team_members.user_id, teams.name FROM team_members JOIN teams ON teams.id = team_members.team_id WHERE"
    " teams.organization_id = ? AND team_members.user_id IN (...)"
)
_SECRETS = Each(
    "SELECT holder_id, COUNT(*), MAX(last_used_at), MIN(expires_at) FROM access_tokens WHERE holder_kind = ? AND"
    " revoked_at IS NULL AND COALESCE(expires_at, ?) >= ? AND holder_id IN (...) GROUP BY holder_id"
)
_IS_MEMBER = "organizations.id IN (SELECT organization_id FROM members WHERE user_id = ?)"
_CONTENTS = (
    "SELECT (SELECT COUNT(*) FROM members WHERE organization_id = ?), (SELECT COUNT(*) FROM teams WHERE organization_id"
    " = ?), (SELECT COUNT(*) FROM robots WHERE organization_id = ?), (SELECT COUNT(*) FROM grants WHERE namespace = ?)"
)
_HOLDINGS = (
    "SELECT (SELECT COUNT(*) FROM access_tokens WHERE holder_kind = ? AND holder_id = ? AND revoked_at IS NULL AND"
    " (expires_at IS NULL OR expires_at > ?)), (SELECT COUNT(*) FROM browser_sessions WHERE user_id = ?),"
    " (SELECT COUNT(*) FROM members WHERE user_id = ?)"
)


class ListedOrganization(NamedTuple):
    name: str
    created_at: int
    members: int


class ListedMember(NamedTuple):
    """teams: names of teams of the organization."""

    name: str
    role: str
    since: int
    last_seen_at: int | None
    teams: tuple[str, ...]


class ListedRobot(NamedTuple):
    """secrets: how many there are that count. ends_at: when the first one of them ends."""

    name: str
    state: str
    created_at: int
    secrets: int
    last_used_at: int | None
    ends_at: int | None


class Contents(NamedTuple):
    """How much belongs to an organization: what goes when it is deleted."""

    members: int
    teams: int
    robots: int
    grants: int


class Holdings(NamedTuple):
    """How much belongs to a user: access tokens that count, sessions, memberships."""

    tokens: int
    sessions: int
    organizations: int


class AccountLists:
    """key: where the page begins, as `Page` names it; before: where it ends. part: a part of the name.

    All raise FieldInvalid for an order or a key that the list does not have.
    """

    def __init__(self, db: Database):
        self._db = db

    async def users(
        self,
        part: str = "",
        state: str = "",
        order: str = NAME,
        key: str = "",
        before: bool = False,
        limit: int = 50,
    ) -> Page[User]:
        """part: also of the e-mail address and the full name. state: or ADMINISTRATORS."""
        place = USERS.place(order, key, before)
        conditions = _of_users(part, state)
        return await self._db.scan(
            lambda tx: USERS.page(tx, order, conditions, place, limit, _user),
            long=bool(part or order != NAME),
        )

    async def count_users(self, part: str = "", state: str = "") -> int:
        return await self._db.scan(lambda tx: USERS.count(tx, _of_users(part, state)), long=True)

    async def organizations(
        self,
        part: str = "",
        order: str = NAME,
        key: str = "",
        before: bool = False,
        limit: int = 50,
        member: int | None = None,
    ) -> Page[ListedOrganization]:
        """member: only organizations that the user with this id belongs to."""
        place = ORGANIZATIONS.place(order, key, before)
        conditions = contains(part, "organizations.name")
        conditions += [] if member is None else [Condition(_IS_MEMBER, (member,))]
        return await self._db.scan(
            lambda tx: ORGANIZATIONS.page(tx, order, conditions, place, limit, lambda row: ListedOrganization(*row)),
            long=bool(part or order != NAME),
        )

    async def count_organizations(self, part: str = "") -> int:
        conditions = contains(part, "organizations.name")
        return await self._db.scan(lambda tx: ORGANIZATIONS.count(tx, conditions), long=True)

    async def members(
        self,
        organization: str,
        part: str = "",
        role: str = "",
        order: str = NAME,
        key: str = "",
        before: bool = False,
        limit: int = 50,
    ) -> Page[ListedMember]:
        """Raises AccountUnknown."""
        place = MEMBER_LIST.place(order, key, before)

        def query(tx: Tx) -> Page[ListedMember]:
            id = organizations.find(tx, organization).id
            found = MEMBER_LIST.page(tx, order, _of_members(id, part, role), place, limit, tuple)
            return found._replace(items=_with_teams(tx, id, found.items))

        return await self._db.scan(query, long=True)

    async def count_members(self, organization: str, part: str = "", role: str = "") -> int:
        """Raises AccountUnknown."""
        return await self._db.scan(
            lambda tx: MEMBER_LIST.count(tx, _of_members(organizations.find(tx, organization).id, part, role)),
            long=True,
        )

    async def member(self, organization: str, user: str) -> ListedMember:
        """Raises AccountUnknown."""

        def query(tx: Tx) -> ListedMember:
            found, person = organizations.find(tx, organization), accounts.find(tx, user)
            organizations.require_member(tx, found, person)
            conditions = [*_of_members(found.id, "", ""), *equals("users.id", person.id)]
            rows = MEMBER_LIST.page(tx, NAME, conditions, Place(), 1, tuple).items
            return _with_teams(tx, found.id, rows)[0]

        return await self._db.scan(query)

    async def contents(self, organization: str) -> Contents:
        """Raises AccountUnknown."""

        def query(tx: Tx) -> Contents:
            id = organizations.find(tx, organization).id
            return Contents(*tx.one(_CONTENTS, id, id, id, organization))

        return await self._db.scan(query, long=True)

    async def holdings(self, user: str) -> Holdings:
        """Raises AccountUnknown."""
        return (await self.held_by([user]))[1]

    async def held_by(self, users: Sequence[str]) -> tuple[list[User], Holdings]:
        """These users, and how much belongs to them together. Raises AccountUnknown."""

        def query(tx: Tx) -> tuple[list[User], Holdings]:
            found = [accounts.find(tx, user) for user in users]
            held = [tx.one(_HOLDINGS, USER, user.id, now(), user.id, user.id) for user in found]
            return found, Holdings(*map(sum, zip(*held)))

        return await self._db.scan(query)

    async def robots(
        self, organization: str, part: str = "", key: str = "", before: bool = False, limit: int = 50
    ) -> Page[ListedRobot]:
        """Raises AccountUnknown."""
        place = ROBOT_LIST.place(NAME, key, before)

        def query(tx: Tx) -> Page[ListedRobot]:
            id = organizations.find(tx, organization).id
            conditions = [*equals("robots.organization_id", id), *contains(part, "robots.name")]
            found = ROBOT_LIST.page(tx, NAME, conditions, place, limit, tuple)
            return found._replace(items=_with_secrets(tx, found.items))

        return await self._db.scan(query)


def _user(row: Row) -> User:
    name, id, *rest = row
    return user_of((id, name, *rest))


def _of_users(part: str, state: str) -> list[Condition]:
    of_state = equals("users.administrator", 1) if state == ADMINISTRATORS else equals("users.state", state)
    return [*of_state, *contains(part, "users.name", "users.email", "users.full_name")]


def _of_members(organization_id: int, part: str, role: str) -> list[Condition]:
    return [
        *equals("members.organization_id", organization_id),
        *equals("members.role", role),
        *contains(part, "users.name"),
    ]


def _with_teams(tx: Tx, organization_id: int, rows: Sequence[Row]) -> list[ListedMember]:
    teams: dict[int, list[str]] = {}
    for user_id, team in _TEAMS.all(tx, [organization_id], [row[1] for row in rows]):
        teams.setdefault(user_id, []).append(team)
    return [ListedMember(name, *rest, tuple(sorted(teams.get(id, ())))) for name, id, *rest in rows]


def _with_secrets(tx: Tx, rows: Sequence[Row]) -> list[ListedRobot]:
    at = now()
    secrets = {id: rest for id, *rest in _SECRETS.all(tx, [ROBOT, at, at], [row[1] for row in rows])}
    return [ListedRobot(name, *rest, *secrets.get(id, (0, None, None))) for name, id, *rest in rows]
