"""Sends stored bytes that come from another server's socket, without reading them (storage.Passing)."""

import asyncio
import os
import socket

from ...storage import Passing
from ..messages import Piece, Span
from .sendfile import fit_buffer
from .spans import SMALL

# Threads wait for clients only while few such answers are under way.
_FEW, _PATIENCE = 4, 0.02


def passing_of(span: Span, stream) -> Passing | None:
    """None if the bytes have to be read: over TLS, in several parts, or so few that it would not pay."""
    if stream.tls or len(span.pieces) > 1 or span.pieces[0].before or span.length <= SMALL:
        return None
    return span.source.passing()


async def send(stream, passing: Passing, piece: Piece, edge) -> int:
    """Send all of the piece to the stream's socket, and return the number of bytes. edge.spans counts such answers.

    Raises OSError if the client's connection fails, StorageFailed.
    """
    # A duplicate, because Tornado may close the stream's when the client goes.
    client = os.dup(stream.socket.fileno())
    edge.spans += 1
    try:
        fit_buffer(stream.socket)
        await _send(stream, passing, client, piece, edge)
        if stream.socket is not None:
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 0)
        return piece.stop - piece.start
    finally:
        os.close(client)
        edge.spans -= 1


async def _send(stream, passing: Passing, client: int, piece: Piece, edge) -> None:
    place = piece.start
    while place < piece.stop:
        patience = _PATIENCE if edge.spans <= _FEW else 0.0
        turn = asyncio.ensure_future(passing.pass_on(client, place, piece.stop, patience))
        try:
            count = await asyncio.shield(turn)
        finally:
            # The caller closes the sockets next, so no turn may be under way.
            await asyncio.gather(turn, return_exceptions=True)
        place += count
        stream.moved += count
        if place < piece.stop:
            await _takes_more(client)


async def _takes_more(client: int) -> None:
    """Wait until the socket takes more bytes, or is broken."""
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    loop.add_writer(client, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_writer(client)
