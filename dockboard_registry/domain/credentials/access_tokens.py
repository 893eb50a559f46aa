"""Access tokens of users, and secrets of robot accounts. They are made here, told once, and found by their SHA-256,
which is all that is kept.

A token is a prefix, 40 random characters of base62 (238 bits), and six more that are the CRC-32 of these. So programs
that look for leaked secrets recognize one without asking anybody.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from typing import NamedTuple

from ...db import Database, Row, Tx, now
from ...errors import AccountUnknown, ChangeRefused, FieldInvalid
from ...names import account_name
from ...wording import quoted
from .. import audit
from ..access import patterns
from ..access.rule import (
    ACTIVE,
    ADMIN,
    CATALOG,
    CREATE,
    DELETE,
    EXPIRED,
    OVERWRITE,
    PULL,
    PUSH,
    REVOKED,
    ROBOT,
    USER,
    ScopeEntry,
)
from ..accounts import accounts
from ..audit import Actor
from ..changes import ACCESS_VERSION, access_changed, recheck_rights
from ..content.repositories import new_id

USER_PREFIX, ROBOT_PREFIX = "dbr_", "dbk_"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK = 40, 6
_SECRET = re.compile(r"(?:dbr|dbk)_[0-9A-Za-z]{46}", re.A)
# The actions of a scope -> those of the rule. create: push new content and tags, and move no tag.
ACTIONS = {
    "pull": frozenset({PULL}),
    "push": frozenset({PUSH, CREATE, OVERWRITE}),
    "create": frozenset({PUSH, CREATE}),
    "delete": frozenset({DELETE}),
    "admin": frozenset({ADMIN}),
    "catalog": frozenset({CATALOG}),
}
_USE_NOTED_MS = 60_000
_MOST_TEXT, MOST_PATTERNS = 4000, 100
# Tokens that one holder may have.
MOST = 1000
_TOKENS = (
    "SELECT id, name, hint, patterns, actions, created_at, expires_at, last_used_at, last_used_from, revoked_at FROM"
    " access_tokens"
)
_OF_HOLDER = f"{_TOKENS} WHERE holder_kind = ? AND holder_id = ? ORDER BY id"
_BY_NAME = f"{_TOKENS} WHERE holder_kind = ? AND holder_id = ? AND name > ? ORDER BY name LIMIT ?"
_BY_HINT = f"{_TOKENS} WHERE holder_kind = ? AND holder_id = ? AND hint > ? ORDER BY hint LIMIT ?"
_ONE, _OF_USER = f"{_TOKENS} WHERE id = ?", f"{_TOKENS} WHERE holder_kind = 'user' AND holder_id = ? AND name = ?"
_HOLDER = "SELECT holder_kind, holder_id FROM access_tokens WHERE id = ?"
_ID, _MOST_ID = re.compile(r"[0-9]{1,19}", re.A), 2**63 - 1
_PRESENTED = (
    f"SELECT {ACCESS_VERSION}, id, holder_kind, holder_id, digest, patterns, actions, expires_at, last_used_at,"
    " revoked_at FROM access_tokens"
)
_BY_DIGEST, _BY_ID = f"{_PRESENTED} WHERE digest = ?", f"{_PRESENTED} WHERE id = ?"


class AccessToken(NamedTuple):
    """An access token as its holder sees it, without the secret. Times in milliseconds since 1970."""

    id: int
    name: str
    hint: str
    patterns: str | None
    actions: str | None
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    last_used_from: str | None
    revoked_at: int | None

    @property
    def state(self) -> str:
        if self.revoked_at is not None:
            return REVOKED
        return EXPIRED if self.expires_at is not None and self.expires_at <= now() else ACTIVE


class PresentedToken(NamedTuple):
    """An access token that a request has shown: whose it is, and to what it limits its holder."""

    id: int
    holder_kind: str
    holder_id: int
    scope: tuple[ScopeEntry, ...] | None
    last_used_at: int | None
    expires_at: int | None

    @property
    def expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= now()


def make_secret(prefix: str) -> str:
    body = prefix + "".join(secrets.choice(_BASE62) for _ in range(_RANDOM))
    return body + _checksum(body)


def is_secret(text: str) -> bool:
    """Whether the text has the form of our secrets, with the right checksum. It may still not count."""
    return _SECRET.fullmatch(text) is not None and hmac.compare_digest(_checksum(text[:-_CHECK]), text[-_CHECK:])


def _checksum(text: str) -> str:
    number, digits = zlib.crc32(text.encode()), []
    for _ in range(_CHECK):
        number, digit = divmod(number, len(_BASE62))
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def scope(given_patterns: str | None, given_actions: str | None) -> tuple[ScopeEntry, ...] | None:
    """The scope that two lists with commas stand for. None for both means everything. Raises FieldInvalid."""
    if given_patterns is None and given_actions is None:
        return None
    names = ACTIONS if given_actions is None else given_actions.split(",")
    unknown = [name for name in names if name not in ACTIONS]
    if unknown:
        raise FieldInvalid(f"there is no action {quoted(unknown[0])}", f"use {', '.join(ACTIONS)}")
    actions = frozenset().union(*(ACTIONS[name] for name in names))
    if given_patterns is None:
        return (ScopeEntry(None, actions),)
    return tuple(ScopeEntry(patterns.parse(text), actions) for text in given_patterns.split(","))


def _checked_scope(given_patterns: str | None, given_actions: str | None) -> str | None:
    """The actions, each once, because the column is no longer than all of them. Raises FieldInvalid."""
    scope(given_patterns, given_actions)
    if len(given_patterns or "") > _MOST_TEXT or (given_patterns or "").count(",") >= MOST_PATTERNS:
        raise FieldInvalid(
            "the token's list of repositories is too long", f"use at most {MOST_PATTERNS} patterns, with wildcards"
        )
    return given_actions and ",".join(dict.fromkeys(given_actions.split(",")))


class AccessTokens:
    def __init__(self, db: Database):
        self._db = db

    async def add(
        self,
        actor: Actor,
        user: str,
        name: str,
        given_patterns: str | None = None,
        given_actions: str | None = None,
        expires_at: int | None = None,
    ) -> str:
        """Make a token for the user, and return it. It is told only now.

        Raises FieldInvalid, AccountUnknown, ChangeRefused if the user has one of that name.
        """
        account_name(name)
        given_actions = _checked_scope(given_patterns, given_actions)
        secret = make_secret(USER_PREFIX)

        def change(tx: Tx) -> None:
            recheck_rights(tx, actor)
            holder = accounts.find_and_lock(tx, user)
            tx.run(_GONE, USER, holder.id, name, now())
            _require_room(tx, USER, holder.id)
            if not _insert(tx, USER, holder.id, name, secret, given_patterns, given_actions, expires_at):
                raise ChangeRefused(
                    f"{user} has a token {name} already", "choose another name, or revoke that one first"
                )
            noted = {"token": name, "repositories": given_patterns, "actions": given_actions, "expires_at": expires_at}
            audit.note(tx, actor, "token.add", f"user {user}", **noted)

        await self._db.write(change)
        return secret

    async def by_name(self, user: str, after: str, limit: int) -> list[AccessToken]:
        """A page of the user's tokens: those with names greater than `after`. Raises AccountUnknown."""
        return await self._db.scan(
            lambda tx: [AccessToken(*row) for row in tx.all(_BY_NAME, USER, accounts.find(tx, user).id, after, limit)]
        )

    async def list(self, user: str) -> list[AccessToken]:
        """Raises AccountUnknown."""
        return await self._db.scan(lambda tx: of_holder(tx, USER, accounts.find(tx, user).id))

    async def by_id(self, id: int) -> AccessToken | None:
        row = await self._db.scan(lambda tx: tx.one(_ONE, id))
        return row and AccessToken(*row)

    async def revoke(self, actor: Actor, user: str, name: str) -> None:
        """It does not count from the next request on. Raises AccountUnknown."""

        def change(tx: Tx) -> None:
            access_changed(tx, actor)
            if not tx.run(_REVOKE, now(), USER, accounts.find(tx, user).id, name):
                raise AccountUnknown(f"{user} has no token {name} that still counts")
            audit.note(tx, actor, "token.revoke", f"user {user}", token=name)

        await self._db.write(change, brings=0)

    async def find(self, secret: str) -> tuple[int, PresentedToken | None]:
        """(the access version, the token if this secret is one that counts)."""
        if not is_secret(secret):
            return 0, None
        wanted = digest(secret)
        row = await self._db.read(lambda tx: tx.one(_BY_DIGEST, wanted))
        return _presented(row) if row is not None and hmac.compare_digest(row[4], wanted) else (0, None)

    async def get(self, id: int) -> tuple[int, PresentedToken | None]:
        """The same for a token whose secret was shown before."""
        row = await self._db.read(lambda tx: tx.one(_BY_ID, id))
        return _presented(row) if row is not None else (0, None)

    async def used(self, token: PresentedToken, address: str) -> None:
        """Note the time and the address, at most once a minute."""
        at = now()
        if token.last_used_at is None or at - token.last_used_at > _USE_NOTED_MS:
            change = "UPDATE access_tokens SET last_used_at = ?, last_used_from = ? WHERE id = ?"
            await self._db.write(
                lambda tx: tx.run(change, at, address[:64], token.id), durable=False, repeatable=True, brings=0
            )


