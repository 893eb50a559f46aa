"""Users: their accounts, states, passwords and profiles.

A user's name is also the name of a namespace, which the user owns.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...db import Database, Tx, now
from ...errors import AccountUnknown, ChangeRefused
from ...names import namespace_name
from .. import audit
from ..access.rule import ACTIVE, DISABLED, OWNER, USER
from ..audit import Actor
from ..changes import Unchanged, access_changed, recheck_rights, write_if_changed
from ..content.repositories import new_id
from ..credentials import passwords, throttle
from ..credentials.passwords import Passwords
from ..social.rows import OF_A_USER
from . import namespaces
from .profiles import Profile, avatar_hash, require_avatar_hash

INVITED = "invited"
# The columns of a User. None of them is secret.
MORE_COLUMNS = "email, state, administrator, created_at, last_seen_at, full_name, company, location, url, avatar_hash"
_COLUMNS = f"id, name, {MORE_COLUMNS}"
_BY_NAME = f"SELECT {_COLUMNS} FROM users WHERE name = ?"
_LAST_OWNED = (
    "SELECT organizations.name FROM members JOIN organizations ON organizations.id = members.organization_id WHERE"
    " members.user_id = ? AND members.role = ? AND NOT EXISTS (SELECT 1 FROM members others WHERE"
    " others.organization_id = members.organization_id AND others.role = members.role AND others.user_id <>"
    " members.user_id) ORDER BY organizations.name LIMIT 1"
)


class User(NamedTuple):
    """A user; times in milliseconds since 1970."""

    id: int
    name: str
    email: str | None
    state: str
    administrator: bool
    created_at: int
    last_seen_at: int | None
    full_name: str | None
    company: str | None
    location: str | None
    url: str | None
    avatar_hash: str | None

    @property
    def profile(self) -> Profile:
        return Profile(self.email, self.full_name, self.company, self.location, self.url)


class Accounts:
    """quarantine: seconds until a name that was given up is free again."""

    def __init__(self, db: Database, passwords: Passwords, quarantine: float):
        self._db = db
        self._passwords = passwords
        self._quarantine = quarantine

    async def add(
        self,
        actor: Actor,
        name: str,
        password: str | None,
        profile: Profile = Profile(),
        administrator: bool = False,
        adopt: bool = False,
        own: bool = False,
    ) -> None:
        """Make an account. Without a password it is only invited.

        adopt: also if there are repositories below its name. own: the user chose the password. Raises FieldInvalid,
        ChangeRefused if the name is taken.
        """
        namespace_name(name)
        profile = profile.checked()
        stored = await self._hash(password, name, profile.email) if password is not None else None

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            made = insert(tx, name, stored, profile, administrator, adopt, self._quarantine)
            if stored and not own:
                note_given(tx, made)
            audit.note(tx, actor, "user.add", f"user {name}", administrator=administrator)

        await self._db.write(change)

    async def list(self, after: str = "", limit: int = 1000) -> list[User]:
        """Users with names greater than `after` in byte order."""
        rows = await self._db.scan(
            lambda tx: tx.all(f"SELECT {_COLUMNS} FROM users WHERE name > ? ORDER BY name LIMIT ?", after, limit)
        )
        return [user_of(row) for row in rows]

    async def get(self, name: str) -> User:
        """Raises AccountUnknown."""
        return await self._db.scan(lambda tx: find(tx, name))

    async def set_state(self, actor: Actor, name: str, active: bool) -> None:
        """Enable or disable the account.

        Raises AccountUnknown, ChangeRefused for the last administrator and for an account without a password.
        """
        await self.change(actor, name, {}, active=active)

    async def set_states(self, actor: Actor, names: Sequence[str], active: bool) -> None:
        """Enable or disable several accounts: all of them or none. Raises what `set_state` raises."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            if not any([_set_state(tx, actor, find(tx, name), active) for name in names]):
                raise Unchanged

        await write_if_changed(self._db, change, brings=0)

    async def set_administrator(self, actor: Actor, name: str, administrator: bool) -> None:
        """Raises AccountUnknown, ChangeRefused for the last administrator."""
        await self.change(actor, name, {}, administrator=administrator)

    async def change(
        self,
        actor: Actor,
        name: str,
        profile: Mapping[str, str | None],
        active: bool | None = None,
        administrator: bool | None = None,
    ) -> None:
        """Change fields of the profile by name, the state, and whether the user administers: all of it or nothing.

        avatar_hash is the hash by which avatar services know the user. It is that of the e-mail address unless another
        one is given. Raises what the single changes raise.
        """
        given = dict(profile)
        avatar = given.pop("avatar_hash", None)

        def change(tx: Tx) -> None:
            if active is None and administrator is None:
                recheck_rights(tx, actor)
            else:
                access_changed(tx, actor)
            user = find(tx, name)
            changed = administrator is not None and _set_administrator(tx, actor, user, administrator)
            changed |= active is not None and _set_state(tx, actor, find(tx, name), active)
            changed |= bool(profile) and _set_profile(tx, actor, user, user.profile._replace(**given).checked(), avatar)
            if not changed:
                raise Unchanged

        await write_if_changed(self._db, change, brings=0)

    async def set_password(self, actor: Actor, name: str, password: str) -> None:
        """Set another password. Signed tokens that were made from the old one, and one-time tokens, become invalid.

        Raises FieldInvalid.
        """
        user = await self.get(name)
        stored = await self._hash(password, name, user.email)

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            user = find(tx, name)
            replace_password(tx, user, stored)
            if actor.name != f"user {name}":
                note_given(tx, user.id)
            audit.note(tx, actor, "user.password", f"user {name}")

        await self._db.write(change, brings=0)

    async def set_profile(self, actor: Actor, name: str, profile: Profile) -> None:
        """Raises AccountUnknown, FieldInvalid."""
        new = profile.checked()

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            if not _set_profile(tx, actor, find(tx, name), new):
                raise Unchanged

        await write_if_changed(self._db, change)

    async def unlock(self, actor: Actor, name: str) -> None:
        """Forget wrong passwords, so that the user can log in from everywhere again. Raises AccountUnknown."""

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            throttle.forget(tx, find(tx, name).id, name)
            audit.note(tx, actor, "user.unlock", f"user {name}")

        await self._db.write(change, brings=0)

    async def delete(self, actor: Actor, name: str) -> None:
        """Delete the account with its grants and tokens. Repositories stay, for administrators and for holders of
        grants.

        Raises AccountUnknown; ChangeRefused for the last administrator, and for the last owner of an organization.
        """

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            user = find(tx, name)
            _require_another_administrator(tx, user)
            if owned := tx.one(_LAST_OWNED, user.id, OWNER):
                raise ChangeRefused(
                    f"{name} is the last owner of organization {owned[0]}",
                    "make another member its owner first, or delete it",
                )
            remove(tx, user)
            namespaces.release(tx, name)
            audit.note(tx, actor, "user.delete", f"user {name}")

        await self._db.write(change, brings=0)

    async def withdraw(self, actor: Actor, name: str) -> None:
        """Undo an invitation whose mail failed. The account is removed, and its name is free at once.

        Raises AccountUnknown, ChangeRefused.
        """

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            user = find(tx, name)
            if user.state != INVITED:
                raise ChangeRefused(f"{name} is more than invited", "delete the account instead")
            remove(tx, user)
            namespaces.drop(tx, name)
            audit.note(tx, actor, "user.withdraw", f"user {name}")

        await self._db.write(change, brings=0)

    async def _hash(self, password: str, *names: str | None) -> str:
        passwords.check_choice(password, *(part for name in names if name for part in (name, name.partition("@")[0])))
        async with self._passwords.slot():
            return await self._passwords.hash(password)


