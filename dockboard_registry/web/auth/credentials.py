"""What a request shows of who it is from: Basic with a password, an access token or a robot's secret, or Bearer with a
signed token.

Remembered is what took long to find out: which account a password was right for, which access token a secret is, what a
signed token says. Whether that still counts is asked with each request, at the access version that the request has
read.
"""

import asyncio
import base64
import binascii
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Coroutine, Hashable
from typing import Any, NamedTuple

from ...db import DatabaseBusy, DatabaseFailed, DatabaseFull, now
from ...domain.access.rule import ACTIVE, ANONYMOUS, DISABLED, USER, narrowed
from ...domain.credentials import access_tokens, signed_tokens
from ...domain.credentials.access_tokens import Shown
from ...domain.credentials.logins import SEEN_MS, account_meant
from ...domain.credentials.signed_tokens import ACCESS, REFRESH, Claims, Holder, Subject
from ...errors import Unauthorized
from .gate import Caller

_PASSWORD_SECONDS = 60.0
_USE_NOTED_MS = 60_000
_SEEN_SECONDS = SEEN_MS / 1000
_REMEMBERED = 10_000
_LONGEST = 8 << 10
# Characters of all Authorization headers that are remembered; what is kept for each, in bytes, is ten times as much.
_HEADERS = 4 << 20


class Memory(OrderedDict):
    """A bounded dictionary that forgets what was put in first."""

    def keep(self, key: Hashable, value: Any) -> None:
        self[key] = value
        if len(self) > _REMEMBERED:
            self.popitem(last=False)


class Bearers(OrderedDict):
    """What signed tokens said, by the header that showed them.

    Bounded by their lengths: a token for a hundred repositories takes 100 KiB here.
    """

    def __init__(self) -> None:
        super().__init__()
        self._room = _HEADERS

    def keep(self, header: str, bearer: "Bearer") -> None:
        self.forget(header)
        self[header] = bearer
        self._room -= len(header)
        while self._room < 0 or len(self) > _REMEMBERED:
            self.forget(next(iter(self)))

    def forget(self, header: str) -> None:
        if self.pop(header, None) is not None:
            self._room += len(header)


class Login(NamedTuple):
    """A password that was right for this generation of the user's credentials. until: as time.monotonic."""

    id: int
    generation: int
    until: float


