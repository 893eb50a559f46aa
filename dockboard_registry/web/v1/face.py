"""The paths of the v1 API, and how their errors look."""

import json

from ...errors import NotFound, RegistryError, Unauthorized
from ...http.messages import Request, Response
from ..face import Face, as_registry_error
from .search import Search
from .status import Ping, Status

# docker, podman and curl show name and password here. The words are fixed, so that no Host header gets into them.
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Dockboard Registry", charset="UTF-8"'}


class RegistryV1(Face):
    """Each path is there with and without a slash at its end."""

    paths = ("/v1", "/v1/", "/_ping")
    error_fields = {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1"}

    def __init__(self, services):
        ping = Ping(services)
        super().__init__(
            {"/_ping": ping, "/v1/_ping": ping, "/v1/_status": Status(services), "/v1/search": Search(services)}
        )

    def find(self, raw_path: str):
        found = self.endpoints.get(raw_path.removesuffix("/"))
        if found is None:
            raise NotFound("this registry has no such path of the v1 API", "push and pull below /v2/, as docker does")
        return found, ()

    def error(self, error: Exception, request: Request | None = None) -> Response:
        """One text under `error`: older clients read no other form."""
        known = as_registry_error(error)
        challenge = _CHALLENGE if isinstance(known, Unauthorized) else {}
        headers = {"Content-Type": "application/json", **self.error_fields, **known.headers, **challenge}
        return Response(known.status, headers, json.dumps({"error": _text(known, request)}).encode())


def _text(error: RegistryError, request: Request | None) -> str:
    """Cause and next step; where the registry failed also the request, so that the operator finds it in the log."""
    id = f" (request {request.id})" if request is not None and error.status >= 500 else ""
    return f"{error.cause}: {error.next}{id}"
