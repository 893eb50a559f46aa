"""What each listener of the registry serves."""

from collections.abc import Collection

from ..config.options import APIS
from ..http.messages import decoded
from .api.entry import Management
from .endpoint import Endpoint
from .face import Face
from .health import Health, MetricsPages
from .token_server import TokenServer
from .ui.face import Pages
from .v1.face import RegistryV1
from .v2.face import Distribution

REGISTRY, METRICS = "registry", "metrics"
# The pages come last: they also have the paths that are nobody's.
SERVED: dict[str, tuple[type[Face], ...]] = {
    REGISTRY: (Distribution, RegistryV1, Management, TokenServer, Health, Pages),
    METRICS: (MetricsPages,),
}
# The faces that server.apis may turn off, by the word for them there.
CHOSEN: dict[type[Face], str] = {Distribution: "v2", RegistryV1: "v1", Management: "api", Pages: "ui"}


class Routes:
    """The faces of one listener, as the HTTP engine asks for them. apis: server.apis."""

    def __init__(self, listener: str, services, apis: Collection[str] = APIS):
        self.faces = tuple(face(services) for face in SERVED[listener] if face not in CHOSEN or CHOSEN[face] in apis)
        self._nobody = Face()
        self.unknown = Endpoint(services)

    def face(self, raw_path: str) -> Face:
        """The face that answers at this path; the plain one where the path is nobody's."""
        path = decoded(raw_path) or raw_path
        for face in self.faces:
            if face.has(path):
                return face
        return self._nobody
