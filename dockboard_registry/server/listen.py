"""Listening sockets, and the words for what can go wrong with them."""

import errno
import os
import socket

from ..config.kinds import split_address
from ..errors import StartError

BACKLOG = 1024
NEXT_STEPS = {
    errno.EADDRINUSE: "another program listens there: stop it, or choose another port with --listen HOST:PORT",
    errno.EACCES: "this user may not open that port: choose one of 1024 or more with --listen HOST:PORT",
    errno.EADDRNOTAVAIL: "this machine does not have that address: listen on one that it has",
}


def bind(key: str, address: str) -> list[socket.socket]:
    """Sockets that are bound to every address of HOST:PORT and do not listen yet.

    StartError names `key` and the next step.
    """
    host, port = split_address(address)
    bound: list[socket.socket] = []
    for family, sockaddr in _resolved(key, address, host, port):
        # One free port for all addresses of a name.
        wanted = bound[0].getsockname()[1] if bound else port
        bound.append(_bound(key, address, family, (sockaddr[0], wanted, *sockaddr[2:])))
    return bound


def listen(key: str, address: str, sockets: list[socket.socket]) -> None:
    """Begin to listen: connections wait in the kernel until a worker takes them."""
    for sock in sockets:
        try:
            sock.listen(BACKLOG)
        except OSError as error:
            raise _start_error(key, address, error) from None


def _resolved(key: str, address: str, host: str, port: int) -> list[tuple[int, tuple]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise StartError(f"{key} is {address}, but {host} is not a name of this machine: {error.strerror}") from None
    return list({(family, sockaddr): None for family, _, _, _, sockaddr in found})


def _bound(key: str, address: str, family: int, sockaddr: tuple) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # [::] means every address, also of IPv4. Any other address means itself.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, sockaddr[0] != "::")
        sock.bind(sockaddr)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise _start_error(key, address, error) from None
    return sock


def _start_error(key: str, address: str, error: OSError) -> StartError:
    remedy = NEXT_STEPS.get(error.errno or 0, os.strerror(error.errno or 0))
    return StartError(f"can't listen on {address} ({key}): {remedy}")
