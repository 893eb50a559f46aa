"""Request targets in absolute form (RFC 9112 section 3.2.2), which programs send that treat the registry as a proxy,
and `OPTIONS *`.
"""

import re

from .framing import is_host, is_sound
from .headers import Headers
from .messages import Request, Response

_ABSOLUTE = re.compile(r"https?://([^/?#]*)(/[^?#]*)?(\?[^#]*)?", re.A | re.I)
# The methods that the registry knows.
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
WHOLE_SERVER = "*"


def read(method: str, target: str, version: str, headers: Headers) -> tuple[str, Headers, bool]:
    """The target as path and query, the fields, and whether the head has one reading only.

    The host of an absolute target replaces the Host field.
    """
    sound = is_sound(version, headers)
    found = None if target.startswith("/") or not sound else _ABSOLUTE.fullmatch(target)
    if found is None:
        return target, headers, sound
    host, path, query = found.groups("")
    if not host.partition(":")[0] or not is_host(host):
        return target, headers, False
    headers = headers.with_field("Host", host)
    if method == "OPTIONS" and not path and not query:
        return WHOLE_SERVER, headers, True
    return (path or "/") + query, headers, True


def path_in(seen: bytes) -> str:
    """The path in what has come of a request, which need not be well-formed; as much of it as there is."""
    line = seen.lstrip(b"\r\n").partition(b"\n")[0].decode("latin1").split(" ")
    return line[1].rstrip("\r").partition("?")[0] if len(line) > 1 else ""


async def capabilities(_: Request) -> Response:
    """The answer to `OPTIONS *` (RFC 9110 section 9.3.7)."""
    return Response(200, {"Allow": _METHODS})
