"""Robot accounts.

Each belongs to an organization, logs in as ORGANIZATION/NAME with a secret, and may do what grants allow.
"""

from typing import NamedTuple

from ...db import ALL, Database, Tx, now
from ...errors import AccountUnknown, ChangeRefused
from ...names import account_name
from .. import audit
from ..access.rule import ACTIVE, DISABLED, ROBOT
from ..audit import Actor
from ..changes import Unchanged, access_changed, write_if_changed
from ..content.repositories import new_id
from ..credentials import access_tokens
from . import organizations
from .teams import split

_ROBOTS = (
    "SELECT robots.id, organizations.name, robots.name, robots.state, robots.created_at"
    " FROM robots JOIN organizations ON organizations.id = robots.organization_id"
)
_LIST = f"{_ROBOTS} WHERE robots.organization_id = ? AND robots.name > ? ORDER BY robots.name LIMIT ?"


# Robot accounts of an organization.
MOST = 1000
_COUNT = "SELECT COUNT(*) FROM robots WHERE organization_id = ?"


class Robot(NamedTuple):
    """created_at in milliseconds since 1970."""

    id: int
    organization: str
    name: str
    state: str
    created_at: int

    def __str__(self) -> str:
        return f"{self.organization}/{self.name}"


class Robots:
    def __init__(self, db: Database):
        self._db = db

    async def add(self, actor: Actor, name: str, expires_at: int | None = None) -> str:
        """Make ORGANIZATION/NAME, and return its secret, which is told only now.

        Raises FieldInvalid, AccountUnknown, ChangeRefused if it exists, or there are too many.
        """
        organization, own = split(name, "robot")
        account_name(own)
        secret = access_tokens.make_secret(access_tokens.ROBOT_PREFIX)

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            holder, made = organizations.find(tx, organization), new_id()
            if tx.one(_COUNT, holder.id)[0] >= MOST:
                raise organizations.TooMany(
                    f"organization {organization} has {MOST:,} robot accounts already", "delete one"
                )
            if not tx.insert(
                "INSERT INTO robots (id, organization_id, name, state, credential_generation, created_at) VALUES (?, ?,"
                " ?, ?, 0, ?)",
                *(made, holder.id, own, ACTIVE, now()),
            ):
                raise ChangeRefused(f"organization {organization} has a robot {own} already", "choose another name")
            access_tokens.store_robot_secret(tx, made, secret, expires_at)
            audit.note(tx, actor, "robot.add", f"robot {name}")

        await self._db.write(change)
        return secret

    async def rotate(self, actor: Actor, name: str, overlap: float, expires_at: int | None = None) -> str:
        """Make a new secret. The old ones go on working for `overlap` seconds. Raises AccountUnknown."""
        secret = access_tokens.make_secret(access_tokens.ROBOT_PREFIX)

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            robot = find(tx, name)
            access_tokens.shorten(tx, ROBOT, robot.id, now() + int(overlap * 1000))
            access_tokens.store_robot_secret(tx, robot.id, secret, expires_at)
            audit.note(tx, actor, "robot.rotate", f"robot {name}", overlap=overlap)

        await self._db.write(change)
        return secret

    async def get(self, name: str) -> Robot:
        """By ORGANIZATION/NAME. Raises FieldInvalid, AccountUnknown."""
        return await self._db.scan(lambda tx: find(tx, name))

    async def secrets(self, name: str) -> list[access_tokens.AccessToken]:
        """The secrets with state and last use, the newest last. So one sees whether an old one is still used.

        Raises FieldInvalid, AccountUnknown.
        """
        return await self._db.scan(lambda tx: access_tokens.of_holder(tx, ROBOT, find(tx, name).id))

    async def secrets_by_hint(self, name: str, after: str, limit: int) -> list[access_tokens.AccessToken]:
        """A page of them: those with hints greater than `after`."""
        return await self._db.scan(lambda tx: access_tokens.by_hint(tx, ROBOT, find(tx, name).id, after, limit))

    async def list(self, organization: str, after: str = "", limit: int = ALL) -> list[Robot]:
        """Robots with names greater than `after`. Raises AccountUnknown."""

        def query(tx: Tx) -> list[Robot]:
            return [Robot(*row) for row in tx.all(_LIST, organizations.find(tx, organization).id, after, limit)]

        return await self._db.scan(query)

    async def set_state(self, actor: Actor, name: str, active: bool) -> None:
        """Raises AccountUnknown."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            robot, state = find(tx, name), ACTIVE if active else DISABLED
            if robot.state == state:
                raise Unchanged
            tx.run(
                "UPDATE robots SET state = ?, credential_generation = credential_generation + 1 WHERE id = ?",
                state,
                robot.id,
            )
            audit.note(tx, actor, "robot.enable" if active else "robot.disable", f"robot {name}")

        await write_if_changed(self._db, change, brings=0)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete the robot with its grants and secrets. Raises AccountUnknown."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            robot = find(tx, name)
            tx.run("DELETE FROM grants WHERE holder_kind = 'robot' AND holder_id = ?", robot.id)
            tx.run("DELETE FROM access_tokens WHERE holder_kind = 'robot' AND holder_id = ?", robot.id)
            tx.run("DELETE FROM robots WHERE id = ?", robot.id)
            audit.note(tx, actor, "robot.delete", f"robot {name}")

        await self._db.write(change, brings=0)


def find(tx: Tx, text: str) -> Robot:
    """By ORGANIZATION/NAME. Raises FieldInvalid, AccountUnknown."""
    row = tx.one(f"{_ROBOTS} WHERE organizations.name = ? AND robots.name = ?", *split(text, "robot"))
    if row is None:
        raise AccountUnknown(f"there is no robot {text}")
    return Robot(*row)
