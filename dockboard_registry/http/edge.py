"""All connections of one worker: accepting, serving, time limits, draining."""

import asyncio
import errno
import functools
import ipaddress
import logging
import re
import socket
import ssl
import time
from collections.abc import Coroutine

import tornado.platform.asyncio  # noqa: F401  IOLoop would import it at the first connection, in each worker
from tornado.http1connection import HTTP1ConnectionParameters
from tornado.httputil import HTTPServerConnectionDelegate

from ..errors import RegistryError
from . import forwarding, start_now, targets
from .budget import Budget
from .connection import HEADER_LIMIT, IDLE, LARGE_READ, accept
from .exchange import Exchange
from .faces import Face, Route, Routes
from .fast_path import FastConnection, FastPath
from .headers import Headers
from .heads import Clock, refusal
from .messages import Request
from .sending import sendfile, tlssend
from .serving import ServerConnection

_log = logging.getLogger("dockboard.edge")
_SWEEP_SECONDS = 1.0
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_REST_SECONDS, _CUT_SECONDS, _LOOK_SECONDS = 0.5, 2.0, 0.02
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.A)
_NO_BODY_LIMIT = 1 << 62
_ROUTES = 256


class Edge(HTTPServerConnectionDelegate):
    """One listener's connections.

    config: the server section; id_prefix: begins each request id.
    """

    def __init__(
        self,
        routes: Routes,
        config,
        access_log,
        metrics,
        id_prefix: str,
        budget: Budget,
        tls: ssl.SSLContext | None = None,
    ):
        self._routes = routes
        self._routed = functools.lru_cache(_ROUTES)(self._route)
        self._config = config
        self._tls = tls
        self.unknown = routes.unknown
        self.access_log = access_log
        self.metrics = metrics
        self.budget = budget
        self.date = Clock()
        self.sender = tlssend.TlsSender() if tls else sendfile.Sender()
        self._tasks: set[asyncio.Task] = set()
        self.draining = self._sweeping = False
        self.spans = 0  # stored blobs that are read and written piece by piece
        self._connections: set = set()
        self.fast_paths = config.fast_paths
        self._fast_path = FastPath(self)
        self._id_prefix, self._requests = id_prefix, 0
        self._proxies = tuple(ipaddress.ip_network(str(network)) for network in config.trusted_proxies)
        self._parameters = HTTP1ConnectionParameters(
            chunk_size=LARGE_READ, max_header_size=HEADER_LIMIT, header_timeout=None, max_body_size=_NO_BODY_LIMIT
        )

    def listen(self, listener: socket.socket) -> None:
        """Accept on a listening socket that other workers share, one connection in each iteration, so that all get
        some.
        """
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        self._listener = listener
        loop.add_reader(listener.fileno(), self._accept, listener)

    def renew_tls(self, context: ssl.SSLContext | None) -> None:
        """Use another certificate from the next handshake on. An edge without TLS stays so."""
        if self._tls is not None:
            self._tls = context

    def _accept(self, listener: socket.socket) -> None:
        try:
            sock, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS:
                self._rest(listener, error)
            return
        try:
            stream = accept(sock, self._tls)
        except OSError:
            sock.close()
            return
        stream.remote = address[0] if isinstance(address, tuple) else ""
        stream.refusal = self.refusal
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        self.serve(stream)

    def _rest(self, listener: socket.socket, error: OSError) -> None:
        """Out of descriptors: accept again in a moment instead of trying in a loop."""
        _log.warning("can't accept connections now: %s", error.strerror)
        loop = asyncio.get_running_loop()
        loop.remove_reader(listener.fileno())
        if not self.draining:
            loop.call_later(
                _REST_SECONDS, lambda: self.draining or loop.add_reader(listener.fileno(), self._accept, listener)
            )

    def serve(self, stream) -> None:
        """Read requests from a stream that nobody has read from."""
        if stream.tls or not self.fast_paths:
            return self.serve_ordinary(stream)
        self._connections.add(stream)
        stream.fast_connection = FastConnection(self._fast_path, stream)
        return None

    def serve_ordinary(self, stream) -> None:
        """Let Tornado read requests from the stream, from the first one or after a detached answer."""
        self._connections.add(stream)
        stream.read_by_tornado = True
        ServerConnection(stream, self._parameters, stream.remote).start_serving(self)

    def start_request(self, server_conn, request_conn) -> Exchange:
        return Exchange(self, server_conn.stream, request_conn)

    def on_close(self, server_conn) -> None:
        """The serving loop has ended: the stream is closed, or detached and coming back."""
        if server_conn.stream.closed():
            self.forget(server_conn.stream)

    def renew(self, stream):
        """The same connection on a new stream that the event loop does not watch.

        The old one must have nothing buffered.
        """
        fresh = stream.duplicate()
        self.forget(stream)
        stream.close()
        self._connections.add(fresh)
        return fresh

    def borrow(self, stream):
        """A stream that the event loop does not watch, for the caller to read from. Over TLS until `give_back`."""
        if not stream.tls:
            return self.renew(stream)
        stream.borrow()
        return stream

    def spawn(self, work: Coroutine) -> None:
        """Run a coroutine beside its connection. Only the drain waits for it."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def forget(self, stream) -> None:
        self._connections.discard(stream)

    def request(
        self, method: str, target: str, version: str, headers: Headers, stream, known: dict | None = None
    ) -> Request:
        """The request with its sender and id. A trusted proxy may give both."""
        remote = stream.remote
        self._requests += 1
        id = f"{self._id_prefix}{self._requests:x}"
        if self._proxies and self._trusted(remote):
            remote = forwarding.client(headers, remote, self._trusted)
            given = headers.get("X-Request-Id", "")
            id = given if _REQUEST_ID.fullmatch(given) else id
        elif headers.forwarded:
            self._note_proxy(remote, headers)
        return Request(method, target, version, headers, remote, id, stream.tls, known)

    def _note_proxy(self, peer: str, headers: Headers) -> None:
        """Log once for all workers that there seems to be a proxy that is not in server.trusted_proxies."""
        if self.metrics.first("untrusted_forwarding_total"):
            shown = ", ".join(sorted(name.title() for name in forwarding.HEADERS if name in headers))
            words = (
                "%s sends %s, and is not in server.trusted_proxies, so it stands for all its clients; if it is your"
                ' proxy, set server.trusted_proxies = ["%s"]'
            )
            _log.warning(words, peer, shown, peer)

    def _trusted(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        found = getattr(found, "ipv4_mapped", None) or found
        return any(found in network for network in self._proxies)

    def face(self, path: str) -> Face:
        """The face that answers at this path."""
        return self._routes.face(path)

    def refusal(self, error: RegistryError, seen: bytes) -> bytes:
        """The whole answer to a connection that is refused before its request was understood. seen: how that begins."""
        return refusal(self.face(targets.path_in(seen)), error)

    def route(self, request: Request) -> Route:
        """Raises NotFound, Unsupported."""
        return self._routed(request.method, request.path)

    def _route(self, method: str, path: str) -> Route:
        face = self.face(path)
        if method == "OPTIONS" and path == targets.WHOLE_SERVER:
            return Route(face, self.unknown, targets.capabilities)
        endpoint, arguments = face.find(path)
        verb = endpoint.verb(method)
        return Route(face, endpoint, lambda request: verb(request, *arguments))

    def _sweep(self) -> None:
        """Once a second while there are connections, end those whose clients are too slow."""
        self._sweeping = bool(self._connections)
        if self._sweeping:
            asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)
        now, config = time.monotonic(), self._config
        overdue = [
            stream
            for stream in self._connections
            if stream.overdue(now, config.idle_timeout, config.header_timeout, config.body_timeout)
        ]
        for stream in overdue:
            stream.cut()
            if stream.closed():
                self.forget(stream)

    async def drain(self, seconds: float) -> None:
        """Accept no more, close idle connections, and wait for running requests for at most `seconds`."""
        self.draining = True
        asyncio.get_running_loop().remove_reader(self._listener.fileno())
        self._listener.close()
        deadline = time.monotonic() + seconds
        while self._connections and time.monotonic() < deadline:
            for stream in [stream for stream in self._connections if stream.phase == IDLE or stream.closed()]:
                stream.close()
                self.forget(stream)
            await asyncio.sleep(_LOOK_SECONDS)
        for stream in list(self._connections):
            stream.cut()
        deadline = time.monotonic() + _CUT_SECONDS
        while (self._tasks or start_now.running) and time.monotonic() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
