"""The paths of the v1 API, and how their errors look."""

import json

from ...errors import NotFound, RangeInvalid, RegistryError, Unauthorized
from ...http.messages import Request, Response, decoded
from ..endpoint import Endpoint
from ..face import Face, as_registry_error
from .images import Ancestry, ImageText, Layer, unspelled
from .repositories import RepositoryImages, Tag, Tags
from .search import Search
from .status import Ping, Status
from .users import Users

# docker, podman and curl show name and password here. The words are fixed, so that no Host header gets into them.
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Dockboard Registry", charset="UTF-8"'}


class RegistryV1(Face):
    """Each path is there with and without a slash at its end."""

    paths = ("/v1", "/v1/", "/_ping")
    error_fields = {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "-1"}

    def __init__(self, services):
        ping, search, status, users = Ping(services), Search(services), Status(services), Users(services)
        super().__init__(
            {"/_ping": ping, "/v1/_ping": ping, "/v1/_status": status, "/v1/search": search, "/v1/users": users}
        )
        self._images, self._tags, self._tag = RepositoryImages(services), Tags(services), Tag(services)
        self._text, self._ancestry, self._layer = ImageText(services), Ancestry(services), Layer(services)

    def find(self, raw_path: str) -> tuple[Endpoint, tuple[str, ...]]:
        path = (decoded(raw_path) or "").removesuffix("/")
        found = self.endpoints.get(path)
        below = (found, ()) if found is not None else self._below(path.split("/")[2:])
        if below is None:
            raise NotFound("this registry has no such path of the v1 API", "push below /v2/ with docker 1.10 or later")
        return below

    def _below(self, segments: list[str]) -> tuple[Endpoint, tuple[str, ...]] | None:
        """
        images/<id>/json         repositories/<name>/images    repositories/<name>/tags/<tag>
        images/<id>/ancestry     repositories/<name>/tags
        images/<id>/layer
        """
        match segments:
            case ["images", id, ("json" | "ancestry" | "layer") as kind]:
                return {"json": self._text, "ancestry": self._ancestry, "layer": self._layer}[kind], (id,)
            case ["repositories", *name, "tags", tag] if name:
                return self._tag, (unspelled("/".join(name)), tag)
            case ["repositories", *name, ("images" | "tags") as kind] if name:
                return self._images if kind == "images" else self._tags, (unspelled("/".join(name)),)
        return None

    def error(self, error: Exception, request: Request | None = None) -> Response:
        """One text under `error`: older clients read no other form. docker takes a 416 only without a body."""
        known = as_registry_error(error)
        challenge = _CHALLENGE if isinstance(known, Unauthorized) else {}
        headers = {"Content-Type": "application/json", **self.error_fields, **known.headers, **challenge}
        body = b"" if isinstance(known, RangeInvalid) else json.dumps({"error": _text(known, request)}).encode()
        return Response(known.status, headers, body)


def _text(error: RegistryError, request: Request | None) -> str:
    """Cause and next step; where the registry failed also the request, so that the operator finds it in the log."""
    id = f" (request {request.id})" if request is not None and error.status >= 500 else ""
    return f"{error.cause}: {error.next}{id}"
