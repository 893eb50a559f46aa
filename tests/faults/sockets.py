"""Which process holds the other end of a connection, asked of the kernel: the server need not tell."""

import os
import socket
from pathlib import Path

from tests.support.descriptors import opened_by
from tests.support.http import Client
from tests.support.server import Registry


class Connection(Client):
    """A client that shows its socket."""

    def socket(self) -> socket.socket:
        return self._connected().sock


def owner(connection: socket.socket, candidates: list[int]) -> int | None:
    """The one of these processes that has accepted this loopback connection, or None."""
    inode = _inode(connection.getpeername()[1], connection.getsockname()[1])
    for pid in candidates:
        if inode and f"socket:[{inode}]" in opened_by(pid):
            return pid
    return None


def _inode(local: int, remote: int) -> str:
    """The inode of the TCP socket with these ports; the columns are those of proc(5), /proc/net/tcp."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if (int(fields[1].rpartition(":")[2], 16), int(fields[2].rpartition(":")[2], 16)) == (local, remote):
            return fields[9]
    return ""


def one_client_per_worker(registry: Registry, tries: int = 500) -> dict[int | None, Client]:
    """Open connections until every worker has one that stays open; worker pid to client."""
    workers = registry.workers()
    found: dict[int | None, Client] = {}
    for _ in range(tries):
        client = Connection(registry.address)
        client.get("/v2/").expect(200)
        if found.setdefault(owner(client.socket(), workers), client) is not client:
            client.close()
        if set(workers) <= set(found):
            break
    assert set(found) == set(workers), f"{tries} connections reached only {sorted(found)} of {workers}"
    return found
