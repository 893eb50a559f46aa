"""A TCP proxy between a client and the registry that counts what is sent and cuts connections on request."""

from __future__ import annotations

import socket
import struct
import threading

CHUNK = 64 * 1024
# SO_LINGER with no time: close() answers with a reset, as a router that lost its state does.
RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes everything on to `target` ("127.0.0.1:5000").

    `sent` is how many bytes clients sent to the registry. `cut_after(n)` arms one cut: the first connection that has
    sent n bytes from then on is reset on both sides, and `cuts` counts it.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = 0
        self.cuts = 0
        self._limit: int | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def cut_after(self, size: int) -> None:
        """Reset the next connection that sends more than `size` bytes."""
        with self._lock:
            self._limit = size

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            threading.Thread(target=self._upstream, args=(client, server), daemon=True).start()
            threading.Thread(target=self._downstream, args=(server, client), daemon=True).start()

    def _upstream(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        try:
            while data := client.recv(CHUNK):
                passed += len(data)
                if self._is_cut(passed, len(data)):
                    self._reset(client, server)
                    return
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            self._end(client, server)

    def _downstream(self, server: socket.socket, client: socket.socket) -> None:
        try:
            while data := server.recv(CHUNK):
                client.sendall(data)
        except OSError:
            pass
        self._end(client, server)

    def _is_cut(self, passed: int, added: int) -> bool:
        with self._lock:
            self.sent += added
            if self._limit is None or passed <= self._limit:
                return False
            self._limit = None
            self.cuts += 1
            return True

    def _reset(self, *sockets: socket.socket) -> None:
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._end(*sockets)

    def _end(self, *sockets: socket.socket) -> None:
        with self._lock:
            self._open -= set(sockets)
        for each in sockets:
            try:
                # close() alone would leave the other thread of this pair waiting in recv, and the peer with it.
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            each.close()

    def close(self) -> None:
        """End the listener and every connection."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join()
        self._end(*list(self._open))

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
