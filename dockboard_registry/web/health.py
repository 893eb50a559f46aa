"""Is the process alive, and can it serve?"""

from ..domain.settings import database_answers
from ..errors import Unavailable
from ..storage import StorageError
from .base import Endpoint, document
from .messages import Request, Response

_TEXT = "text/plain; charset=utf-8"


def _ok() -> Response:
    return document(200, b"ok\n", {"Cache-Control": "no-store"}, _TEXT)


class Alive(Endpoint):
    """/healthz: the event loop turns."""

    name = "health"

    async def get(self, request: Request) -> Response:
        return _ok()

    head = get


class Ready(Endpoint):
    """/readyz: database and store answer."""

    name = "health"

    async def get(self, request: Request) -> Response:
        await database_answers(self.services.db)
        try:
            await self.services.storage.check()
        except StorageError as error:
            raise Unavailable(f"the storage can't be used: {error}", headers={"Retry-After": "5"}) from error
        return _ok()

    head = get


class MetricsPage(Endpoint):
    """/metrics, on its own listener only."""

    name = "health"

    async def get(self, request: Request) -> Response:
        return document(200, self.services.metrics.text().encode(), media_type="text/plain; version=0.0.4; charset=utf-8")

    head = get
