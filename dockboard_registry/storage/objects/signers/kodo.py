"""Signatures of Qiniu's Kodo: tokens of uploads and downloads, and of requests that manage objects."""

import hmac
import json
from collections.abc import Mapping
from urllib.parse import urlsplit

from ..credentials import Credentials
from .forms import encoded_path, url_base64

_NO_POLICY: Mapping[str, int] = {}
_BYTES = "application/octet-stream"


def entry(bucket: str, name: str) -> str:
    """An object, as the paths of requests name it."""
    return url_base64(f"{bucket}:{name}".encode())


def upload_token(
    bucket: str, name: str, credentials: Credentials, until: int, policy: Mapping[str, int] = _NO_POLICY
) -> str:
    """Lets its bearer write this object until then. policy: more conditions, such as insertOnly."""
    made = {"scope": f"{bucket}:{name}", "deadline": until, **policy}
    coded = url_base64(json.dumps(made, separators=(",", ":")).encode())
    return f"{_signed(coded.encode(), credentials)}:{coded}"


def download_url(domain: str, name: str, credentials: Credentials, until: int) -> str:
    """domain: scheme and authority of a URL."""
    url = f"{domain}/{encoded_path(name)}?e={until}"
    return f"{url}&token={_signed(url.encode(), credentials)}"


def request_token(method: str, url: str, fields: Mapping[str, str], body: bytes, credentials: Credentials) -> str:
    """The token after `Qiniu ` in the field Authorization."""
    parts = urlsplit(url)
    found = {name.lower(): value for name, value in fields.items()}
    kind = found.get("content-type", "")
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{method} {target}", f"Host: {parts.netloc}"]
    if kind:
        lines.append(f"Content-Type: {kind}")
    own = sorted((_titled(name), value) for name, value in found.items() if name.startswith("x-qiniu-"))
    lines += [f"{name}: {value}" for name, value in own]
    text = "\n".join(lines).encode() + b"\n\n"
    return _signed(text + (body if kind and kind != _BYTES else b""), credentials)


def _titled(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _signed(data: bytes, credentials: Credentials) -> str:
    signature = hmac.digest(credentials.secret_key.encode(), data, "sha1")
    return f"{credentials.access_key}:{url_base64(signature)}"