_GONE = (
    "DELETE FROM access_tokens WHERE holder_kind = ? AND holder_id = ? AND name = ? AND (revoked_at IS NOT NULL OR"
    " expires_at <= ?)"
)
_ALL_GONE = (
    "DELETE FROM access_tokens WHERE holder_kind = ? AND holder_id = ? AND (revoked_at IS NOT NULL OR expires_at <= ?)"
)
_COUNT = "SELECT COUNT(*) FROM access_tokens WHERE holder_kind = ? AND holder_id = ?"
_REVOKE = (
    "UPDATE access_tokens SET revoked_at = ? WHERE holder_kind = ? AND holder_id = ? AND name = ? AND revoked_at IS"
    " NULL"
)


def _presented(row: Row) -> tuple[int, PresentedToken | None]:
    access_version, id, kind, holder_id, _, given_patterns, given_actions, expires_at, last_used_at, revoked_at = row
    token = PresentedToken(id, kind, holder_id, scope(given_patterns, given_actions), last_used_at, expires_at)
    return access_version, None if revoked_at is not None or token.expired else token


def _require_room(tx: Tx, kind: str, id: int) -> None:
    """Raise ChangeRefused if the holder has too many. Tokens that have ended stay in the list while there is room."""
    if tx.one(_COUNT, kind, id)[0] >= MOST and tx.run(_ALL_GONE, kind, id, now()) == 0:
        raise ChangeRefused(
            f"there are {MOST:,} valid access tokens already", "revoke tokens that are not used any more"
        )


