"""The client for which the running code works. Shared resources use it to serve all clients fairly."""

import functools
from contextvars import ContextVar
from ipaddress import IPv6Address, ip_address, ip_network
from typing import NamedTuple

_REMEMBERED = 4096


class Client(NamedTuple):
    """owner: `Principal.account_key`, or a network where nobody logged in, or the name of a job. connection: the number
    of one of the owner's connections.
    """

    owner: str = ""
    connection: int = 0


current_client: ContextVar[Client] = ContextVar("current_client", default=Client())


def count_for(owner: str) -> None:
    """From now on this request counts for this account."""
    current_client.set(Client(owner, current_client.get().connection))


@functools.lru_cache(_REMEMBERED)
def network_of(address: str) -> str:
    """The network of an address: the address itself, or the /64 of an IPv6 one, which one customer has."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(ip_network((found, 64 if found.version == 6 else 32), strict=False))