# The password stays the one that somebody else set.
_CHANGE_STATE = (
    "UPDATE users SET state = ?, credential_generation = credential_generation + 1, password_given = password_given + 1"
    " WHERE id = ?"
)
_END_SESSIONS = "DELETE FROM browser_sessions WHERE user_id = ?"
_OF_A_USER = (
    "DELETE FROM members WHERE user_id = ?",
    "DELETE FROM team_members WHERE user_id = ?",
    "DELETE FROM grants WHERE holder_kind = 'user' AND holder_id = ?",
    "DELETE FROM access_tokens WHERE holder_kind = 'user' AND holder_id = ?",
    "DELETE FROM one_time_tokens WHERE user_id = ?",
    "DELETE FROM known_networks WHERE user_id = ?",
    _END_SESSIONS,
    "DELETE FROM preferences WHERE user_id = ?",
    *OF_A_USER,
    "DELETE FROM users WHERE id = ?",
)


def insert(
    tx: Tx,
    name: str,
    stored: str | None,
    profile: Profile,
    administrator: bool = False,
    adopt: bool = False,
    quarantine: float = 0,
    state: str = "",
) -> int:
    """Insert an account and its namespace, and return its id. Raises ChangeRefused if the name is taken.

    quarantine in seconds. state: empty for active, or invited without a password. The caller's transaction began with
    access_changed.
    """
    made = new_id()
    namespaces.claim(tx, name, USER, made, quarantine, adopt)
    tx.run(
        "INSERT INTO users (id, name, password, state, administrator, credential_generation, created_at, email,"
        " full_name, company, location, url, avatar_hash) VALUES (?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?)",
        *(
            made,
            name,
            stored,
            state or (ACTIVE if stored else INVITED),
            int(administrator),
            now(),
            *profile,
            avatar_hash(profile.email),
        ),
    )
    return made