def is_valid(tx: Tx, id: int) -> bool:
    """Whether the token counts, as this transaction sees it."""
    row = tx.one(_BY_ID, id)
    return row is not None and _presented(row)[1] is not None


def named(tx: Tx, text: str) -> tuple[str, int, AccessToken]:
    """(kind and id of its holder, the token) by USER/NAME, or by its id. Raises AccountUnknown."""
    user, slash, name = text.rpartition("/")
    if slash:
        holder = USER, accounts.find(tx, user).id
        row = tx.one(_OF_USER, holder[1], name)
    else:
        id = min(int(text), _MOST_ID) if _ID.fullmatch(text) else 0
        holder, row = tx.one(_HOLDER, id), tx.one(_ONE, id)
    if row is None:
        raise AccountUnknown(f"there is no token {text}", "write USER/NAME, or the id that `token list` shows")
    return *holder, AccessToken(*row)


def of_holder(tx: Tx, kind: str, id: int) -> list[AccessToken]:
    return [AccessToken(*row) for row in tx.all(_OF_HOLDER, kind, id)]


def by_hint(tx: Tx, kind: str, id: int, after: str, limit: int) -> list[AccessToken]:
    """A page of the same: those with hints greater than `after`."""
    return [AccessToken(*row) for row in tx.all(_BY_HINT, kind, id, after, limit)]


def store_robot_secret(tx: Tx, robot_id: int, secret: str, expires_at: int | None) -> None:
    """Secrets of a robot have names only so that lists can tell them apart."""
    _insert(tx, ROBOT, robot_id, f"secret-{new_id():x}", secret, None, None, expires_at)


def shorten(tx: Tx, kind: str, id: int, until: int) -> None:
    """Let the holder's tokens expire at `until` if they would last longer. Delete those that have expired."""
    tx.run("DELETE FROM access_tokens WHERE holder_kind = ? AND holder_id = ? AND expires_at <= ?", kind, id, now())
    change = (
        "UPDATE access_tokens SET expires_at = ? WHERE holder_kind = ? AND holder_id = ? AND (expires_at IS NULL OR"
        " expires_at > ?)"
    )
    tx.run(change, until, kind, id, until)


def _insert(
    tx: Tx,
    kind: str,
    id: int,
    name: str,
    secret: str,
    given_patterns: str | None,
    given_actions: str | None,
    expires_at: int | None,
) -> bool:
    return tx.insert(
        "INSERT INTO access_tokens (id, holder_kind, holder_id, name, digest, hint, patterns, actions, created_at,"
        " expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        *(
            new_id(),
            kind,
            id,
            name,
            digest(secret),
            f"{secret[:7]}...{secret[-4:]}",
            given_patterns,
            given_actions,
            now(),
            expires_at,
        ),
    )
