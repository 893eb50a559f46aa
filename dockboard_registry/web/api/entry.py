"""/api/: the face of the API, which imports the rest of the API at the first request."""

from ...errors import FieldInvalid, RegistryError, Unauthorized
from ...http.messages import Request, Response
from ..endpoint import NO_STORE, Endpoint
from ..face import Face

# With it browsers and curl ask for name and password. The words are fixed, so that no Host header gets into them.
_CHALLENGE = {"WWW-Authenticate": 'Basic realm="Dockboard Registry", charset="UTF-8"'}


class Api(Endpoint):
    """All paths below /api/. serve.py knows which methods they have."""

    name = "api"

    def verb(self, method: str):
        return self._answer

    async def _answer(self, request: Request) -> Response:
        from . import serve

        try:
            return await serve.answer(self.services, request)
        except Unauthorized as error:
            error.headers |= _CHALLENGE
            raise


class Management(Face):
    """The API for accounts and settings."""

    paths = ("/api/",)
    error_fields = NO_STORE

    def __init__(self, services):
        super().__init__()
        self._api = Api(services)

    def find(self, raw_path: str) -> tuple[Endpoint, tuple[str, ...]]:
        return self._api, ()

    def status(self, error: RegistryError, request: Request | None) -> int:
        """422 is for values that the declaration of the operation allows and the domain does not."""
        return 422 if isinstance(error, FieldInvalid) else error.status
