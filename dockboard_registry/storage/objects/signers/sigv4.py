"""Signatures of S3: AWS Signature Version 4, in the header fields or in the query of a URL."""

import functools
import hashlib
import hmac
import re
from collections.abc import Mapping

from ..credentials import Credentials
from .forms import Place, compact_date, encoded_path, encoded_query

UNSIGNED = "UNSIGNED-PAYLOAD"
SHA256 = "x-amz-content-sha256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
_ALGORITHM = "AWS4-HMAC-SHA256"
_BLANKS = re.compile(r" +")


def signed_fields(
    method: str,
    place: Place,
    fields: Mapping[str, str],
    payload: str,
    credentials: Credentials,
    region: str,
    at: float | None = None,
) -> dict[str, str]:
    """The fields with Host, date and signature. payload: its SHA-256 in hex, or UNSIGNED."""
    date = compact_date(at)
    made = {"Host": place.host, **fields, "x-amz-date": date, SHA256: payload}
    if credentials.token:
        made["x-amz-security-token"] = credentials.token
    names = ";".join(sorted(name.lower() for name in made))
    signature = _signature(method, place, made, names, payload, credentials, region, date)
    made["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key}/{_scope(date, region)}, SignedHeaders={names},"
        f" Signature={signature}"
    )
    return made


def signed_query(
    method: str, place: Place, credentials: Credentials, region: str, seconds: int, at: float | None = None
) -> str:
    """The encoded query with which everybody may send this request for so many seconds."""
    date = compact_date(at)
    more = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{_scope(date, region)}",
        "X-Amz-Date": date,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token:
        more["X-Amz-Security-Token"] = credentials.token
    full = place._replace(query=(*place.query, *more.items()))
    signature = _signature(method, full, {"Host": place.host}, "host", UNSIGNED, credentials, region, date)
    return f"{encoded_query(full.query)}&X-Amz-Signature={signature}"


def _scope(date: str, region: str) -> str:
    return f"{date[:8]}/{region}/s3/aws4_request"


def _signature(
    method: str,
    place: Place,
    fields: Mapping[str, str],
    names: str,
    payload: str,
    credentials: Credentials,
    region: str,
    date: str,
) -> str:
    found = sorted((name.lower(), _BLANKS.sub(" ", value.strip())) for name, value in fields.items())
    lines = [f"{name}:{value}" for name, value in found]
    canonical = "\n".join(
        (method, encoded_path(place.path), encoded_query(place.query), *lines, "", names, payload)
    ).encode()
    scope = _scope(date, region)
    text = f"{_ALGORITHM}\n{date}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
    return hmac.digest(_key(credentials.secret_key, scope), text.encode(), "sha256").hex()


@functools.lru_cache(8)
def _key(secret: str, scope: str) -> bytes:
    """The key of a day."""
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
