"""People who make their own accounts, as auth.registration lets them: at once, after an administrator's approval, or by
invitation.
"""

from typing import NamedTuple

from ...clients import network_of
from ...db import Database, Tx
from ...errors import AccountUnknown, ChangeRefused, Denied, TooManyRequests
from ...names import namespace_name
from .. import audit
from ..access.rule import ACTIVE, PENDING
from ..audit import Actor
from ..changes import access_changed, require_accounts
from ..credentials import passwords
from ..credentials.passwords import Passwords
from ..credentials.throttle import Throttle
from . import accounts, invitations, namespaces
from .invitations import OpenInvitation
from .profiles import Profile

OFF, OPEN, APPROVAL, INVITATION = MODES = ("off", "open", "approval", "invitation")
# Accounts from one network in an hour, and accounts that wait for approval in all.
MOST, SECONDS = 10, 3600
MOST_PENDING = 1000
_PENDING = (
    "SELECT name, email, full_name, created_at FROM users WHERE state = 'pending' AND name > ? ORDER BY name LIMIT ?"
)
_COUNT_PENDING = "SELECT COUNT(*) FROM users WHERE state = 'pending'"


class PendingAccount(NamedTuple):
    """An account that waits for approval; created_at in milliseconds since 1970."""

    name: str
    email: str | None
    full_name: str | None
    created_at: int


class Registrations:
    """mode: auth.registration; quarantine: seconds until a name that was given up is free again."""

    def __init__(self, db: Database, passwords: Passwords, throttle: Throttle, mode: str, quarantine: float):
        self._db = db
        self._passwords = passwords
        self._throttle = throttle
        self.mode = mode
        self._quarantine = quarantine

    async def register(
        self,
        address: str,
        name: str,
        password: str,
        email: str | None = None,
        full_name: str | None = None,
        code: str | None = None,
    ) -> str:
        """Make an account, and return its state: active or pending. With an invitation it needs no approval.

        E-mail addresses are not unique, and nobody has proven to own one, so the answer does not depend on whether one
        is known. Raises Denied, TooManyRequests, FieldInvalid, ChangeRefused if the name is not free.
        """
        self._require_open(code)
        await self._throttle.spend(f"register {network_of(address)}", MOST, SECONDS)
        namespace_name(name)
        profile = Profile(email, full_name).checked()
        passwords.check_choice(password, name, *filter(None, [(profile.email or "").partition("@")[0]]))
        if code:
            await self._db.scan(lambda tx: invitations.find(tx, code, profile.email))
        async with self._passwords.slot():
            stored = await self._passwords.hash(password)
        return await self._db.write(lambda tx: self._register(tx, address, name, stored, profile, code))

    def _require_open(self, code: str | None) -> None:
        if self.mode == OFF:
            raise Denied("this registry lets nobody make an account", "ask an administrator of the registry for one")
        if self.mode == INVITATION and not code:
            raise Denied(
                "this registry lets only those make an account who have an invitation",
                "ask an administrator of the registry for one",
            )

    def _register(self, tx: Tx, address: str, name: str, stored: str, profile: Profile, code: str | None) -> str:
        access_changed(tx)
        require_accounts(tx)
        invited = invitations.find(tx, code, profile.email) if code else None
        if invited is not None and invited.email:
            profile = profile._replace(email=invited.email)
        state = ACTIVE if invited is not None or self.mode == OPEN else PENDING
        if state == PENDING and tx.one(_COUNT_PENDING)[0] >= MOST_PENDING:
            raise TooManyRequests(
                "too many accounts wait for approval",
                "try again when administrators have seen to them",
                {"Retry-After": str(SECONDS)},
            )
        self._insert(tx, Actor(f"user {name}", address), name, stored, profile, state, invited)
        return state

    def _insert(
        self, tx: Tx, actor: Actor, name: str, stored: str, profile: Profile, state: str, invited: OpenInvitation | None
    ) -> None:
        try:
            made = accounts.insert(tx, name, stored, profile, quarantine=self._quarantine, state=state)
        except ChangeRefused:
            # Strangers do not learn whether the name is taken, was given up lately or has repositories.
            raise ChangeRefused(f"the name {name} is not free", "choose another name") from None
        if invited is not None:
            invitations.use(tx, invited, made, name)
        audit.note(tx, actor, "user.register", f"user {name}", state=state, invitation=invited.id if invited else None)

    async def waiting(self, after: str = "", limit: int = 1000) -> list[PendingAccount]:
        """Accounts that wait for approval, with names greater than `after` in byte order."""
        return [PendingAccount(*row) for row in await self._db.scan(lambda tx: tx.all(_PENDING, after, limit))]

    async def approve(self, actor: Actor, name: str) -> None:
        """From now on the account counts. Raises AccountUnknown if no account of that name waits."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            person = _waiting(tx, name)
            tx.run("UPDATE users SET state = ? WHERE id = ?", ACTIVE, person.id)
            audit.note(tx, actor, "user.approve", f"user {name}")

        await self._db.write(change)

    async def reject(self, actor: Actor, name: str) -> None:
        """Delete the account. Its name is free at once. Raises AccountUnknown if no account of that name waits."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            accounts.remove(tx, _waiting(tx, name))
            namespaces.drop(tx, name)
            audit.note(tx, actor, "user.reject", f"user {name}")

        await self._db.write(change, brings=0)


def _waiting(tx: Tx, name: str) -> accounts.User:
    person = accounts.find(tx, name)
    if person.state != PENDING:
        raise AccountUnknown(f"no account {name} waits for approval")
    return person
