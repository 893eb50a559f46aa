"""What the engine asks of those who serve: routes, and how answers look."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from .messages import Request, Response, SharedFields


class Endpoint(Protocol):
    """A resource. number: its place in the metrics; streams: bodies or answers may be large."""

    number: int
    streams: bool

    def verb(self, method: str) -> Callable[..., Awaitable[Response]]:
        """The coroutine function for a method, of a request and the path's arguments. Raises Unsupported."""


class Face(Protocol):
    """Paths that are answered in one way. fields: of every answer."""

    fields: SharedFields

    def find(self, raw_path: str) -> tuple[Endpoint, tuple[str, ...]]:
        """The endpoint at a path, and the path's arguments. Raises NotFound."""

    def error(self, error: Exception, request: Request | None = None) -> Response:
        """The answer to a request that failed; to a connection that is refused before it had one, where it is None."""


class Routes(Protocol):
    """What one listener serves. unknown: stands for the endpoint of a request that has none."""

    unknown: Endpoint

    def face(self, raw_path: str) -> Face:
        """The face that answers at a path; there always is one."""


class Route(NamedTuple):
    """Where a request goes. handler: the endpoint's verb with the path's arguments."""

    face: Face
    endpoint: Endpoint
    handler: Callable[[Request], Awaitable[Response]]
