"""The least that an upload costs in Python: receive, hash, write and nothing else, in one thread; what no registry in
Python gets below.

    python floor.py PORT FOLDER

It speaks as much HTTP as the benchmark's client needs. There is no database, no durability and no second client.
"""

from __future__ import annotations

import hashlib
import os
import re
import socket
import sys

BUFFER = 1 << 20
LENGTH = re.compile(rb"content-length: (\d+)", re.I)


def serve(port: int, folder: str) -> None:
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            client, _ = listener.accept()
            with client:
                talk(client, folder)


def talk(client: socket.socket, folder: str) -> None:
    """Answer the requests of a connection; a body that comes is stored as one file."""
    digest = ""
    while head := read_head(client):
        method = head.split(b" ", 1)[0]
        found = LENGTH.search(head)
        if found and int(found[1]):
            digest = receive(client, int(found[1]), f"{folder}/stored")
        status = {b"POST": b"202 Accepted", b"PATCH": b"202 Accepted", b"PUT": b"201 Created"}.get(method, b"200 OK")
        if method == b"PUT" and digest.encode() not in head:
            status = b"400 Bad Request"
        client.sendall(b"HTTP/1.1 " + status + b"\r\nLocation: /v2/floor/blobs/uploads/1\r\nContent-Length: 0\r\n\r\n")


def read_head(client: socket.socket) -> bytes:
    """Byte for byte, so that nothing of the body is taken with it; empty at the end of the connection."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        if not byte:
            return b""
        head += byte
    return head


def receive(client: socket.socket, size: int, path: str) -> str:
    """The digest of the body, in hexadecimal."""
    buffer, hasher = memoryview(bytearray(BUFFER)), hashlib.sha256()
    with open(path, "wb", buffering=0) as file:
        while size:
            count = client.recv_into(buffer[: min(size, BUFFER)], 0, socket.MSG_WAITALL)
            if not count:
                raise ConnectionError("the client left")
            hasher.update(buffer[:count])
            os.write(file.fileno(), buffer[:count])
            size -= count
    return hasher.hexdigest()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
