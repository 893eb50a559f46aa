"""Signatures of Tencent Cloud's COS, in the header fields or in the query of a URL."""

import hashlib
import hmac
import time
from collections.abc import Iterable, Mapping

from ..credentials import Credentials
from .forms import Place, encoded

# A signature begins to be valid so many seconds before it is made, because clocks differ.
EARLIER = 60
_SECONDS = 600
_SIGNED = ("host", "content-md5", "content-type", "range")


def signed_fields(
    method: str, place: Place, fields: Mapping[str, str], credentials: Credentials, at: float | None = None
) -> dict[str, str]:
    """The fields with Host and signature."""
    made = {"Host": place.host, **fields}
    if credentials.token:
        made["x-cos-security-token"] = credentials.token
    signed = {name: value for name, value in made.items() if _is_signed(name.lower())}
    pairs = signature(method, place, signed, credentials, _SECONDS, at)
    made["Authorization"] = "&".join(f"{name}={value}" for name, value in pairs)
    return made


def signed_query(method: str, place: Place, credentials: Credentials, seconds: int, at: float | None = None) -> str:
    """The encoded query with which everybody may send this request for so many seconds."""
    pairs = signature(method, place, {"Host": place.host}, credentials, seconds, at)
    token = (("x-cos-security-token", credentials.token),) if credentials.token else ()
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in (*pairs, *place.query, *token))


def _is_signed(name: str) -> bool:
    return name in _SIGNED or name.startswith("x-cos-")


def _listed(pairs: Iterable[tuple[str, str]]) -> tuple[str, str]:
    """The names, and names with values, as they are signed."""
    made = sorted((encoded(name).lower(), encoded(value)) for name, value in pairs)
    return ";".join(name for name, _ in made), "&".join(f"{name}={value}" for name, value in made)


def signature(
    method: str,
    place: Place,
    fields: Mapping[str, str],
    credentials: Credentials,
    seconds: int,
    at: float | None,
) -> list[tuple[str, str]]:
    """The parameters that sign a request: what they stand in decides where they go."""
    begun = int(time.time() if at is None else at)
    times = f"{begun - EARLIER};{begun + seconds}"
    key = hmac.digest(credentials.secret_key.encode(), times.encode(), "sha1").hex()
    parameters, query = _listed(place.query)
    names, lines = _listed(fields.items())
    request = f"{method.lower()}\n{place.path}\n{query}\n{lines}\n"
    text = f"sha1\n{times}\n{hashlib.sha1(request.encode(), usedforsecurity=False).hexdigest()}\n"
    return [
        ("q-sign-algorithm", "sha1"),
        ("q-ak", credentials.access_key),
        ("q-sign-time", times),
        ("q-key-time", times),
        ("q-header-list", names),
        ("q-url-param-list", parameters),
        ("q-signature", hmac.digest(key.encode(), text.encode(), "sha1").hex()),
    ]
