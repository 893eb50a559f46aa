"""Is the process alive, and can it serve?"""

from ..errors import Unavailable
from ..storage import StorageError
from .base import Endpoint, document
from .messages import Request, Response

_TEXT = "text/plain; charset=utf-8"


class Alive(Endpoint):
    """/healthz: the event loop turns."""

    name = "health"

    async def get(self, request: Request) -> Response:
        return document(200, b"ok\n", media_type=_TEXT)

    head = get


class Ready(Endpoint):
    """/readyz: database and store answer."""

    name = "health"

    async def get(self, request: Request) -> Response:
        await self.services.db.read(lambda tx: tx.one("SELECT COUNT(*) FROM settings"))
        try:
            await self.services.storage.check()
        except StorageError as error:
            raise Unavailable(f"the storage can't be used: {error}", headers={"Retry-After": "5"}) from error
        return document(200, b"ready\n", media_type=_TEXT)

    head = get


class MetricsPage(Endpoint):
    """/metrics, on its own listener only."""

    name = "health"

    async def get(self, request: Request) -> Response:
        return document(200, self.services.metrics.text().encode(), media_type="text/plain; version=0.0.4; charset=utf-8")

    head = get