def imported_hashes(tx: Tx) -> list[str]:
    """Password hashes from other programs, of users who have not logged in since."""
    return [stored for (stored,) in tx.all("SELECT password FROM users WHERE password NOT LIKE '$scrypt$%'")]


def remove(tx: Tx, user: User) -> None:
    """Delete the rows of an account, but not its namespace."""
    for table_rows in _OF_A_USER:
        tx.run(table_rows, user.id)
    throttle.forget(tx, user.id, user.name)


def find(tx: Tx, name: str) -> User:
    """Raises AccountUnknown."""
    row = tx.one(_BY_NAME, name)
    if row is None:
        raise AccountUnknown(f"there is no user {name}")
    return user_of(row)


def find_and_lock(tx: Tx, name: str) -> User:
    """The user's row, locked until the transaction ends. For changes that do not advance the access version.

    Raises AccountUnknown.
    """
    tx.lock("SELECT id FROM users WHERE name = ?", name)
    return find(tx, name)


def _set_state(tx: Tx, actor: Actor, user: User, active: bool) -> bool:
    """Returns whether the state changed."""
    state = ACTIVE if active else DISABLED
    if user.state == state:
        return False
    if active and tx.one("SELECT password FROM users WHERE id = ?", user.id)[0] is None:
        raise ChangeRefused("the account has no password yet", "set one first")
    if not active:
        _require_another_administrator(tx, user)
    tx.run(_CHANGE_STATE, state, user.id)
    audit.note(tx, actor, "user.enable" if active else "user.disable", f"user {user.name}")
    return True


def _set_administrator(tx: Tx, actor: Actor, user: User, administrator: bool) -> bool:
    """Returns whether it changed. Whoever has signed in to the pages has to do so again, with the new role."""
    if user.administrator == administrator:
        return False
    if not administrator:
        _require_another_administrator(tx, user)
    tx.run(_END_SESSIONS, user.id)
    tx.run("UPDATE users SET administrator = ? WHERE id = ?", int(administrator), user.id)
    audit.note(tx, actor, "user.administrator", f"user {user.name}", administrator=administrator)
    return True


def _set_profile(tx: Tx, actor: Actor, user: User, new: Profile, avatar: str | None = None) -> bool:
    """Returns whether it changed.

    avatar: a hash other than that of the address. Empty: the hash of the address again. None: keep it until the address
    changes.
    """
    if avatar:
        require_avatar_hash(avatar)
    if avatar is None and new.email == user.email:
        avatar = user.avatar_hash
    avatar = avatar or avatar_hash(new.email)
    if (new, avatar) == (user.profile, user.avatar_hash):
        return False
    tx.run(
        "UPDATE users SET email = ?, full_name = ?, company = ?, location = ?, url = ?, avatar_hash = ? WHERE id = ?",
        *new,
        avatar,
        user.id,
    )
    audit.note(tx, actor, "user.profile", f"user {user.name}")
    return True


def note_given(tx: Tx, user_id: int) -> None:
    """The user's password was just set by somebody else. This is forgotten when the password is set again."""
    tx.run("UPDATE users SET password_given = credential_generation WHERE id = ?", user_id)


def replace_password(tx: Tx, user: User, stored: str) -> None:
    """Store the new hash, and end all that the old one was good for. An invited account becomes active."""
    state = ACTIVE if user.state == INVITED else user.state
    tx.run(
        "UPDATE users SET password = ?, state = ?, credential_generation = credential_generation + 1 WHERE id = ?",
        stored,
        state,
        user.id,
    )
    tx.run("DELETE FROM one_time_tokens WHERE user_id = ?", user.id)
    throttle.forget(tx, user.id, user.name)


def user_of(row: tuple) -> User:
    """A user of a row of id, name and MORE_COLUMNS."""
    user = User(*row)
    return user._replace(administrator=bool(user.administrator))


def _require_another_administrator(tx: Tx, user: User) -> None:
    """Raise ChangeRefused if nobody would be left to administer the registry."""
    if not (user.administrator and user.state == ACTIVE):
        return
    if not tx.one("SELECT 1 FROM users WHERE administrator = 1 AND state = ? AND id <> ? LIMIT 1", ACTIVE, user.id):
        raise ChangeRefused(f"{user.name} is the last administrator", "make another user an administrator first")
