"""Requests whose connection leaves Tornado because many bytes move: bodies of uploads, downloads of large blobs.

HTTP1Connection.detach gives up the stream inside headers_received. The bytes then move between socket and file in a
thread, in bursts until the socket would block; waiting is the event loop's. Afterwards the answer is written and the
connection served again.
"""

import contextlib

from tornado.iostream import StreamClosedError

from ...errors import ConnectionCut, RegistryError
from ...storage import StorageFailed
from ..connection import MOVING
from ..heads import head, keeps_alive
from ..sending import passed, spans
from .chunkedbody import ChunkedBody
from .socketbody import SocketBody

_REST_QUIETLY, _REST_AT_MOST = 1 << 20, 64 << 20


async def send_blob(exchange) -> None:
    """Send a response whose span is in the store: a file by sendfile, anything else from socket to socket, or piece by
    piece.
    """
    response, stream = exchange.response, exchange.stream
    source, pieces = response.span
    keep, sent, file = keeps_alive(exchange), 0, source.fileno()
    try:
        stream.enter(MOVING)
        await stream.write(head(exchange, keep))
        if file is not None:
            sent = await exchange.edge.sender.send(stream, file, pieces)
        elif (passing := passed.passing_of(response.span, stream)) is not None:
            sent = await passed.send(stream, passing, pieces[0], exchange.edge)
        else:
            async with contextlib.aclosing(spans.pieces(response.span, exchange.edge)) as found:
                async for piece in found:
                    await stream.write(piece)
                    sent += len(piece)
        if sent != response.length:
            raise StorageFailed("the stored bytes end early")
    except Exception as error:
        exchange.give_up(error)
    finally:
        source.close()
        exchange.end(response.status if sent == response.length else 499, sent)
    _go_on(exchange, stream, keep and sent == response.length)


async def take_body(exchange, length: int | None) -> None:
    """Run the handler with a body that comes straight from the socket, and write its response. length None: chunked."""
    exchange.stream.enter(MOVING)
    body = exchange.request.body = ChunkedBody(exchange) if length is None else SocketBody(exchange, length)
    response = exchange.response = await exchange.answer()
    keep = False
    try:
        if response.status == 499:
            raise ConnectionCut
        keep = (
            keeps_alive(exchange)
            and not body.awaits_continue
            and body.rest_is_short
            and await body.discard(_REST_QUIETLY)
        )
        if exchange.stream.tls:
            exchange.stream.give_back()
        exchange.stream.enter(MOVING)
        await exchange.stream.write(head(exchange, keep) + response.body)
        exchange.end(response.status)
        if not keep and not body.awaits_continue:
            await body.discard(_REST_AT_MOST)
    except (ConnectionCut, RegistryError, StreamClosedError, OSError):
        keep = False
        exchange.end(499)
    finally:
        _go_on(exchange, exchange.stream, keep)


async def refuse(exchange) -> None:
    """Write the response, and close the connection once the client has had the time to read it."""
    stream, response = exchange.stream, exchange.response
    try:
        stream.enter(MOVING)
        await stream.write(head(exchange, False) + (response.body if exchange.request.method != "HEAD" else b""))
        exchange.end(response.status)
        await stream.read_out()
    except StreamClosedError:
        exchange.end(499)
    finally:
        _go_on(exchange, stream, False)


def _go_on(exchange, stream, keep: bool) -> None:
    stream.detached = False
    if keep and not stream.closed():
        exchange.go_on(stream)
    else:
        exchange.edge.forget(stream)
        stream.close()
