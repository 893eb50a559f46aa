"""/: the face of the pages, which imports the rest of them at the first request.

It also has all paths that no other face has. Programs that ask for these get the error as JSON.
"""

import asyncio

from ...http.messages import Request, Response
from ..endpoint import NO_STORE, Endpoint
from ..face import Face
from .browsers import wants_page


class Page(Endpoint):
    """All pages. routes.py knows which paths and methods there are."""

    name = "page"
    _loaded = False

    def verb(self, method: str):
        return self._answer

    async def _answer(self, request: Request) -> Response:
        if not self._loaded:
            # In a thread: it takes a while, and others should not wait.
            await asyncio.to_thread(_load)
            self._loaded = True
        from . import serve

        return await serve.answer(self.services, request)


def _load() -> None:
    from . import serve

    serve.prepare()


class Pages(Face):
    """Every path that belongs to no other face."""

    # What a program gets at a page's path is no answer for a browser.
    error_fields = {**NO_STORE, "Vary": "Accept"}

    def __init__(self, services):
        super().__init__()
        self._page = Page(services)

    def has(self, path: str) -> bool:
        return True

    def find(self, raw_path: str) -> tuple[Endpoint, tuple[str, ...]]:
        return self._page, ()

    def error(self, error: Exception, request: Request | None = None) -> Response:
        if request is None or not wants_page(request):
            return super().error(error, request)
        from . import errors

        return errors.without_database(self._page.services, request, error)
