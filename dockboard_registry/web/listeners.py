"""What each listener of the registry serves."""

from ..http.messages import decoded
from .api.entry import Management
from .endpoint import Endpoint
from .face import Face
from .health import Health, MetricsPages
from .token_server import TokenServer
from .v2.face import Distribution

REGISTRY, METRICS = "registry", "metrics"
SERVED: dict[str, tuple[type[Face], ...]] = {
    REGISTRY: (Distribution, Management, TokenServer, Health),
    METRICS: (MetricsPages,),
}


class Routes:
    """The faces of one listener, as the HTTP engine asks for them."""

    def __init__(self, listener: str, services):
        self.faces = tuple(face(services) for face in SERVED[listener])
        self._nobody = Face()
        self.unknown = Endpoint(services)

    def face(self, raw_path: str) -> Face:
        """The face that answers at this path; the plain one where the path is nobody's."""
        path = decoded(raw_path) or raw_path
        return next((face for face in self.faces if face.has(path)), self._nobody)
