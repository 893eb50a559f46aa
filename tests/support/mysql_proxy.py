"""A proxy before MySQL that cuts a connection at a chosen statement: before the server sees it, or when it has
answered; or that answers in the server's place with an error.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

COM_QUERY = 3


class MySQLProxy:
    """Listens on `port` of 127.0.0.1 and passes all on to the server's port; `seen` are the statements that came by."""

    def __init__(self, target: int):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.seen: list[bytes] = []
        self.cuts = 0
        self.held = threading.Event()
        self._keeps = False
        self._plan: tuple[bytes, str | int, int] | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, beginning: bytes, when: str | int, skip: int = 0) -> None:
        """Once, cut the connection at the statement that begins so, after `skip` others of them. when: "before",
        "after", or the number of an error to answer with, where the server sees no more than the end of the connection.
        With "hold before" and "hold after" the client waits in vain instead, until it closes the connection itself;
        `held` is set then.
        """
        with self._lock:
            self._plan = beginning, when, skip

    def rest(self) -> None:
        """Forget what was to be cut."""
        with self._lock:
            self._plan = None

    def _due(self, statement: bytes) -> str | int:
        """What to do with it, or nothing."""
        with self._lock:
            self.seen.append(statement)
            if self._plan is None or not statement.startswith(self._plan[0]):
                return ""
            beginning, when, skip = self._plan
            self._plan = (beginning, when, skip - 1) if skip else None
            self.cuts += not skip
            return "" if skip else when

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                client.close()
                continue
            cut = threading.Event()
            threading.Thread(target=self._up, args=(client, server, cut), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server, cut), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            for packet in packets(client):
                when = self._due(packet[5:]) if packet[4:5] == bytes([COM_QUERY]) else ""
                if when == "before":
                    break
                if isinstance(when, int):
                    client.sendall(error_packet(packet[3] + 1, when))
                    break
                if when == "hold before":
                    self.held.set()
                    continue
                if when in ("after", "hold after"):
                    self._keeps = when == "hold after"
                    cut.set()
                server.sendall(packet)
        close(client, server)

    def _down(self, client: socket.socket, server: socket.socket, cut: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while (data := server.recv(65536)) and not cut.is_set():
                client.sendall(data)
            if self._keeps:
                return self.held.set()
        close(client, server)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def __enter__(self) -> MySQLProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def packets(sock: socket.socket) -> Iterator[bytes]:
    """Whole packets of the protocol: three bytes of length, one of sequence, the payload."""
    buffer = b""
    while data := sock.recv(65536):
        buffer += data
        while len(buffer) >= 4 and len(buffer) >= (size := 4 + int.from_bytes(buffer[:3], "little")):
            yield buffer[:size]
            buffer = buffer[size:]


def error_packet(sequence: int, number: int) -> bytes:
    """The protocol's ERR packet."""
    payload = b"\xff" + number.to_bytes(2, "little") + b"#HY000made up by a proxy"
    return len(payload).to_bytes(3, "little") + bytes([sequence]) + payload


def close(*sockets: socket.socket) -> None:
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
