"""The credentials of a request: Basic with a password, an access token or a robot's secret, Bearer with a signed
token, or Token with one of the v1 API.

What took long to find out is remembered: for which account a password was right, which access token a secret is, what a
signed token says. Each request asks again whether that still counts, at the access version that it has read.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Coroutine, Hashable
from typing import Any, NamedTuple

from ...db import DatabaseBusy, DatabaseFailed, DatabaseFull, now
from ...domain.access.rule import ACTIVE, ANONYMOUS, DISABLED, USER, Identity, Principal, narrowed
from ...domain.credentials import access_tokens, signed_tokens
from ...domain.credentials.access_tokens import PresentedToken
from ...domain.credentials.logins import SEEN_MS, account_meant
from ...domain.credentials.sessions import BrowserSession
from ...domain.credentials.signed_tokens import ACCESS, REFRESH, V1, Claims
from ...errors import Unauthorized
from . import v1_tokens
from .gate import Caller

_PASSWORD_SECONDS = 60.0
_USE_NOTED_MS = 60_000
_SEEN_SECONDS = SEEN_MS / 1000
_REMEMBERED = 10_000
_LONGEST = 8 << 10
# Characters of all Authorization headers that are remembered. The memory for each is at most ten times that, in bytes.
_HEADERS = 4 << 20


class BoundedMemory(OrderedDict):
    """A bounded dictionary that forgets what was put in first."""

    def keep(self, key: Hashable, value: Any) -> None:
        self[key] = value
        if len(self) > _REMEMBERED:
            self.popitem(last=False)


class VerifiedTokens(OrderedDict):
    """Signed tokens that were verified, by the header that showed them.

    Bounded by their lengths: a token for a hundred repositories takes 100 KiB here.
    """

    def __init__(self) -> None:
        super().__init__()
        self._room = _HEADERS

    def keep(self, header: str, token: "VerifiedToken") -> None:
        self.forget(header)
        self[header] = token
        self._room -= len(header)
        while self._room < 0 or len(self) > _REMEMBERED:
            self.forget(next(iter(self)))

    def forget(self, header: str) -> None:
        if self.pop(header, None) is not None:
            self._room += len(header)


class CheckedPassword(NamedTuple):
    """Whose password was right. until: time.monotonic()."""

    identity: Identity
    until: float


class SignedIn(NamedTuple):
    """A session of a browser, and whose it is, as of the access version in it."""

    session: BrowserSession
    principal: Principal


class VerifiedToken(NamedTuple):
    """A signed token that was verified, the key that signed it, and whose it was at this access version.

    until: seconds since 1970.
    """

    claims: Claims
    key: bytes
    access_version: int
    until: float
    caller: Caller


class Credentials:
    """One worker's. audience: what signed tokens have to be for."""

    def __init__(self, people, audience: str):
        self._people = people
        self._audience = audience
        self._process_key = secrets.token_bytes(32)
        self._passwords: BoundedMemory = BoundedMemory()
        self._secrets: BoundedMemory = BoundedMemory()
        self._access_tokens: BoundedMemory = BoundedMemory()
        self._signed_tokens = VerifiedTokens()
        self._noted: BoundedMemory = BoundedMemory()
        self._seen: BoundedMemory = BoundedMemory()
        self._pending: dict[bytes, asyncio.Future] = {}
        self._background: set[asyncio.Future] = set()

    async def prepare(self) -> None:
        """Do the other work for which the first login would have to wait."""
        await self._people.prepare()

    async def authenticate(self, header: str, address: str, access_version: int) -> Caller | None:
        """Who shows this Authorization header. None if a password was checked just now: ask again, with new facts.

        Raises Unauthorized, TooManyRequests.
        """
        known = self._signed_tokens.get(header)
        if known is not None and known.access_version == access_version and known.until > time.time():
            self._note_seen(known.claims.identity)
            return known.caller
        scheme, _, text = header.partition(" ")
        if scheme.lower() == "bearer":
            return await self._by_signed_token(header, text.strip(), ACCESS, known, access_version)
        if v1_tokens.is_token(header):
            return await self._by_signed_token(header, v1_tokens.read(header).signature, V1, known, access_version)
        principal = await self.by_basic(header, address, access_version)
        return principal and Caller(principal, principal.log_name)

    async def renewed(self, principal: Principal, access_version: int) -> Principal:
        """The principal who was authenticated a while ago, as it is now.

        Account, credentials and access token have to count. A signed token that stood for them may have expired. Raises
        Unauthorized.
        """
        fresh = await self._principal(principal.identity, access_version)
        if fresh is None:
            raise Unauthorized("what was shown does not count any more", "log in again")
        return fresh._replace(asked=principal.asked)

    async def by_basic(self, header: str, address: str, access_version: int) -> Principal | None:
        """Who shows this Authorization header, which has to be Basic. None and errors as for `authenticate`."""
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "basic":
            raise Unauthorized("the Authorization header is not of the kind Basic, and no other kind counts here")
        return await self.by_password(*decoded(text.strip()), address, access_version)

    async def by_password(self, name: str, password: str, address: str, access_version: int) -> Principal | None:
        """The user or robot with this password, access token or secret. None and errors as for `authenticate`."""
        name = account_meant(name)
        key = self._fingerprint(name, password)
        if access_tokens.is_secret(password):
            return await self._by_secret(key, password, address, access_version, name)
        checked = self._passwords.get(key)
        if checked is None or checked.until < time.monotonic():
            return await self._log_in(key, name, password, address)
        principal = await self._principal(checked.identity, access_version)
        if principal is None:
            # Other requests with the same password may have found out meanwhile.
            self._passwords.pop(key, None)
            return await self._log_in(key, name, password, address)
        return principal

    async def by_refresh_token(self, token: str, address: str, access_version: int) -> Principal:
        """Whose refresh token this is: a signed one, an access token or a secret. Raises Unauthorized."""
        if access_tokens.is_secret(token):
            return await self._by_secret(self._fingerprint("", token), token, address, access_version)
        claims, _ = signed_tokens.read(
            token, await self._people.signing_keys.valid(access_version), self._audience, REFRESH
        )
        principal = await self._principal(claims.identity, access_version)
        if principal is None:
            raise Unauthorized("the login has ended", "log in again")
        return principal

    async def by_session(self, secret: str) -> SignedIn | None:
        """Who has signed in with the browser whose cookie holds this secret. For pages only.

        Whoever makes a change with this principal rechecks it (domain/rights/recheck.py) at the access version of the
        session.
        """
        session = await self._people.sessions.find(secret)
        principal = session and await self._principal(session.identity, session.access_version)
        if not session or not principal:
            return None
        if not self._people.sessions.seen_lately(session):
            self._beside(self._write_session_seen(session))
        return SignedIn(session, principal)

    async def _by_signed_token(
        self, header: str, token: str, use: str, known: VerifiedToken | None, access_version: int
    ) -> Caller:
        keys = await self._people.signing_keys.valid(access_version)
        if known is not None and known.key in keys:
            claims, key = known.claims, known.key
        else:
            claims, key = signed_tokens.read(token, keys, self._audience, use)
        principal = await self._principal(claims.identity, access_version) if claims.expires_at > time.time() else None
        if principal is None:
            self._signed_tokens.forget(header)
            raise Unauthorized(
                "the token has expired, or does not count any more", "ask the token server for a new one"
            )
        caller = Caller(principal._replace(asked=claims.scope), principal.log_name, set())
        self._signed_tokens.keep(header, VerifiedToken(claims, key, access_version, self._until(claims), caller))
        return caller

    def _until(self, claims: Claims) -> float:
        """The time at which the token ends by itself."""
        _, token = self._access_tokens.get(claims.identity.token_id, (0, None))
        return (
            claims.expires_at
            if token is None or token.expires_at is None
            else min(claims.expires_at, token.expires_at / 1000)
        )

    async def _principal(self, identity: Identity, access_version: int) -> Principal | None:
        """The account as it is now, if it is active and its credentials are the same as then."""
        if identity.kind == ANONYMOUS:
            return self._people.principals.anonymous(access_version)
        principal = await self._people.principals.get(identity.kind, identity.id, access_version)
        if (
            principal is None
            or principal.credential_generation != identity.credential_generation
            or principal.state != ACTIVE
        ):
            return None
        self._note_seen(identity)
        if identity.token_id is None:
            return principal
        token = await self._token(identity.token_id, access_version)
        if token is None or (token.holder_kind, token.holder_id) != (identity.kind, identity.id):
            return None
        return narrowed(principal, token.scope, token.id)

    async def _by_secret(
        self, key: bytes, secret: str, address: str, access_version: int, name: str | None = None
    ) -> Principal:
        """Whose access token or secret this is.

        If a name is given, it has to be theirs. Never throttled. Raises Unauthorized.
        """
        id = self._secrets.get(key)
        if id is None:
            found_at, token = await self._people.tokens.find(secret)
            if token is None:
                raise Unauthorized("the access token is not one of this registry, was revoked or has expired")
            id = token.id
            self._secrets.keep(key, id)
            self._access_tokens.keep(id, (found_at, token))
        token = await self._token(id, access_version)
        principal = token and await self._people.principals.get(token.holder_kind, token.holder_id, access_version)
        if principal and principal.state == DISABLED and name in (None, principal.name):
            raise Unauthorized(
                "the account of this access token is disabled",
                "ask an administrator of the registry, or an owner of the organization, to enable it",
            )
        if not principal or principal.state != ACTIVE or name not in (None, principal.name):
            raise Unauthorized("the access token does not count any more, or is not one of this user")
        self._note_use(token, address)
        self._note_seen(principal)
        return narrowed(principal, token.scope, token.id)

    async def _token(self, id: int, access_version: int) -> PresentedToken | None:
        """An access token as of this access version, if it counts."""
        found_at, token = self._access_tokens.get(id, (-1, None))
        if found_at != access_version:
            found_at, token = await self._people.tokens.get(id)
            self._access_tokens.keep(id, (found_at, token))
        return None if token is None or token.expired else token

    async def _log_in(self, key: bytes, name: str, password: str, address: str) -> None:
        """Check a password, and remember that it was right.

        Of requests that show the same at once, one does the work.
        """
        if key not in self._pending:
            self._people.passwords.require_room()
            work = self._pending[key] = asyncio.ensure_future(self._people.logins.check(name, password, address))
            work.add_done_callback(lambda _: self._pending.pop(key, None))
        identity = await asyncio.shield(self._pending[key])
        self._passwords.keep(key, CheckedPassword(identity, time.monotonic() + _PASSWORD_SECONDS))

    def _fingerprint(self, name: str, password: str) -> bytes:
        """What a pair of name and password is remembered by.

        It does not tell the pair, and no two pairs give the same message.
        """
        first, second = name.encode("utf-8", "surrogatepass"), password.encode("utf-8", "surrogatepass")
        return hmac.digest(self._process_key, b"basic %d %d " % (len(first), len(second)) + first + second, "sha256")

    def _note_use(self, token: PresentedToken, address: str) -> None:
        """Note when and from where the token was used, at most once a minute, beside the request: an answer needs no
        room on the disk.
        """
        at = now()
        if at - self._noted.get(token.id, token.last_used_at or 0) > _USE_NOTED_MS:
            self._noted.keep(token.id, at)
            self._beside(self._write_use(token, address))

    def _note_seen(self, account: Identity | Principal) -> None:
        """Note that the user was here, at most once in five minutes, beside the request."""
        if account.kind != USER:
            return
        at = time.monotonic()
        if at - self._seen.get(account.id, -_SEEN_SECONDS) >= _SEEN_SECONDS:
            self._seen.keep(account.id, at)
            self._beside(self._write_seen(account.id))

    def _beside(self, coroutine: Coroutine) -> None:
        work = asyncio.ensure_future(coroutine)
        self._background.add(work)
        work.add_done_callback(self._background.discard)

    async def _write_seen(self, id: int) -> None:
        try:
            await self._people.logins.seen(id)
        except (DatabaseBusy, DatabaseFailed, DatabaseFull):
            self._seen.pop(id, None)

    async def _write_session_seen(self, session: BrowserSession) -> None:
        with contextlib.suppress(DatabaseBusy, DatabaseFailed, DatabaseFull):  # the next request notes it
            await self._people.sessions.seen(session)

    async def _write_use(self, token: PresentedToken, address: str) -> None:
        try:
            await self._people.tokens.used(token, address)
        except (DatabaseBusy, DatabaseFailed, DatabaseFull):
            self._noted.pop(token.id, None)


def decoded(text: str) -> tuple[str, str]:
    """Name and password of Basic credentials (RFC 7617). Raises Unauthorized."""
    try:
        if len(text) > _LONGEST:
            raise ValueError("too long")
        name, colon, password = base64.b64decode(text, validate=True).decode().partition(":")
    except (ValueError, binascii.Error) as error:
        raise Unauthorized("the Basic credentials are not NAME:PASSWORD in Base64") from error
    if not colon:
        raise Unauthorized("the Basic credentials are not NAME:PASSWORD in Base64")
    return name, password
