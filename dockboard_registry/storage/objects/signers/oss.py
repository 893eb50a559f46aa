"""Signatures of Alibaba Cloud's OSS: version 4, in the header fields or in the query of a URL.

The vendor takes version 1 from older accounts only.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping

from ..credentials import Credentials
from .forms import Place, compact_date, encoded, encoded_path

_ALGORITHM = "OSS4-HMAC-SHA256"
_UNSIGNED = "UNSIGNED-PAYLOAD"


def signed_fields(
    method: str,
    place: Place,
    bucket: str,
    fields: Mapping[str, str],
    credentials: Credentials,
    region: str,
    at: float | None = None,
) -> dict[str, str]:
    """The fields with Host, date and a signature of version 4. The path of the place has no bucket."""
    date = compact_date(at)
    made = {"Host": place.host, **fields, "x-oss-date": date, "x-oss-content-sha256": _UNSIGNED}
    if credentials.token:
        made["x-oss-security-token"] = credentials.token
    signature = _signature_4(method, place, bucket, made, credentials, region, date)
    scope = f"{credentials.access_key}/{_scope(date, region)}"
    made["Authorization"] = f"{_ALGORITHM} Credential={scope},Signature={signature}"
    return made


def signed_query(
    method: str,
    place: Place,
    bucket: str,
    credentials: Credentials,
    region: str,
    seconds: int,
    at: float | None = None,
) -> str:
    """The encoded query with which everybody may send this request for so many seconds."""
    date = compact_date(at)
    more = {
        "x-oss-signature-version": _ALGORITHM,
        "x-oss-date": date,
        "x-oss-expires": str(seconds),
        "x-oss-credential": f"{credentials.access_key}/{_scope(date, region)}",
    }
    if credentials.token:
        more["x-oss-security-token"] = credentials.token
    full = place._replace(query=(*place.query, *more.items()))
    signature = _signature_4(method, full, bucket, {}, credentials, region, date)
    return f"{bare_query(full.query)}&x-oss-signature={signature}"


def bare_query(query: Iterable[tuple[str, str]]) -> str:
    """Encoded. A parameter without a value has no equals sign."""
    pairs = sorted((encoded(name), encoded(value)) for name, value in query)
    return "&".join(f"{name}={value}" if value else name for name, value in pairs)


def _scope(date: str, region: str) -> str:
    return f"{date[:8]}/{region}/oss/aliyun_v4_request"


def _signature_4(
    method: str,
    place: Place,
    bucket: str,
    fields: Mapping[str, str],
    credentials: Credentials,
    region: str,
    date: str,
) -> str:
    found = sorted((name.lower(), value.strip()) for name, value in fields.items())
    lines = [
        f"{name}:{value}"
        for name, value in found
        if name.startswith("x-oss-") or name in ("content-type", "content-md5")
    ]
    path = encoded_path(f"/{bucket}{place.path}")
    canonical = "\n".join((method, path, bare_query(place.query), *lines, "", "", _UNSIGNED)).encode()
    scope = _scope(date, region)
    text = f"{_ALGORITHM}\n{date}\n{scope}\n{hashlib.sha256(canonical).hexdigest()}"
    key = f"aliyun_v4{credentials.secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
