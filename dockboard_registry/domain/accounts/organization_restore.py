"""Keeps rows that are deleted with an organization, so that the deletion can be undone while the name is not free.

These are its members, teams, robot accounts with the digests of their secrets, grants and quota, but not its open
invitations. A row is not restored if something that it needs (a user, a team of another organization, a namespace) was
deleted meanwhile.
"""

import json
from collections.abc import Callable
from typing import NamedTuple

from ...db import Row, Tx, now
from ...errors import AccountUnknown, ChangeRefused
from ..access.rule import OWNER, USER
from ..quotas import quota_sums
from . import namespaces

_TEAMS, _ROBOTS = (
    "(SELECT id FROM teams WHERE organization_id = ?)",
    "(SELECT id FROM robots WHERE organization_id = ?)",
)
_GRANT = "id, holder_kind, holder_id, pattern, namespace, permission, created_at"
_TOKEN = (
    "id, holder_kind, holder_id, name, digest, hint, patterns, actions, created_at, expires_at, last_used_at,"
    " last_used_from, revoked_at"
)
_HELD_BY = "(SELECT holder_id FROM namespaces WHERE namespaces.name = grants.namespace AND released_at IS NULL)"
_HOLDER = "SELECT (SELECT holder_id FROM namespaces WHERE name = ? AND released_at IS NULL)"
_QUOTA = "SELECT most_repositories, most_bytes FROM quotas WHERE namespace = ?"
_PUT = "INSERT INTO deleted_organizations (name, id, deleted_at, kept) VALUES (?, ?, ?, ?)"
_EXISTS = {
    USER: "SELECT 1 FROM users WHERE id = ?",
    "team": "SELECT 1 FROM teams WHERE id = ?",
    "robot": "SELECT 1 FROM robots WHERE id = ?",
}


def _is_there(tx: Tx, kind: str, id: int) -> bool:
    return tx.one(_EXISTS[kind], id) is not None


def _user_is_there(tx: Tx, row: Row) -> bool:
    return _is_there(tx, USER, row[1])


def _grant_stands(tx: Tx, row: Row) -> bool:
    """Whether its holder exists and the namespace still has the same owner.

    A later owner of the name gave nobody this right.
    """
    _, kind, id, _, namespace, *_, holder = row
    return _is_there(tx, kind, id) and tx.one(_HOLDER, namespace) == (holder,)


class Part(NamedTuple):
    """Rows of one table. stands: whether a row may be restored now."""

    select: str
    insert: str
    stands: Callable[[Tx, Row], bool] = lambda tx, row: True


# In the order in which they are restored. The parameters of each select are the organization's id, once for each
# question mark.
_PARTS = (
    Part(
        "SELECT id, name, created_at FROM organizations WHERE id = ?",
        "INSERT INTO organizations (id, name, created_at) VALUES (?, ?, ?)",
    ),
    Part(
        "SELECT organization_id, user_id, role, created_at FROM members WHERE organization_id = ?",
        "INSERT INTO members (organization_id, user_id, role, created_at) VALUES (?, ?, ?, ?)",
        _user_is_there,
    ),
    Part(
        "SELECT id, organization_id, name, created_at FROM teams WHERE organization_id = ?",
        "INSERT INTO teams (id, organization_id, name, created_at) VALUES (?, ?, ?, ?)",
    ),
    Part(
        f"SELECT team_id, user_id FROM team_members WHERE team_id IN {_TEAMS}",
        "INSERT INTO team_members (team_id, user_id) VALUES (?, ?)",
        _user_is_there,
    ),
    Part(
        "SELECT id, organization_id, name, state, credential_generation, created_at FROM robots WHERE"
        " organization_id = ?",
        "INSERT INTO robots (id, organization_id, name, state, credential_generation, created_at) VALUES (?, ?, ?, ?,"
        " ?, ?)",
    ),
    Part(
        f"SELECT {_TOKEN} FROM access_tokens WHERE holder_kind = 'robot' AND holder_id IN {_ROBOTS}",
        f"INSERT INTO access_tokens ({_TOKEN}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    Part(
        f"SELECT {_GRANT}, {_HELD_BY} FROM grants WHERE namespace = (SELECT name FROM organizations WHERE id = ?)"
        f" OR (holder_kind = 'team' AND holder_id IN {_TEAMS}) OR (holder_kind = 'robot' AND holder_id IN {_ROBOTS})",
        f"INSERT INTO grants ({_GRANT}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        _grant_stands,
    ),
)


def keep(tx: Tx, id: int, name: str) -> None:
    """Save all rows of the organization before they are deleted."""
    rows = [tx.all(part.select, *[id] * part.select.count("?")) for part in _PARTS]
    tx.run("DELETE FROM deleted_organizations WHERE name = ?", name)
    tx.run(_PUT, name, id, now(), json.dumps({"rows": rows, "quota": tx.one(_QUOTA, name)}))


def restore(tx: Tx, name: str, quarantine: float, owner_id: int | None = None) -> None:
    """Restore the organization; quarantine in seconds. owner_id: a user who becomes its owner.

    Raises AccountUnknown, ChangeRefused. The caller's transaction began with access_changed.
    """
    found = tx.one("SELECT id, deleted_at, kept FROM deleted_organizations WHERE name = ?", name)
    held = namespaces.find(tx, name)
    if found is None or held is None or held.holder_id != found[0]:
        raise AccountUnknown(f"no organization {name} was deleted lately", "make one with `org add`")
    if now() >= found[1] + int(quarantine * 1000):
        raise ChangeRefused(
            f"organization {name} was deleted too long ago (auth.quarantine)", "make a new one with `org add`"
        )
    kept = json.loads(found[2])
    namespaces.take_back(tx, name)
    for part, rows in zip(_PARTS, kept["rows"]):
        for row in filter(lambda row: part.stands(tx, row), rows):
            tx.insert(part.insert, *row[: part.insert.count("?")])
    if owner_id is not None:
        _put_owner(tx, found[0], owner_id)
    if tx.one("SELECT 1 FROM members WHERE organization_id = ? AND role = ? LIMIT 1", found[0], OWNER) is None:
        raise ChangeRefused(
            f"no owner of organization {name} has an account any more", "name a new owner (--owner USER)"
        )
    if kept["quota"]:
        tx.insert(quota_sums.INSERT, name, *kept["quota"])
    tx.run("DELETE FROM deleted_organizations WHERE name = ?", name)


def _put_owner(tx: Tx, id: int, user_id: int) -> None:
    tx.run("DELETE FROM members WHERE organization_id = ? AND user_id = ?", id, user_id)
    insert = "INSERT INTO members (organization_id, user_id, role, created_at) VALUES (?, ?, ?, ?)"
    tx.run(insert, id, user_id, OWNER, now())


def forget(tx: Tx, quarantine: float) -> None:
    """Delete the saved rows of organizations that can't be restored any more."""
    tx.run("DELETE FROM deleted_organizations WHERE deleted_at < ?", now() - int(quarantine * 1000))
