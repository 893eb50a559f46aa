"""Which requests have one reading only (RFC 9112 sections 3.2, 6 and 11.2): what else goes on is a way to smuggle
requests.

Tornado refuses much of this itself, some of it only after the handler would have begun, and takes `Content-Length:
5,5`.
"""

import re

from tornado.httputil import HTTPHeaders

_HOST = re.compile(r"[A-Za-z0-9._~%!$&'()*+;=-]*(?::[0-9]{0,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{0,5})?", re.A)
_LENGTH = re.compile(r"[0-9]{1,18}", re.A)


def is_host(text: str) -> bool:
    """Whether this is a host in form, with or without a port."""
    return _HOST.fullmatch(text) is not None


def is_sound(version: str, headers: HTTPHeaders) -> bool:
    """One Host (HTTP/1.0 may have none), and at most one length: a plain number, or chunked in HTTP/1.1."""
    hosts = headers.get_list("Host")
    if len(hosts) > 1 or (not hosts and version != "HTTP/1.0") or (hosts and not is_host(hosts[0])):
        return False
    codings, lengths = headers.get_list("Transfer-Encoding"), headers.get_list("Content-Length")
    if codings:
        return version == "HTTP/1.1" and not lengths and len(codings) == 1 and codings[0].lower() == "chunked"
    return not lengths or (len(lengths) == 1 and _LENGTH.fullmatch(lengths[0]) is not None)


def announces_body(headers: HTTPHeaders) -> bool:
    """Of a sound request: does a body follow?"""
    return "Transfer-Encoding" in headers or headers.get("Content-Length", "0").strip("0") != ""
