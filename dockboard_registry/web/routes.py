"""The route table: every path that the registry knows."""

from ..errors import NotFound
from ..http.messages import decoded
from .api.entry import Api
from .auth import (
    gate as gate,
)  # read with the routes: by the first request the file that its code is in may be another one
from .endpoint import Endpoint
from .health import Alive, MetricsPage, Ready
from .token_server import Token
from .v2.blobs import Blob
from .v2.listing import Base, Catalog, ReferrerList, TagList
from .v2.manifests import Manifest
from .v2.uploads import Upload, Uploads


class Routes:
    """Paths to endpoints. Names may have any depth, so a path is read from its end."""

    def __init__(self, services):
        self.unknown = Endpoint(services)
        self._api = Api(services)
        self._fixed = {
            "/healthz": Alive(services),
            "/readyz": Ready(services),
            "/token": Token(services),
            "/v2": Base(services),
            "/v2/": Base(services),
            "/v2/_catalog": Catalog(services),
        }
        self._manifest, self._blob = Manifest(services), Blob(services)
        self._uploads, self._upload = Uploads(services), Upload(services)
        self._tags, self._referrers = TagList(services), ReferrerList(services)

    def find(self, raw_path: str) -> tuple[Endpoint, tuple[str, ...]]:
        """The endpoint and its path arguments, which are not checked yet. Raises NotFound."""
        fixed = self._fixed.get(raw_path)
        if fixed is not None:
            return fixed, ()
        if raw_path.startswith("/api/"):
            return self._api, ()
        path = decoded(raw_path)
        if path is not None and path.startswith("/v2/"):
            head, _, last = path[4:].rpartition("/")
            name, _, kind = head.rpartition("/")
            found = self._below(name, kind, last)
            if found is not None:
                return found
        raise NotFound("no route of this registry has this path")

    def _below(self, name: str, kind: str, last: str) -> tuple[Endpoint, tuple[str, ...]] | None:
        """
        <name>/manifests/<reference>    <name>/blobs/<digest>           <name>/tags/list
        <name>/referrers/<digest>       <name>/blobs/uploads[/]         <name>/blobs/uploads/<id>
        """
        if kind == "manifests":
            return self._manifest, (name, last)
        if kind == "blobs":
            return (self._uploads, (name,)) if last == "uploads" else (self._blob, (name, last))
        if kind == "uploads" and name.endswith("/blobs"):
            name = name[:-6]
            return (self._upload, (name, last)) if last else (self._uploads, (name,))
        if kind == "tags" and last == "list":
            return self._tags, (name,)
        if kind == "referrers":
            return self._referrers, (name, last)
        return None


class MetricsRoutes:
    """The routes of the metrics listener."""

    def __init__(self, services):
        self.unknown = Endpoint(services)
        self._page = MetricsPage(services)

    def find(self, raw_path: str) -> tuple[Endpoint, tuple[str, ...]]:
        if raw_path == "/metrics":
            return self._page, ()
        raise NotFound("the metrics are at /metrics")
