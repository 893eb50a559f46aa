"""/api/: the endpoint that imports the rest of the API at the first request."""

from ...http.messages import Request, Response
from ..endpoint import Endpoint


class Api(Endpoint):
    """All paths below /api/. serve.py knows which methods they have."""

    name = "api"

    def verb(self, method: str):
        return self._answer

    async def _answer(self, request: Request) -> Response:
        from . import serve

        return await serve.answer(self.services, request)
