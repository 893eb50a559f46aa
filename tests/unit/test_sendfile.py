"""Parts of files sent to sockets: every byte, at once, and the connection as it was before."""

import asyncio
import socket
import sys
import time

import pytest

from dockboard_registry.http.connection import accept
from dockboard_registry.http.messages import Piece
from dockboard_registry.http.sending.sendfile import Sender

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="TCP_CORK is Linux's")
DATA = bytes(range(256)) * 4000 + b"an end that fills no segment"


@pytest.mark.parametrize(("start", "stop"), [(0, len(DATA)), (1, 70_001), (5, len(DATA) + 9)])
def test_all_bytes_arrive_at_once_and_the_socket_holds_nothing_back_afterwards(tmp_path, start, stop):
    (tmp_path / "file").write_bytes(DATA)

    async def main() -> tuple[int, int, bytes, float]:
        with socket.create_server(("127.0.0.1", 0)) as listener, (tmp_path / "file").open("rb") as file:
            client = socket.create_connection(listener.getsockname())
            client.setblocking(False)
            stream = accept(listener.accept()[0], None)
            begun, received = time.monotonic(), b""
            sending = asyncio.ensure_future(Sender().send(stream, file.fileno(), [Piece(start, stop)]))
            while len(received) < len(DATA[start:stop]):
                received += await asyncio.get_running_loop().sock_recv(client, 1 << 20)
            seconds, sent = time.monotonic() - begun, await sending
            corked = stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_CORK)
            stream.close()
            client.close()
            return sent, corked, received, seconds

    sent, corked, received, seconds = asyncio.run(main())
    assert (sent, corked) == (len(DATA[start:stop]), 0)
    assert received == DATA[start:stop]
    # The kernel lets a corked rest go after 200 ms.
    assert seconds < 0.15
