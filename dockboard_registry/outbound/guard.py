"""Which addresses a client may connect to.

Where a user chooses the URL, as for webhooks, it must not lead into the operator's own network. The address is looked
up once, then it is checked, and the connection goes to that address. So a name cannot lead elsewhere after the check.
"""

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from .errors import AddressRefused

Address = IPv4Address | IPv6Address
Guard = Callable[[Address], bool]


def anywhere(address: Address) -> bool:
    """For servers that the operator names in the configuration."""
    return True


def public_and(networks: Iterable[IPv4Network | IPv6Network] = ()) -> Guard:
    """For servers that users name: public addresses, and those of networks that the operator allows."""
    allowed = tuple(networks)

    def may(address: Address) -> bool:
        inner = _inner(address)
        named = any(candidate in network for network in allowed for candidate in (address, inner))
        return named or (inner.is_global and not inner.is_multicast)

    return may


def _inner(address: Address) -> Address:
    """The IPv4 address inside an IPv6 address that leads to it."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address.sixtofour or address
    return address


def dial(host: str, port: int, seconds: float, guard: Guard) -> socket.socket:
    """A connection to the first address of the host that answers. Raises AddressRefused, OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    may = [entry for entry in found if guard(ip_address(entry[4][0].partition("%")[0]))]
    if not may:
        raise AddressRefused(f"{host} has no address that may be reached from here")
    for number, (family, kind, protocol, _, address) in enumerate(may):
        made = socket.socket(family, kind, protocol)
        made.settimeout(seconds / len(may))
        try:
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        except OSError:
            made.close()
            if number == len(may) - 1:
                raise
    raise OSError(f"{host} has no address")
