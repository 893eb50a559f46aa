"""Signatures of Baidu's BOS: bce-auth-v1, in the header fields or in the query of a URL."""

import hmac
import time
from collections.abc import Mapping

from ..credentials import Credentials
from .forms import Place, encoded, encoded_path

_SECONDS = 1800
_SIGNED = ("host", "content-length", "content-md5", "content-type")


def signed_fields(
    method: str,
    place: Place,
    fields: Mapping[str, str],
    length: int | None,
    credentials: Credentials,
    at: float | None = None,
) -> dict[str, str]:
    """The fields with Host, date and signature. length: what Content-Length will be; None = there will be none."""
    date = _date(at)
    made = {"Host": place.host, **fields, "x-bce-date": date}
    if credentials.token:
        made["x-bce-security-token"] = credentials.token
    signed = made if length is None else {**made, "Content-Length": str(length)}
    made["Authorization"] = authorization(method, place, signed, credentials, _SECONDS, date)
    return made


def signed_query(method: str, place: Place, credentials: Credentials, seconds: int, at: float | None = None) -> str:
    """The encoded query with which everybody may send this request for so many seconds."""
    token = (("x-bce-security-token", credentials.token),) if credentials.token else ()
    full = place._replace(query=(*place.query, *token))
    made = authorization(method, full, {"Host": place.host}, credentials, seconds, _date(at))
    return "&".join(f"{encoded(name)}={encoded(value)}" for name, value in (*full.query, ("authorization", made)))


def _date(at: float | None) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def authorization(
    method: str,
    place: Place,
    fields: Mapping[str, str],
    credentials: Credentials,
    seconds: int,
    date: str,
) -> str:
    """The list of signed fields stays empty: that means those that every server takes by itself."""
    begin = f"bce-auth-v1/{credentials.access_key}/{date}/{seconds}"
    key = hmac.digest(credentials.secret_key.encode(), begin.encode(), "sha256").hex()
    query = "&".join(sorted(f"{encoded(name)}={encoded(value)}" for name, value in place.query))
    found = [(name.lower(), value.strip()) for name, value in fields.items() if value.strip()]
    lines = sorted(
        f"{encoded(name)}:{encoded(value)}" for name, value in found if name in _SIGNED or name.startswith("x-bce-")
    )
    canonical = "\n".join((method, encoded_path(place.path), query, "\n".join(lines)))
    return f"{begin}//{hmac.digest(key.encode(), canonical.encode(), 'sha256').hex()}"
