"""/v1/users: where `docker login` of v1 asks whether a password is right."""

from ...domain.access.rule import ANONYMOUS
from ...errors import Unauthorized
from ...http.messages import Request, Response
from ..endpoint import Endpoint
from .answers import answer


class Users(Endpoint):
    name = "v1"

    async def get(self, request: Request) -> Response:
        principal = await self.services.gate.who(request)
        if principal.kind == ANONYMOUS and not principal.open:
            raise Unauthorized()
        return answer(200, "OK", personal=True)

    async def post(self, request: Request) -> Response:
        """docker asks this first, as if it made an account. After 401 it asks whether the password is right."""
        raise Unauthorized("nobody gets an account by the v1 API", "log in with an account that is there")
