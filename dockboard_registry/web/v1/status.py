"""/v1/_ping and /v1/_status: whether the registry is there, and whether database and store answer."""

from ...db import DatabaseBusy, DatabaseFailed
from ...errors import RegistryError
from ...http.messages import Request, Response
from ...storage import StorageError
from ..endpoint import Endpoint
from ..face import as_registry_error
from ..health import Ready
from .answers import answer

# Index and registry in one. Over https docker then shows name and password with each request.
_STANDALONE = {"X-Docker-Registry-Standalone": "True"}
_SERVICES = ["database", "storage"]


class Ping(Endpoint):
    name = "v1"

    def verb(self, method: str):
        """The API has OPTIONS here too."""
        return self.get if method == "OPTIONS" else super().verb(method)

    async def get(self, request: Request) -> Response:
        return answer(200, {}, _STANDALONE)

    head = get


class Status(Ready):
    """The same question as /readyz, with the answer in the form of v1."""

    name = "v1"

    async def get(self, request: Request) -> Response:
        failures = {}
        try:
            await self.answers()
        except (RegistryError, DatabaseBusy, DatabaseFailed, StorageError) as error:
            failures[self.asked] = as_registry_error(error).cause
        return answer(503 if failures else 200, {"services": _SERVICES, "failures": failures})

    head = get
