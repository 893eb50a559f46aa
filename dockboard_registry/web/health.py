"""/healthz and /readyz: whether the process is alive, and whether it can serve. /metrics."""

import asyncio

from ..domain import settings
from ..errors import Unavailable
from ..http.messages import Request, Response
from ..storage import StorageError
from .endpoint import NO_STORE, Endpoint, document
from .face import Face

_TEXT = "text/plain; charset=utf-8"
_MOVED = "the blobs were moved to another store: restart this server with it"
# Seconds. Probes usually wait for two.
_SECONDS = 1.5


def _ok(*remarks: str) -> Response:
    return document(200, "".join(f"{line}\n" for line in ("ok", *remarks)).encode(), NO_STORE, _TEXT)


class Alive(Endpoint):
    """/healthz: the event loop works."""

    name = "health"

    async def get(self, request: Request) -> Response:
        return _ok()

    head = get


class Ready(Endpoint):
    """/readyz: database and store answer in time.

    The text also names periodic jobs that failed, and says if the blobs were moved to another store than that of this
    server. These do not make it fail, because pulling still works.
    """

    name = "health"

    def __init__(self, services):
        super().__init__(services)
        self._looking: asyncio.Future | None = None
        # What is asked now, or was last.
        self.asked = ""
        self._has_moved = False

    async def get(self, request: Request) -> Response:
        await self.answers()
        return _ok(*([_MOVED] if self._has_moved else []), *self.services.metrics.jobs.failing())

    head = get

    async def answers(self) -> None:
        """Raise what database or store raise, or Unavailable if one takes too long.

        However many ask, one check runs at a time.
        """
        looking = self._looking
        if looking is None or looking.done():
            looking = self._looking = asyncio.ensure_future(self._look())
            looking.add_done_callback(_retrieve)
        await asyncio.wait([looking], timeout=_SECONDS)
        if not looking.done():
            raise Unavailable(f"the {self.asked} does not answer", headers={"Retry-After": "5"})
        looking.result()

    async def _look(self) -> None:
        self.asked = "database"
        self._has_moved = await settings.has_moved(self.services.db, self.services.store_id)
        self.asked = "storage"
        try:
            await self.services.storage.check()
        except StorageError as error:
            raise Unavailable(f"the storage can't be used: {error}", headers={"Retry-After": "5"}) from error


def _retrieve(future: asyncio.Future) -> None:
    """Read the exception. The caller may have gone, and asyncio would log it."""
    if not future.cancelled():
        future.exception()


class MetricsPage(Endpoint):
    """/metrics, on its own listener only."""

    name = "health"

    async def get(self, request: Request) -> Response:
        return document(
            200, self.services.metrics.text().encode(), media_type="text/plain; version=0.0.4; charset=utf-8"
        )

    head = get


class Health(Face):
    """For probes of the registry's own listeners."""

    paths = ("/healthz", "/readyz")

    def __init__(self, services):
        super().__init__({"/healthz": Alive(services), "/readyz": Ready(services)})


class MetricsPages(Face):
    """All paths of the metrics listener."""

    paths = ("/",)
    nowhere = "the metrics are at /metrics"

    def __init__(self, services):
        super().__init__({"/metrics": MetricsPage(services)})
