"""Older signatures, which vendors still take and our drivers do not make: version 1 of OSS, and QBox of Kodo."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from email.utils import formatdate
from urllib.parse import urlsplit

from dockboard_registry.storage.objects.credentials import Credentials
from dockboard_registry.storage.objects.signers.forms import Place, in_base64, url_base64
from dockboard_registry.storage.objects.signers.oss import bare_query

_FORM = "application/x-www-form-urlencoded"
# Parameters that version 1 of OSS signs; all others stay outside its signature.
_SIGNED = frozenset(
    {
        *("acl", "append", "delete", "lifecycle", "location", "partNumber", "policy", "position", "tagging"),
        *("response-cache-control", "response-content-disposition", "response-content-encoding"),
        *("response-content-language", "response-content-type", "response-expires", "security-token"),
        *("uploadId", "uploads"),
    }
)


def oss_fields(
    method: str, place: Place, bucket: str, fields: Mapping[str, str], credentials: Credentials, at: float | None = None
) -> dict[str, str]:
    """The fields with Host, date and signature."""
    made = {"Host": place.host, **fields, "Date": formatdate(at, usegmt=True)}
    signature = oss_signature(method, place, bucket, made, made["Date"], credentials)
    return {**made, "Authorization": f"OSS {credentials.access_key}:{signature}"}


def oss_query(method: str, place: Place, bucket: str, credentials: Credentials, until: int) -> str:
    """The encoded query with which everybody may send this request until then, in seconds since 1970."""
    signature = oss_signature(method, place, bucket, {}, str(until), credentials)
    more = (("OSSAccessKeyId", credentials.access_key), ("Expires", str(until)), ("Signature", signature))
    return bare_query((*place.query, *more))


def oss_signature(
    method: str, place: Place, bucket: str, fields: Mapping[str, str], date: str, credentials: Credentials
) -> str:
    found = {name.lower(): value for name, value in fields.items()}
    lines = [f"{name}:{value}" for name, value in sorted(found.items()) if name.startswith("x-oss-")]
    query = sorted((name, value) for name, value in place.query if name in _SIGNED)
    tail = "&".join(f"{name}={value}" if value else name for name, value in query)
    resource = f"/{bucket}{place.path}" + (f"?{tail}" if tail else "")
    text = "\n".join((method, found.get("content-md5", ""), found.get("content-type", ""), date, *lines, resource))
    return in_base64(hmac.digest(credentials.secret_key.encode(), text.encode(), "sha1"))


def qbox_token(url: str, kind: str, body: bytes, credentials: Credentials) -> str:
    """The token after `QBox ` in the field Authorization of requests that manage objects of Kodo."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    signed = f"{target}\n".encode() + (body if kind == _FORM else b"")
    signature = hmac.digest(credentials.secret_key.encode(), signed, "sha1")
    return f"{credentials.access_key}:{url_base64(signature)}"
