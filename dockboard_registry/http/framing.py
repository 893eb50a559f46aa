"""Which requests have one reading only (RFC 9112 sections 3.2, 6 and 11.2). Others could be used to smuggle requests.

Tornado refuses much of this itself, some of it only after the handler would have begun. It accepts `Content-Length:
5,5`.
"""

import re

from .headers import Headers

_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+;=-]*(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?", re.A)
_LENGTH = re.compile(r"[0-9]{1,18}", re.A)


def is_host(text: str) -> bool:
    """Whether this has the form of a host, with or without a port."""
    return _HOST.fullmatch(text) is not None


def is_sound(version: str, headers: Headers) -> bool:
    """One Host (HTTP/1.0 may have none), and at most one length: a plain number, or chunked in HTTP/1.1.

    Two lines of one of these names are one value with a comma here, which none of them may have.
    """
    host = headers.get("Host")
    if not is_host(host) if host is not None else version != "HTTP/1.0":
        return False
    coding, length = headers.get("Transfer-Encoding"), headers.get("Content-Length")
    if coding is not None:
        return version == "HTTP/1.1" and length is None and coding.lower() == "chunked"
    return length is None or _LENGTH.fullmatch(length) is not None


def announces_body(headers: Headers) -> bool:
    """Whether a body follows a sound request."""
    return "Transfer-Encoding" in headers or headers.get("Content-Length", "0").strip("0") != ""
