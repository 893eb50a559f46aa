"""Principals as the rule of access/rule.py takes them. They are made of their rows once, and remembered until anything
changes.

A remembered principal counts only for the access version under which it was read. Each request reads the access version
(access/facts.py), so every change is effective with the next request at every worker and node.
"""

from collections import OrderedDict

from ...db import Database, Tx
from ..access import facts, rule
from ..access.facts import Facts
from ..access.rule import ACTIVE, ROBOT, USER, Principal
from ..changes import access_version

_USER = "SELECT id, name, administrator, state, credential_generation FROM users WHERE id = ?"
_MEMBERSHIPS = (
    "SELECT organizations.name, members.role FROM members JOIN organizations ON organizations.id ="
    " members.organization_id WHERE members.user_id = ?"
)
_TEAMS = (
    "SELECT organizations.name, teams.name, teams.id FROM team_members JOIN teams ON teams.id = team_members.team_id"
    " JOIN organizations ON organizations.id = teams.organization_id WHERE team_members.user_id = ?"
)
_GRANTS = "SELECT pattern, permission FROM grants WHERE holder_kind = ? AND holder_id = ?"
_TEAM_GRANTS = "SELECT pattern, permission FROM grants WHERE holder_kind = 'team' AND holder_id = ?"
_ROBOT = (
    "SELECT robots.id, organizations.name, robots.name, robots.state, robots.credential_generation FROM robots"
    " JOIN organizations ON organizations.id = robots.organization_id WHERE robots.id = ?"
)
_REMEMBERED = 10_000
# `explain` names an access token with this prefix.
TOKEN = "token:"


def holder_of(text: str) -> str:
    """The holder as grants.find_holder takes it.

    The text is that already, or the name for logging in: NAME, or ORGANIZATION/NAME for a robot.
    """
    if ":" in text:
        return text
    return f"{ROBOT if '/' in text else USER}:{text}"


class Principals:
    """setting: auth.anonymous. Empty means none, and all rights for this machine until there is an account."""

    def __init__(self, db: Database, setting: str):
        self._db = db
        self._setting = setting
        self._everyone = setting or "none"
        self._known: OrderedDict[tuple[str, int], tuple[int, Principal | None]] = OrderedDict()

    async def facts(self, repository: str) -> Facts:
        """What the rule has to know about a repository, which need not exist."""
        return await facts.ask(self._db, repository)

    async def access_version(self) -> int:
        """The access version alone, for requests that concern no repository."""
        return await self._db.read(access_version)

    def anonymous(self, access_version: int, local: bool = False) -> Principal:
        """The principal of a request without credentials, at this access version.

        local: from this machine, through no proxy.
        """
        return rule.anonymous("all" if local and access_version == 0 else self._everyone, open=access_version == 0)

    async def get(self, kind: str, id: int, access_version: int) -> Principal | None:
        """The user or robot as of this access version. None if there is no such account."""
        remembered = self._known.get((kind, id))
        if remembered is None or remembered[0] != access_version:
            remembered = await self._db.scan(lambda tx: self._read(tx, kind, id))
            self._known[kind, id] = remembered
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return remembered[1]

    async def named(self, text: str) -> Principal | None:
        """The principal to explain: a text for `holder_of`, token:USER/NAME, token:ID, a token as the access log names
        it, or anonymous.

        Raises FieldInvalid, AccountUnknown.
        """
        from . import grants

        if text == rule.ANONYMOUS:
            return self.anonymous(await self.access_version(), local=not self._setting)
        _, token, name = text.rpartition(TOKEN)
        if token:
            return await self._db.scan(lambda tx: self._with_token(tx, name))
        kind, id = await self._db.scan(lambda tx: grants.find_holder(tx, holder_of(text)))
        return (await self._db.scan(lambda tx: self._read(tx, kind, id)))[1]

    def _with_token(self, tx: Tx, text: str) -> Principal | None:
        """The token's owner, limited to what the access token allows."""
        from ..credentials import access_tokens

        kind, id, token = access_tokens.named(tx, text)
        principal = self._read(tx, kind, id)[1]
        if principal is None:
            return None
        principal = rule.narrowed(principal, access_tokens.scope(token.patterns, token.actions))
        return (
            principal if token.state == ACTIVE or principal.state != ACTIVE else principal._replace(state=token.state)
        )

    def fresh(self, tx: Tx, kind: str, id: int) -> Principal | None:
        """The user or robot as this transaction sees them."""
        return self._read(tx, kind, id)[1]

    def _read(self, tx: Tx, kind: str, id: int) -> tuple[int, Principal | None]:
        found = _user(tx, id) if kind == USER else _robot(tx, id)
        return access_version(tx), found and found._replace(everyone=self._everyone)


def _user(tx: Tx, id: int) -> Principal | None:
    from . import grants  # with what it imports this is half of the code on accounts; a start is quicker without it

    row = tx.one(_USER, id)
    if row is None:
        return None
    _, name, administrator, state, generation = row
    teams = tx.all(_TEAMS, id)
    rows = [(pattern, right, f"{USER}:{name}") for pattern, right in tx.all(_GRANTS, USER, id)]
    for organization, team, team_id in teams:
        rows += [
            (pattern, right, f"{grants.TEAM}:{organization}/{team}") for pattern, right in tx.all(_TEAM_GRANTS, team_id)
        ]
    principal = Principal(id, USER, name, bool(administrator), state, dict(tx.all(_MEMBERSHIPS, id)))
    return principal._replace(
        teams=tuple(f"{organization}/{team}" for organization, team, _ in teams),
        grants=grants.compiled(rows),
        credential_generation=generation,
    )


def _robot(tx: Tx, id: int) -> Principal | None:
    from . import grants

    row = tx.one(_ROBOT, id)
    if row is None:
        return None
    _, organization, own, state, generation = row
    name = f"{organization}/{own}"
    rows = [(pattern, right, f"{ROBOT}:{name}") for pattern, right in tx.all(_GRANTS, ROBOT, id)]
    return Principal(id, ROBOT, name, state=state, grants=grants.compiled(rows), credential_generation=generation)
