"""Tokens that the registry signs. It believes them later if everything else about their owner still holds.

They are JSON Web Tokens of one kind: JWS compact form (RFC 7515) with HMAC-SHA256 and one header, which is compared
byte for byte. So a token chooses neither algorithm nor key. Access tokens live 300 s and name what they are for. A
refresh token stands for a login, and access tokens are made for it.
"""

import base64
import binascii
import hmac
import json
import re
import secrets
import time
from typing import Any, NamedTuple

from ...errors import Unauthorized
from ...names import NAME_LIMIT
from ..access import patterns
from ..access.rule import (
    ANONYMOUS,
    CATALOG,
    CREATE,
    DELETE,
    OVERWRITE,
    PULL,
    PUSH,
    ROBOT,
    SEARCH,
    USER,
    Identity,
    ScopeEntry,
)

# V1: for one pull by the v1 API, whose clients cannot ask for another token on the way.
ACCESS, REFRESH, V1 = "access", "refresh", "v1"
ACCESS_SECONDS, REFRESH_SECONDS, V1_SECONDS = 300, 90 * 86400, 3600
MOST_ENTRIES = 100
REPOSITORY, REGISTRY = "repository", "registry"
_ISSUER = "dockboard-registry"
SKEW = 60
# The longest token that is read, in characters. All fields of a request together may have 16 KiB.
LONGEST = 15 << 10
_LIFE = {ACCESS: ACCESS_SECONDS, REFRESH: REFRESH_SECONDS, V1: V1_SECONDS}
# The actions that the words of the token protocol stand for.
ACTIONS = {"pull": (PULL,), "push": (PUSH, CREATE, OVERWRITE), "delete": (DELETE,)}
# The same for the object registry:catalog.
OF_CATALOG = {"*": CATALOG, "search": SEARCH}
_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")
_FORM = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}", re.A)
_SUBJECT = re.compile(rf"(?:{USER}|{ROBOT}):[0-9]{{1,19}}|{ANONYMOUS}", re.A)


class ResourceActions(NamedTuple):
    """Actions on one object, in the words of the token protocol; kind: repository or registry."""

    kind: str
    name: str
    actions: tuple[str, ...]


class Claims(NamedTuple):
    """What a token with a valid signature says.

    identity: the account that it was made for. expires_at: in seconds since 1970. scope: what the token is for; None
    for a refresh token.
    """

    identity: Identity
    expires_at: int
    scope: tuple[ScopeEntry, ...] | None


def make(key: bytes, audience: str, use: str, identity: Identity, granted: list[ResourceActions]) -> str:
    """A new token, valid from now on."""
    at = int(time.time())
    claims = {
        "iss": _ISSUER,
        "aud": audience,
        "use": use,
        "sub": ANONYMOUS if identity.kind == ANONYMOUS else f"{identity.kind}:{identity.id}",
        "gen": identity.credential_generation,
        "tid": identity.token_id,
        "iat": at,
        "nbf": at,
        "exp": at + _LIFE[use],
        "jti": secrets.token_hex(16),
        "access": [{"type": kind, "name": name, "actions": list(actions)} for kind, name, actions in granted],
    }
    return sign(key, json.dumps(claims, separators=(",", ":")).encode())


def sign(key: bytes, payload: bytes) -> str:
    signed = _HEADER + b"." + base64.urlsafe_b64encode(payload).rstrip(b"=")
    return (signed + b"." + _signature(key, signed)).decode()


def _signature(key: bytes, signed: bytes) -> bytes:
    return base64.urlsafe_b64encode(hmac.digest(key, signed, "sha256")).rstrip(b"=")


def read(token: str, keys: tuple[bytes, ...], audience: str, use: str) -> tuple[Claims, bytes]:
    """(what the token says, the key that signed it). Raises Unauthorized."""
    data = token.encode("ascii", "replace")
    if len(data) > LONGEST or not _FORM.fullmatch(data):
        raise _refused()
    signed, _, signature = data.rpartition(b".")
    header, _, payload = signed.partition(b".")
    key = next((key for key in keys if hmac.compare_digest(_signature(key, signed), signature)), None)
    if header != _HEADER or key is None:
        raise _refused()
    try:
        claims = json.loads(
            base64.b64decode(payload + b"=" * (-len(payload) % 4), b"-_", validate=True),
            object_pairs_hook=_without_duplicates,
        )
        return _checked(claims, audience, use), key
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise _refused() from error


def _refused() -> Unauthorized:
    return Unauthorized("the token is not one of this registry, or has expired", "ask the token server for a new one")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a claim stands twice")
    return found


def _checked(claims: dict, audience: str, use: str) -> Claims:
    """Raises ValueError, TypeError, KeyError if `make` can't have written the claims, or if they do not hold now."""
    at = time.time()
    issued, begins, ends, generation = (_number(claims[name]) for name in ("iat", "nbf", "exp", "gen"))
    if (claims["iss"], claims["aud"], claims["use"]) != (_ISSUER, audience, use):
        raise ValueError("the token was made for something else")
    if ends <= at or begins > at + SKEW or issued > at + SKEW or ends - issued > _LIFE[use]:
        raise ValueError("the token does not count now")
    if not isinstance(claims["sub"], str) or not _SUBJECT.fullmatch(claims["sub"]):
        raise ValueError("the subject is none")
    kind, _, id = claims["sub"].partition(":")
    token_id = claims["tid"] if claims["tid"] is None else _number(claims["tid"])
    return Claims(
        Identity(kind, int(id or 0), generation, token_id), ends, None if use == REFRESH else _scope(claims["access"])
    )


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError("not a number of the kind that is written here")
    return value


def _scope(access: object) -> tuple[ScopeEntry, ...]:
    if type(access) is not list or len(access) > MOST_ENTRIES:
        raise ValueError("the list of what the token is for is none")
    return tuple(_entry(**entry) for entry in access)


def _entry(type: str, name: str, actions: list) -> ScopeEntry:
    if type == REGISTRY and name == "catalog":
        return ScopeEntry(None, frozenset(OF_CATALOG[word] for word in actions))
    if type != REPOSITORY or not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT:
        raise ValueError("an entry of an unknown kind")
    return ScopeEntry(patterns.exact(name), frozenset(action for word in actions for action in ACTIONS[word]))
