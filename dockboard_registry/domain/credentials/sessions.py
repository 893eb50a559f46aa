"""Sessions of browsers: who signed in on the pages.

A session is a secret of 256 random bits, of which only the SHA-256 is stored. It counts while its user is active and
has the same credential generation, which `find` reads in the same statement. So another password and disabling end all
sessions of the user with the next request. A change of role deletes them (accounts.py).
"""

import hmac
import re
import secrets
from typing import NamedTuple

from ...db import Database, Row, Tx, now
from ...errors import AccountUnknown, Unauthorized
from .. import audit
from ..access.rule import USER, Identity
from ..accounts import accounts, preferences
from ..accounts.preferences import COLUMNS, Preferences
from ..audit import Actor
from ..changes import ACCESS_VERSION, recheck_rights
from ..content.repositories import new_id
from .access_tokens import digest

# Sessions that one user may have. A new one ends the one that was not used for longest.
MOST = 50
# For so long a password that was entered also counts for what asks for it again.
CONFIRMED_MS = 15 * 60_000
# A use is noted at most so often; more often where sessions end soon, so that who goes on stays signed in.
SEEN_MS, _NOTES_WHILE_IDLE = 5 * 60_000, 4
_LONGEST_ADDRESS, _LONGEST_BROWSER = 64, 255
_PIECE = 1000
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}", re.A)
# The sessions that count: no other password was set, and they were neither idle nor there for too long.
_COUNTING = (
    "FROM browser_sessions JOIN users ON users.id = browser_sessions.user_id AND users.credential_generation ="
    " browser_sessions.credential_generation AND users.state = 'active' LEFT JOIN preferences ON preferences.user_id ="
    " users.id WHERE browser_sessions.seen_at > ? AND browser_sessions.made_at > ?"
)
_FIND = (
    f"SELECT browser_sessions.digest, {ACCESS_VERSION}, browser_sessions.id, users.id, users.name,"
    " users.credential_generation, browser_sessions.made_at, browser_sessions.seen_at, browser_sessions.confirmed_at,"
    f" users.password_given, {COLUMNS} {_COUNTING} AND browser_sessions.digest = ?"
)
_LIST = (
    "SELECT browser_sessions.id, browser_sessions.address, browser_sessions.browser, browser_sessions.made_at,"
    f" browser_sessions.seen_at {_COUNTING} AND users.id = ? ORDER BY browser_sessions.seen_at DESC,"
    " browser_sessions.id DESC"
)
_USER = "SELECT id FROM users WHERE id = ? AND credential_generation = ? AND state = 'active'"
# Sessions of an earlier password end first.
_BY_USE = "SELECT id FROM browser_sessions WHERE user_id = ? ORDER BY credential_generation DESC, seen_at DESC, id DESC"
_INSERT = (
    "INSERT INTO browser_sessions (id, digest, user_id, credential_generation, address, browser, made_at, seen_at,"
    " confirmed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


class BrowserSession(NamedTuple):
    """A session that counts as of this access version. Times in milliseconds since 1970.

    confirmed_at: when the password was last entered. given: whether somebody else set the password.
    """

    access_version: int
    id: int
    identity: Identity
    user: str
    made_at: int
    seen_at: int
    confirmed_at: int
    given: bool
    preferences: Preferences

    @property
    def confirmed(self) -> bool:
        """Whether the password was entered lately."""
        return now() - self.confirmed_at < CONFIRMED_MS


class ListedSession(NamedTuple):
    """A session as its user sees it in a list. address and browser: those that signed in."""

    id: int
    address: str
    browser: str
    made_at: int
    seen_at: int


class Sessions:
    """idle and life: seconds without a request, and in all, after which a session ends."""

    def __init__(self, db: Database, idle: float, life: float):
        self._db = db
        self._idle_ms, self._life_ms = int(idle * 1000), int(life * 1000)
        self._seen_ms = min(SEEN_MS, self._idle_ms // _NOTES_WHILE_IDLE)

    async def start(self, identity: Identity, address: str, browser: str) -> str:
        """Make a session for a user whose password was right just now, and return its secret.

        browser: the User-Agent. Raises Unauthorized if the account was changed meanwhile.
        """
        secret = secrets.token_urlsafe(32)

        def change(tx: Tx) -> None:
            if tx.lock(_USER, identity.id, identity.credential_generation) is None:
                raise Unauthorized("the account was changed at this moment", "sign in again")
            for (old,) in tx.all(_BY_USE, identity.id)[MOST - 1 :]:
                tx.run("DELETE FROM browser_sessions WHERE id = ?", old)
            at = now()
            given = digest(secret), identity.id, identity.credential_generation
            tx.run(_INSERT, new_id(), *given, address[:_LONGEST_ADDRESS], _shown(browser), at, at, at)

        await self._db.write(change, durable=False, brings=0)
        return secret

    async def find(self, secret: str) -> BrowserSession | None:
        """The session of this secret, if it counts."""
        if not _SECRET.fullmatch(secret):
            return None
        wanted = digest(secret)
        row = await self._db.read(lambda tx: tx.one(_FIND, *self._oldest(), wanted))
        return _session(row) if row is not None and hmac.compare_digest(row[0], wanted) else None

    def seen_lately(self, session: BrowserSession) -> bool:
        """Whether the last use was noted so lately that this one is not."""
        return now() - session.seen_at < self._seen_ms

    async def seen(self, session: BrowserSession) -> None:
        """Note that the session was used, unless that was noted lately."""
        at, change = now(), "UPDATE browser_sessions SET seen_at = ? WHERE id = ? AND seen_at <= ?"
        await self._db.write(
            lambda tx: tx.run(change, at, session.id, at - self._seen_ms), durable=False, repeatable=True, brings=0
        )

    async def confirm(self, session: BrowserSession) -> None:
        """Note that the password was entered again."""
        at, change = now(), "UPDATE browser_sessions SET confirmed_at = ? WHERE id = ?"
        await self._db.write(lambda tx: tx.run(change, at, session.id), durable=False, repeatable=True, brings=0)

    async def renew(self, session: BrowserSession) -> str:
        """A new secret, with which the session goes on after its user has set another password in it.

        All other sessions ended with the old password. So does this one if another password was set meanwhile.
        """
        secret, generation = secrets.token_urlsafe(32), session.identity.credential_generation + 1
        change = (
            "UPDATE browser_sessions SET digest = ?, credential_generation = ?, confirmed_at = ? WHERE id = ? AND"
            " credential_generation = ?"
        )
        given = digest(secret), generation, now(), session.id, generation - 1
        await self._db.write(lambda tx: tx.run(change, *given), durable=False, brings=0)
        return secret

    async def end(self, session_id: int) -> None:
        """Sign out."""
        await self._db.write(
            lambda tx: tx.run("DELETE FROM browser_sessions WHERE id = ?", session_id), repeatable=True, brings=0
        )

    async def list(self, user: str) -> list[ListedSession]:
        """The user's sessions that count, the last used first. Raises AccountUnknown."""
        rows = await self._db.scan(lambda tx: tx.all(_LIST, *self._oldest(), accounts.find(tx, user).id))
        return [ListedSession(*row) for row in rows]

    async def revoke(self, actor: Actor, user: str, session_id: int) -> None:
        """End one session of the user. Raises AccountUnknown if there is none of this id."""

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            id = accounts.find(tx, user).id
            if not tx.run("DELETE FROM browser_sessions WHERE id = ? AND user_id = ?", session_id, id):
                raise AccountUnknown(f"{user} has no session {session_id}")
            audit.note(tx, actor, "session.end", f"user {user}", sessions=1)

        await self._db.write(change, brings=0)

    async def revoke_all(self, actor: Actor, user: str, but: int = 0) -> int:
        """End all sessions of the user except the one with the id `but`, and return how many. Raises AccountUnknown."""

        def change(tx: Tx) -> int:
            recheck_rights(tx, actor)
            id = accounts.find(tx, user).id
            ended = tx.run("DELETE FROM browser_sessions WHERE user_id = ? AND id <> ?", id, but)
            if ended:
                audit.note(tx, actor, "session.end", f"user {user}", sessions=ended)
            return ended

        return await self._db.write(change, brings=0)

    async def tidy(self) -> None:
        """Delete sessions that were idle for too long, in pieces. One that does not count is never seen again."""
        while await self._db.write(lambda tx: _forget(tx, self._oldest()[0]), brings=0) == _PIECE:
            pass

    def _oldest(self) -> tuple[int, int]:
        """A session that counts was seen, and made, later than this."""
        at = now()
        return at - self._idle_ms, at - self._life_ms


def _session(row: Row) -> BrowserSession:
    _, access_version, id, user_id, user, generation, made_at, seen_at, confirmed_at, given, *chosen = row
    return BrowserSession(
        access_version,
        id,
        Identity(USER, user_id, generation),
        user,
        *(made_at, seen_at, confirmed_at, given == generation),
        preferences.of_row(tuple(chosen)),
    )


def _shown(browser: str) -> str:
    """What a client says it is, without characters that can't be shown."""
    return "".join(each if each.isprintable() else "?" for each in browser[:_LONGEST_BROWSER])


def _forget(tx: Tx, seen_before: int) -> int:
    rows = tx.all("SELECT id FROM browser_sessions WHERE seen_at <= ? ORDER BY seen_at LIMIT ?", seen_before, _PIECE)
    for (id,) in rows:
        tx.run("DELETE FROM browser_sessions WHERE id = ? AND seen_at <= ?", id, seen_before)
    return len(rows)
