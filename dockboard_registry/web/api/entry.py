"""/api/: the endpoint that reads the rest of the API when the first request comes."""

from ...http.messages import Request, Response
from ..endpoint import Endpoint


class Api(Endpoint):
    """All paths below /api/. Which methods they have, serve.py knows."""

    name = "api"

    def verb(self, method: str):
        return self._answer

    async def _answer(self, request: Request) -> Response:
        from . import serve

        return await serve.answer(self.services, request)
