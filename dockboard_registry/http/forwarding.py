"""What proxies report about the client behind them: its address, and whether it used https.

This reads X-Forwarded-For and X-Forwarded-Proto in the forms that proxies send, and Forwarded (RFC 7239).
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address

# Headers by which a proxy is noticed that is not in server.trusted_proxies.
HEADERS = frozenset({"x-forwarded-for", "x-forwarded-proto", "x-forwarded-ssl", "forwarded"})
# Only the end of the list is read, because a client can make it long.
_MOST_NODES = 32
# A parameter of Forwarded, anywhere. A quote that a client left open must not hide what a proxy added after it.
_FOR = re.compile(r'(?:^|[;,\s])for=("[^"]*"|[^;,\s"]*)', re.I)
_PROTO = re.compile(r'(?:^|[;,\s])proto="?https"?(?=[;,\s]|\Z)', re.I)


def client(headers: Mapping[str, str], peer: str, trusted: Callable[[str], bool]) -> str:
    """The nearest address that is not a trusted proxy's, as the trusted proxy `peer` reports it. `peer` if there is
    none.

    Each proxy adds its client on the right, so the list is read from there. `unknown` and empty elements are skipped,
    because many proxies write them. Behind a name that a proxy made up for its client (RFC 7239 section 6.3) nothing is
    believed, because that client may have written it.
    """
    found = peer
    for node in reversed(_nodes(headers)):
        text = node.strip(' \t"')
        if not text or text.lower() == "unknown":
            continue
        address = _address(text)
        if address is None:
            break
        found = address
        if not trusted(address):
            break
    return found


def _nodes(headers: Mapping[str, str]) -> list[str]:
    """Who asked each proxy, in the order of the proxies. Several lines of one header are one value with commas here."""
    if "X-Forwarded-For" in headers:
        return headers["X-Forwarded-For"].rsplit(",", _MOST_NODES)[-_MOST_NODES:]
    return _FOR.findall(headers.get("Forwarded", ""))[-_MOST_NODES:]


def _address(text: str) -> str | None:
    """The address in 192.0.2.7, 192.0.2.7:5000, 2001:db8::7, [2001:db8::7], [2001:db8::7]:5000 or fe80::7%eth0;
    otherwise None.
    """
    for spelling in (text, text.rpartition(":")[0]):
        try:
            found = ip_address(spelling.removeprefix("[").removesuffix("]").partition("%")[0])
        except ValueError:
            continue
        return str(getattr(found, "ipv4_mapped", None) or found)
    return None


def says_https(headers: Mapping[str, str]) -> bool:
    """Whether any proxy on the way says that its client used https.

    Everybody is believed in this. It can only move a password from clear text to TLS, and never the other way round.
    """
    values = headers.get("X-Forwarded-Proto", "").lower().split(",")
    if any(value.strip(' \t"') == "https" for value in values):
        return True
    return headers.get("X-Forwarded-Ssl", "").lower() == "on" or _PROTO.search(headers.get("Forwarded", "")) is not None