class Bearer(NamedTuple):
    """A signed token that was read, the key that signed it, and who it stood for at this access version.

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
        self._logins: Memory = Memory()
        self._secrets: Memory = Memory()
        self._tokens: Memory = Memory()
        self._bearers = Bearers()
        self._noted: Memory = Memory()
        self._seen: Memory = Memory()
        self._pending: dict[bytes, asyncio.Future] = {}
        self._background: set[asyncio.Future] = set()

    async def prepare(self) -> None:
        """Whatever else the first login would have to wait for."""
        await self._people.prepare()

    async def caller(self, header: str, address: str, access_version: int) -> Caller | None:
        """Who shows this Authorization header; None where a password was checked just now: ask again, with fresh facts.

        Raises Unauthorized, TooManyRequests.
        """
        known = self._bearers.get(header)
        if known is not None and known.access_version == access_version and known.until > time.time():
            self._saw(known.claims.subject)
            return known.caller
        scheme, _, shown = header.partition(" ")
        if scheme.lower() == "bearer":
            return await self._bearer(header, shown.strip(), known, access_version)
        holder = await self.shown(header, address, access_version)
        return holder and Caller(holder.principal, holder.principal, None, holder.subject, holder.named())

    async def again(self, caller: Caller, access_version: int) -> Caller:
        """Who showed something a while ago, as they are now: their account, its credentials and the access token have
        to count, whatever signed token stood for these.

        Raises Unauthorized.
        """
        holder = await self._holder(caller.subject, access_version)
        if holder is None:
            raise Unauthorized("what was shown does not count any more", "log in again")
        return Caller(holder.principal._replace(asked=caller.principal.asked), holder.principal)

    async def shown(self, header: str, address: str, access_version: int) -> Holder | None:
        """The same for an Authorization header of the kind Basic only."""
        scheme, _, text = header.partition(" ")
        if scheme.lower() != "basic":
            raise Unauthorized("the Authorization header is of a kind that does not count here")
        return await self.basic(*decoded(text.strip()), address, access_version)

    async def basic(self, name: str, password: str, address: str, access_version: int) -> Holder | None:
        """The user or robot with this password, access token or secret; None and errors as for `caller`."""
        name = account_meant(name)
        key = self._fingerprint(name, password)
        if access_tokens.is_secret(password):
            return await self._by_secret(key, password, address, access_version, name)
        login = self._logins.get(key)
        if login is None or login.until < time.monotonic():
            return await self._log_in(key, name, password, address)
        holder = await self._holder(Subject(USER, login.id, login.generation), access_version)
        if holder is None:
            # Others that showed the same may have found out meanwhile too.
            self._logins.pop(key, None)
            return await self._log_in(key, name, password, address)
        return holder

    async def refreshed(self, token: str, address: str, access_version: int) -> Holder:
        """Whose refresh token this is: a signed one, or an access token or a secret. Raises Unauthorized."""
        if access_tokens.is_secret(token):
            return await self._by_secret(self._fingerprint("", token), token, address, access_version)
        claims, _ = signed_tokens.read(
            token, await self._people.signing_keys.valid(access_version), self._audience, REFRESH
        )
        holder = await self._holder(claims.subject, access_version)
        if holder is None:
            raise Unauthorized("the login has ended", "log in again")
        return holder

    async def _bearer(self, header: str, token: str, known: Bearer | None, access_version: int) -> Caller:
        keys = await self._people.signing_keys.valid(access_version)
        if known is not None and known.key in keys:
            claims, key = known.claims, known.key
        else:
            claims, key = signed_tokens.read(token, keys, self._audience, ACCESS)
        holder = await self._holder(claims.subject, access_version) if claims.expires_at > time.time() else None
        if holder is None:
            self._bearers.forget(header)
            raise Unauthorized(
                "the token has expired, or does not count any more", "ask the token server for a new one"
            )
        caller = Caller(
            holder.principal._replace(asked=claims.scope), holder.principal, set(), holder.subject, holder.named()
        )
        self._bearers.keep(header, Bearer(claims, key, access_version, self._until(claims), caller))
        return caller

    def _until(self, claims: Claims) -> float:
        """When time alone ends what the token is good for."""
        _, token = self._tokens.get(claims.subject.token_id, (0, None))
        return (
            claims.expires_at
            if token is None or token.expires_at is None
            else min(claims.expires_at, token.expires_at / 1000)
        )

    async def _holder(self, subject: Subject, access_version: int) -> Holder | None:
        """The account as it is now, if it is active and its credentials are those of that time."""
        if subject.kind == ANONYMOUS:
            return Holder(self._people.principals.anonymous(access_version), subject)
        known = await self._people.principals.get(subject.kind, subject.id, access_version)
        if known is None or known.generation != subject.generation or known.principal.state != ACTIVE:
            return None
        self._saw(subject)
        if subject.token_id is None:
            return Holder(known.principal, subject)
        token = await self._token(subject.token_id, access_version)
        if token is None or (token.holder_kind, token.holder_id) != (subject.kind, subject.id):
            return None
        return Holder(narrowed(known.principal, token.scope), subject)

    async def _by_secret(
        self, key: bytes, secret: str, address: str, access_version: int, name: str | None = None
    ) -> Holder:
        """The holder of an access token or secret; where a name is given it has to be theirs.

        Never throttled. Raises Unauthorized.
        """
        id = self._secrets.get(key)
        if id is None:
            found_at, token = await self._people.tokens.find(secret)
            if token is None:
                raise Unauthorized("the access token is not one of this registry, was revoked or has expired")
            id = token.id
            self._secrets.keep(key, id)
            self._tokens.keep(id, (found_at, token))
        token = await self._token(id, access_version)
        known = token and await self._people.principals.get(token.holder_kind, token.holder_id, access_version)
        if known and known.principal.state == DISABLED and name in (None, known.principal.name):
            raise Unauthorized(
                "the account of this access token is disabled",
                "ask an administrator of the registry, or an owner of the organization, to enable it",
            )
        if not known or known.principal.state != ACTIVE or name not in (None, known.principal.name):
            raise Unauthorized("the access token does not count any more, or is not one of this user")
        self._note(token, address)
        self._saw(Subject(token.holder_kind, token.holder_id))
        subject = Subject(token.holder_kind, token.holder_id, known.generation, token.id)
        return Holder(narrowed(known.principal, token.scope), subject)

    async def _token(self, id: int, access_version: int) -> Shown | None:
        """An access token as of this access version, if it counts."""
        found_at, token = self._tokens.get(id, (-1, None))
        if found_at != access_version:
            found_at, token = await self._people.tokens.get(id)
            self._tokens.keep(id, (found_at, token))
        return None if token is None or token.expired else token

    async def _log_in(self, key: bytes, name: str, password: str, address: str) -> None:
        """Check a password, and remember that it was right.

        Of requests that show the same at once one does the work.
        """
        if key not in self._pending:
            self._people.passwords.require_room()
            work = self._pending[key] = asyncio.ensure_future(self._people.logins.check(name, password, address))
            work.add_done_callback(lambda _: self._pending.pop(key, None))
        login = await asyncio.shield(self._pending[key])
        self._logins.keep(key, Login(login.id, login.generation, time.monotonic() + _PASSWORD_SECONDS))

    def _fingerprint(self, name: str, password: str) -> bytes:
        """What a pair is remembered by, and nothing that tells it: no two pairs give the same message."""
        first, second = name.encode("utf-8", "surrogatepass"), password.encode("utf-8", "surrogatepass")
        return hmac.digest(self._process_key, b"basic %d %d " % (len(first), len(second)) + first + second, "sha256")

    def _note(self, token: Shown, address: str) -> None:
        """Say when and from where the token was used, at most once a minute, and beside the request: an answer needs no
        room on the disk.
        """
        at = now()
        if at - self._noted.get(token.id, token.last_used_at or 0) > _USE_NOTED_MS:
            self._noted.keep(token.id, at)
            self._beside(self._used(token, address))

    def _saw(self, subject: Subject) -> None:
        """The user was here: written down at most once in five minutes, and beside the request."""
        if subject.kind != USER:
            return
        at = time.monotonic()
        if at - self._seen.get(subject.id, -_SEEN_SECONDS) >= _SEEN_SECONDS:
            self._seen.keep(subject.id, at)
            self._beside(self._write_seen(subject.id))

    def _beside(self, coroutine: Coroutine) -> None:
        work = asyncio.ensure_future(coroutine)
        self._background.add(work)
        work.add_done_callback(self._background.discard)

    async def _write_seen(self, id: int) -> None:
        try:
            await self._people.logins.seen(id)
        except (DatabaseBusy, DatabaseFailed, DatabaseFull):
            self._seen.pop(id, None)

    async def _used(self, token: Shown, address: str) -> None:
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
        raise Unauthorized("the Basic credentials can't be read") from error
    if not colon:
        raise Unauthorized("the Basic credentials can't be read")
    return name, password
