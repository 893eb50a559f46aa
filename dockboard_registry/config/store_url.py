"""storage.url: which object store, where it is and how to reach it.

    s3://BUCKET/PREFIX?endpoint=URL&region=NAME&style=path|virtual&redirect_endpoint=URL&ca=FILE&tls=verify|off
Keys of access never stand in it: they are options of their own, so that they can come from the environment or a file.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlsplit

_OPTIONS = ("endpoint", "region", "style", "redirect_endpoint", "ca", "tls")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", re.A)
_PREFIX = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*", re.A)
_REGION = re.compile(r"[A-Za-z0-9-]{1,64}", re.A)
_FORM = "s3://BUCKET/PREFIX?endpoint=URL&region=NAME"


class StoreUrl(NamedTuple):
    """endpoint and redirect_endpoint: scheme and authority of a URL, the second one for clients. prefix: empty, or it
    ends with a slash. virtual: the bucket is the first part of the host's name. ca: PEM file with the certificates to
    trust; empty = the system's.
    """

    bucket: str
    prefix: str
    endpoint: str
    region: str
    virtual: bool
    redirect_endpoint: str
    ca: str
    text: str

    def __str__(self) -> str:
        return self.text


def parse_store(url: str, is_loopback: Callable[[str], bool]) -> StoreUrl:
    """ValueError completes the sentence "storage.url ...". is_loopback(host): whether only this machine reaches it."""
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError(f"must be {_FORM}") from None
    if parts.scheme != "s3" or parts.fragment:
        raise ValueError(f"must be {_FORM}; s3 is the only kind of object store")
    if "@" in parts.netloc:
        raise ValueError("must not hold keys: set storage.access_key and storage.secret_key, or a credentials_file")
    for name in options:
        if name not in _OPTIONS:
            (nearest,) = get_close_matches(name, _OPTIONS, n=1, cutoff=0)
            raise ValueError(f"has no parameter {name[:60]!r}; did you mean {nearest}?")
    prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
    if not _BUCKET.fullmatch(parts.netloc) or not _PREFIX.fullmatch(prefix):
        raise ValueError(f"must name a bucket, and a prefix of letters, digits and -_./ at most: {_FORM}")
    return _checked(url, parts, prefix, options, is_loopback)


def _checked(
    url: str, parts: SplitResult, prefix: str, options: dict[str, str], is_loopback: Callable[[str], bool]
) -> StoreUrl:
    region = options.get("region", "us-east-1")
    if not _REGION.fullmatch(region):
        raise ValueError("has a region that is none, such as eu-central-1")
    endpoint = options.get("endpoint") or f"https://s3.{region}.amazonaws.com"
    style = options.get("style") or ("virtual" if endpoint.endswith(".amazonaws.com") else "path")
    tls = options.get("tls", "verify")
    if style not in ("path", "virtual"):
        raise ValueError("has another style than path or virtual")
    if tls not in ("verify", "off"):
        raise ValueError("has another tls than verify or off")
    found = _origin("endpoint", endpoint, tls == "off", is_loopback)
    clients = _origin("redirect_endpoint", options.get("redirect_endpoint") or endpoint, tls == "off", is_loopback)
    return StoreUrl(parts.netloc, prefix, found, region, style == "virtual", clients, options.get("ca", ""), url)


def _origin(name: str, url: str, may_be_plain: bool, is_loopback: Callable[[str], bool]) -> str:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        right = False
    if not right or parts.path not in ("", "/") or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(f"has a wrong {name}: it must be https:// with a host, without path")
    if parts.scheme == "http" and not may_be_plain and not is_loopback(parts.hostname):
        raise ValueError(f"has an {name} of another machine without TLS: use https, or add tls=off")
    return f"{parts.scheme}://{parts.netloc}"
