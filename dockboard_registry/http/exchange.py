"""One request and its answer on an HTTP/1 connection: limits, routing, body in, response out, log and metrics.

Tornado parses; this file decides when a handler runs. Without a body it runs when the request is complete, with one as
soon as the header is there, and the body is read only when the handler asks (so that 100-continue is sent after the
permission was checked).
Large bodies and blobs leave Tornado: see detached.py.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine
from http.client import responses

from tornado.httputil import HTTPMessageDelegate, ResponseStartLine

from ..clients import Client, current_client, network_of
from ..errors import BadRequest, ConnectionCut, RegistryError
from ..storage import StorageError
from . import framing, heads, start_now, targets
from .bodies import detached
from .budget import FREE
from .connection import MOVING, WORK
from .faces import Face
from .headers import Headers
from .holding import LARGE_ANSWER, Holding
from .limits import check_limits
from .messages import Body, EmptyBody, Request, Response
from .sending import spans

_log = logging.getLogger("dockboard.http")
_DRAIN_QUIETLY, _DRAIN_AT_MOST = 1 << 20, 64 << 20
_UNKNOWN = 1 << 62
WITH_BODY = ("POST", "PATCH", "PUT")
_PLAIN, _FAILED = {"Content-Type": "text/plain; charset=utf-8"}, b"The registry failed. Its log says why.\n"
_DETACH, _TAKE_OVER = 64 << 10, 256 << 10


class Exchange(Holding, HTTPMessageDelegate):
    """The delegate of one request. `edge` is the worker's Edge, `stream` the connection's stream."""

    # What most requests leave as it is.
    request: Request | None = None
    response: Response | None = None
    face: Face | None = None
    _handler = None
    _body: Body | None = None
    _unread = 0
    _written: asyncio.Future | None = None
    _begun: float | None = None
    _closed = _handler_ended = _sending = False

    def __init__(self, edge, stream, connection=None):
        self.edge = edge
        self.stream = stream
        self._connection = connection

    def headers_received(self, start_line, fields):
        method, raw_target, version = start_line
        target, headers, sound = targets.read(method, raw_target, version, Headers(fields.get_all()))
        self.open(method, target, version, headers)
        if self.request.expects_continue():
            # Tornado looks for this spelling only.
            fields["Expect"] = "100-continue"
        if not sound:
            return self._refuse()
        try:
            check_limits(raw_target, headers)
            self.find()
        except RegistryError as error:
            self.response = self.render(error)
        if framing.announces_body(headers):
            return self._open_body(headers)
        self.stream.enter(WORK)
        if self._handler and self._endpoint.streams and self.request.method == "GET":
            return self._open_source()
        return None

    def open(self, method: str, target: str, version: str, headers: Headers, known: dict | None = None) -> None:
        """A request has come: from here on it is counted and timed. known: see Request."""
        self._begun = time.perf_counter()
        edge = self.edge
        edge.metrics.begin()
        self.request = edge.request(method, target, version, headers, self.stream, known)
        owner = network_of(self.request.remote)
        if self.stream.client.owner != owner:
            self.stream.client = Client(owner, id(self.stream))
        current_client.set(self.stream.client)
        self._endpoint = edge.unknown

    def find(self) -> None:
        """Its endpoint and handler. Raises NotFound, Unsupported."""
        self.face, self._endpoint, self._handler = self.edge.route(self.request)

    def _refuse(self) -> None:
        """Answer a request that two servers could read in two ways, and close: nothing behind it is a request."""
        self.response = self.render(BadRequest("the Host header or the framing of the body is not sound"))
        self._leave(detached.refuse(self))

    def _open_body(self, headers: Headers):
        """Begin the handler; the future ends when it wants the body, or has answered without."""
        length = self.request.content_length()
        large = length is None or length >= _TAKE_OVER
        if (
            large
            and self.request.method in WITH_BODY
            and self.response is None
            and self._endpoint.streams
            and self._may_detach()
        ):
            return self._leave(detached.take_body(self, length))
        self.stream.expect_body(length, self._endpoint.streams)
        self.stream.enter(MOVING)
        self._unread = length if length is not None else _UNKNOWN
        body = self._body = self.request.body = Body(self, length)
        if self.response is None:
            start_now.run(self.answer(), self._handled)
        else:
            self._handled()
        return body.wanted

    async def _open_source(self) -> None:
        """Run a handler that may answer with a large blob. If that is a file, leave Tornado and send it in a thread."""
        await self.answer()
        span = self.response.span
        is_long = span and (self.response.length > _DETACH or len(span.pieces) > 1)
        if is_long and span.source.fileno() is not None and self._may_detach():
            self._leave(detached.send_blob(self))

    def _leave(self, work: Coroutine) -> None:
        self._connection.detach()
        self._connection = None  # a transfer may take hours: let nothing live on that only Tornado needed
        self.stream.detached = True
        self.edge.spawn(work)

    def _may_detach(self) -> bool:
        return self.edge.fast_paths and self.request.version == "HTTP/1.1"

    def data_received(self, chunk: bytes):
        if self._body is None:
            return None
        self._unread -= len(chunk)
        if self.response is None:
            self.stream.pause()
            taken = self._body.feed(chunk)
            taken.add_done_callback(self._unpause)
            return taken
        if self._written is not None and self._unread < -_DRAIN_AT_MOST:
            self._connection.finish()
        return None

    def _unpause(self, _: asyncio.Future) -> None:
        self.stream.resume()

    def finish(self) -> None:
        if self._body is not None:
            self._body.end()
            self.stream.enter(WORK)
            if self._handler_ended:
                self._send()
        elif self.response is not None:
            self._send()
        elif self._handler is not None:
            self.stream.enter(WORK)
            start_now.run(self.answer(), self._send)

    def on_connection_close(self) -> None:
        self._closed = True
        if self._body is not None and self.response is None:
            self._body.end(cut=True)
            return
        self.drop_span()
        if self.request is not None:
            self.end(499)

    def drop_span(self) -> None:
        """Close a stored blob that will not be sent; one that is being sent is closed by whoever sends it."""
        if self.response is not None and self.response.span is not None and not self._sending:
            self.response.span.source.close()

    async def answer(self) -> Response:
        """The handler's response, or that of its error; nothing escapes. Status 499: the client is gone."""
        try:
            self.response = await self._handler(self.request)
            heads.require_sendable(self.response)
        except ConnectionCut:
            self.response = Response(499)
        except Exception as error:
            self.drop_span()
            self.response = self.render(error)
        return self.response

    def _handled(self) -> None:
        """The handler of a request with a body has its response: answer now, or when the rest of the body has come."""
        body, self._handler_ended = self._body, True
        awaits_continue = not body.wanted.done() and self.request.expects_continue()
        body.release()
        if self._closed or self.response is None or self.response.status == 499:
            self.drop_span()
            self.end(499)
        elif awaits_continue:
            self._send_early()
            self._connection.finish()
        elif body.ended:
            self._send()
        elif self._unread > _DRAIN_QUIETLY:
            self._send_early()
        elif self._is_longer_than(FREE):
            self._put_off()

    def _is_longer_than(self, size: int) -> bool:
        """Whether the answer is a stored blob, a long body, or holds so much memory."""
        response = self.response
        return response.span is not None or response.read is not None or len(response.body) > size

    def _put_off(self) -> None:
        """Nothing lies in memory until the body that GET has no use for has come: then the handler runs again."""
        self.drop_span()
        self.response = self._body = None
        self.request.body = EmptyBody()

    def render(self, error: Exception) -> Response:
        """The answer to an error, as the face of the request's path gives it; a short text if the face itself fails."""
        if self.face is None:
            self.face = self.edge.face(self.request.path)
        try:
            response = self.face.error(error, self.request)
            heads.require_sendable(response)
        except Exception as fault:
            response, error = Response(500, _PLAIN, _FAILED), fault
        if response.status >= 500:
            self._note_failure(error, foreseen=response.status != 500)
        return response

    def _note_failure(self, error: Exception, foreseen: bool) -> None:
        """An unforeseen error may have any text, so its place is logged instead."""
        self.edge.metrics.failed()
        _log.log(
            logging.WARNING if foreseen else logging.ERROR,
            "%s %s failed: %s",
            self.request.method,
            self.request.path,
            repr(error) if foreseen else type(error).__name__,
            exc_info=None if foreseen else error,
            extra={"request_id": self.request.id},
        )

    def _send(self) -> None:
        """Write the response and finish; a span is copied piece by piece."""
        if self._closed:
            self.drop_span()
            return self.end(499)
        if self._written is not None:
            self._connection.finish()
            return self._written.add_done_callback(lambda _: self.stream.close())
        return self.admit(self._send_now)

    def _send_now(self) -> None:
        if self.response.span is not None:
            self._sending = True
            return self.edge.spawn(self._send_span())
        self.stream.enter(MOVING)
        self._write()
        self._connection.finish()
        self._owe_unwritten()
        return self.end(self.response.status)

    def _owe_unwritten(self) -> None:
        """Tornado keeps the whole until the last byte of it is out."""
        self.owe(self.response.length if self.stream.unwritten() > FREE else 0)

    def _send_early(self) -> None:
        """Answer before a long body has come: tell that the connection closes, then take a bounded rest so that the
        client reads it.
        """
        self._unread = 0
        if self._is_longer_than(LARGE_ANSWER):
            self.drop_span()
            self.response = self.render(BadRequest("this method takes no body, and certainly not one of this size"))
        self.response.headers = {**self.response.headers, "Connection": "close"}
        self._written = self._write()
        self._owe_unwritten()
        self.end(self.response.status)

    def _write(self) -> asyncio.Future:
        """Head and body of a response that is in memory."""
        body = self.response.body if self.request.method != "HEAD" else b""
        fields = heads.fields(self)
        if self.edge.draining:
            fields["Connection"] = "close"
        status = self.response.status
        return self._connection.write_headers(
            ResponseStartLine("", status, responses.get(status, "Unknown")), fields, body
        )

    async def _send_span(self) -> None:
        """The ordinary way out for HTTP/1.0, small pieces, and sources that are no files."""
        span, sent = self.response.span, 0
        try:
            self.stream.enter(MOVING)
            await self._connection.write_headers(
                ResponseStartLine("", self.response.status, responses[self.response.status]), heads.fields(self)
            )
            async with contextlib.aclosing(spans.pieces(span, self.edge)) as pieces:
                async for piece in pieces:
                    await self._connection.write(piece)
                    sent += len(piece)
                    if self._closed:
                        break
            self._connection.finish()
        except Exception as error:
            self.give_up(error)
        finally:
            span.source.close()
            self.end(self.response.status if sent == self.response.length else 499, sent)

    def go_on(self, stream) -> None:
        """After a detached answer: serve the connection's next request. A stream of its own has nothing buffered."""
        if stream.tls or stream.read_by_tornado:
            self.edge.serve_ordinary(stream)
        else:
            self.edge.serve(self.edge.renew(stream))

    def give_up(self, error: Exception) -> None:
        """An answer that has begun can't become an error any more: cut the connection, so that nobody takes it for
        whole.
        """
        if isinstance(error, StorageError):
            self.edge.metrics.failed()
            _log.error("the body of %s broke off: %r", self.request.path, error, extra={"request_id": self.request.id})
        self.stream.cut()

    def end(self, status: int, sent: int | None = None) -> None:
        """Count and log the request, once."""
        if self._share is not None:
            self.release()
        if self._begun is None:
            return
        seconds, self._begun = time.perf_counter() - self._begun, None
        request, edge = self.request, self.edge
        if sent is None:
            sent = self.response.length if self.response and request.method != "HEAD" else 0
        edge.metrics.end(self._endpoint, status, seconds)
        edge.access_log.write(
            request.remote,
            request.method,
            request.target,
            status,
            sent,
            seconds,
            request.id,
            request.headers.agent,
            request.who,
        )
