"""Invitations: codes with which people make accounts themselves, once each, until they expire.

A code may be for one e-mail address only. It may make the new user a member of an organization.
"""

import secrets
from typing import NamedTuple

from ...db import Database, Tx, now
from ...errors import AccountUnknown, Denied, FieldInvalid
from .. import audit
from ..access.rule import MEMBER
from ..audit import Actor
from ..changes import access_changed, require_accounts
from ..content.repositories import new_id
from ..credentials.access_tokens import digest
from . import organizations, profiles

LIFE_MS = 7 * 86400_000
_LONGEST_MS = 366 * 86400_000
# How long a used or expired invitation stays in the list.
_SHOWN_MS = 30 * 86400_000
_COLUMNS = (
    "SELECT invitations.id, invitations.email, organizations.name, invitations.role, invitations.made_by,"
    " invitations.created_at, invitations.expires_at, invitations.used_at, invitations.used_by FROM invitations LEFT"
    " JOIN organizations ON organizations.id = invitations.organization_id"
)
_LIST = f"{_COLUMNS} WHERE invitations.id > ? ORDER BY invitations.id LIMIT ?"
_BY_CODE = (
    "SELECT id, email, organization_id, role FROM invitations WHERE digest = ? AND used_at IS NULL AND expires_at > ?"
)


class Invitation(NamedTuple):
    """An invitation without its code. Times in milliseconds since 1970. used_by: the account that was made with it."""

    id: int
    email: str | None
    organization: str | None
    role: str | None
    made_by: str
    created_at: int
    expires_at: int
    used_at: int | None
    used_by: str | None

    @property
    def state(self) -> str:
        if self.used_at is not None:
            return "used"
        return "expired" if self.expires_at <= now() else "open"


class OpenInvitation(NamedTuple):
    """What an open invitation gives."""

    id: int
    email: str | None
    organization_id: int | None
    role: str | None


class NewInvitation(NamedTuple):
    """A new invitation and its code, which is told only now."""

    id: int
    code: str


class Invitations:
    def __init__(self, db: Database):
        self._db = db

    async def add(
        self,
        actor: Actor,
        email: str | None = None,
        expires_at: int | None = None,
        organization: str | None = None,
        role: str = MEMBER,
    ) -> NewInvitation:
        """Raises FieldInvalid, AccountUnknown, ChangeRefused if there are no accounts.

        expires_at: in milliseconds since 1970; in a week without it.
        """
        made, code, at = new_id(), secrets.token_urlsafe(32), now()
        email = profiles.Profile(email=email).checked().email
        until = _end(at, expires_at)
        organizations.role_name(role)

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            require_accounts(tx)
            joined, joined_as = (organizations.find(tx, organization).id, role) if organization else (None, None)
            tx.run("DELETE FROM invitations WHERE expires_at < ?", at - _SHOWN_MS)
            tx.run(
                "INSERT INTO invitations (id, digest, email, organization_id, role, made_by, created_at, expires_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                *(made, digest(code), email, joined, joined_as, actor.name[:160], at, until),
            )
            noted = {"email": email, "organization": organization, "role": joined_as, "expires_at": until}
            audit.note(tx, actor, "invitation.add", f"invitation {made}", **noted)

        await self._db.write(change)
        return NewInvitation(made, code)

    async def list(self, after: int = 0, limit: int = 1000) -> list[Invitation]:
        """Invitations with ids greater than `after`, the oldest first."""
        return [Invitation(*row) for row in await self._db.scan(lambda tx: tx.all(_LIST, after, limit))]

    async def of_code(self, code: str) -> OpenInvitation:
        """The open invitation with this code. Raises Denied."""
        return await self._db.scan(lambda tx: find(tx, code, None))

    async def revoke(self, actor: Actor, id: int) -> None:
        """Raises AccountUnknown if there is no such open invitation."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            if not tx.run("DELETE FROM invitations WHERE id = ? AND used_at IS NULL", id):
                raise AccountUnknown(f"there is no open invitation {id}")
            audit.note(tx, actor, "invitation.revoke", f"invitation {id}")

        await self._db.write(change, brings=0)


def _end(at: int, expires_at: int | None) -> int:
    """Times in milliseconds since 1970. Raises FieldInvalid."""
    until = at + LIFE_MS if expires_at is None else expires_at
    if not at < until <= at + _LONGEST_MS:
        raise FieldInvalid("the invitation would expire at once, or after more than a year", "say a time such as 7d")
    return until


def find(tx: Tx, code: str, email: str | None) -> OpenInvitation:
    """What the code gives to the owner of this address.

    Raises Denied, with the same words for all codes that do not count.
    """
    row = tx.one(_BY_CODE, digest(code), now())
    found = OpenInvitation(*row) if row else None
    if found is None or (found.email and email and found.email.casefold() != email.casefold()):
        raise Denied(
            "the invitation is used up, has expired, is for another address, or was never one", "ask for a new one"
        )
    return found


def use(tx: Tx, invited: OpenInvitation, user_id: int, name: str) -> None:
    """Note that the account was made with it. The caller's transaction began with access_changed and then found it."""
    tx.run("UPDATE invitations SET used_at = ?, used_by = ? WHERE id = ?", now(), name, invited.id)
    if invited.organization_id is not None:
        organizations.join(tx, invited.organization_id, user_id, invited.role or MEMBER)
