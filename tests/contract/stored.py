"""Short ways to store bytes through the storage interface, and to read them back."""

import contextlib
import socket

from dockboard_registry.storage import Saved, new_key

PIECE = 1 << 20


@contextlib.asynccontextmanager
async def holding(upload):
    """The upload while it is held."""
    await upload.hold()
    try:
        yield upload
    finally:
        await upload.release()


async def stored(storage, data: bytes, key: str | None = None) -> str:
    """Upload the bytes in one piece; their key."""
    key = key or new_key()
    async with holding(storage.resume(key, Saved(), 0)) as upload:
        await upload.write(data)
        await upload.commit()
    return key


async def suspended(storage, data: bytes) -> tuple[str, Saved]:
    """An upload under way with these bytes: its key, and what `resume` needs."""
    key = new_key()
    async with holding(storage.resume(key, Saved(), 0)) as upload:
        await upload.write(data)
        return key, await upload.suspend()


async def content(storage, key: str) -> bytes:
    source = await storage.open(key)
    try:
        pieces = []
        while piece := await source.read(sum(map(len, pieces)), PIECE):
            pieces.append(piece)
        assert sum(map(len, pieces)) == source.size
        return b"".join(pieces)
    finally:
        source.close()


async def listed(storage, after: str = "") -> list[str]:
    return [found.key async for found in storage.keys(after)]


async def passed_on(source, start: int, stop: int) -> bytes:
    """The bytes that a client gets from socket to socket, which reads 100 kB when its socket is full."""
    passing, place, received = source.passing(), start, bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        server.setblocking(False)
        while len(received) < stop - start:
            if place < stop:
                place += await passing.pass_on(server.fileno(), place, stop, 0.0)
            received += client.recv(100_000)
    return bytes(received)
