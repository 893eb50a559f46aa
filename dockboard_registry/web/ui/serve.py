"""One request for a page: find the page, find out who asks, read the form, check the permission, answer."""

import asyncio
import zlib

from ...errors import RegistryError, Unauthorized
from ...http.messages import Request, Response
from ...names import is_reference
from ..auth.sites import refuse_other_sites
from . import csrf, errors, forms, identity, language, routes, static, templates
from .browsers import wants_page
from .route import Page
from .visit import Visit

# Bytes. Shorter answers are not compressed, and longer ones not in the event loop.
_SHORT, _LONG = 1 << 10, 64 << 10
_LEVEL = 5
# What the visitor can put right in the form.
_AGAIN = frozenset({400, 409, 422})


def prepare() -> None:
    """Read all pages, sentences and templates, before somebody waits for them."""
    routes.pages()
    language.prepare()
    templates.prepare()
    static.version()


async def answer(services, request: Request) -> Response:
    """The page. Raises what is nobody's mistake: errors of the database, the storage and the program."""
    visit, page = Visit(services, request, routes.paths()), None
    try:
        page, visit.names = routes.find(request.path)
        visit.private = page.private
        await identity.find_out(visit)
        handler = page.handler(request.method)
        permission = page.permission_for(request.method)
        if permission.check is not None:
            visit.object = await permission.check(visit.asker, visit.names)
        if request.method == "POST":
            await _read_form(visit, page)
        response = await handler(visit)
    except RegistryError as error:
        if error.status >= 500:
            raise
        response = await _refused(visit, page, error)
    return await _compressed(request, response)


async def _read_form(visit: Visit, page: Page) -> None:
    """The form, if a page of this registry sent it. Raises Denied, BadRequest, TooManyRequests."""
    refuse_other_sites(visit.request)
    visit.form = await forms.read(visit.request, page.known_fields, page.most)
    if not csrf.is_valid(visit.secret, visit.form.raw("_csrf")):
        raise errors.FormForeign
    visit.form.require_deed(page.deeds)
    visit.asker.count_change()


async def _refused(visit: Visit, page: Page | None, error: RegistryError) -> Response:
    """The answer to a request that was refused: the form again, the way to sign in, or a page that says why."""
    if not wants_page(visit.request):
        raise error
    if page is None:
        await identity.find_out(visit)
        return _pasted(visit) or errors.page(visit, error)
    if page.get and visit.form.fields and (error.status in _AGAIN or _is_old_form(visit, error)):
        return await _again(visit, page, error)
    if isinstance(error, Unauthorized) and not page.permission.hides:
        return visit.redirect(visit.url("/login", next=visit.path))
    return errors.page(visit, error)


async def _again(visit: Visit, page: Page, error: RegistryError) -> Response:
    """The page of the form, with what is wrong. If it can't be shown with what was sent, the page about the error."""
    visit.problem = error
    try:
        return await page.get(visit)
    except RegistryError as other:
        if other.status >= 500:
            raise
        visit.problem = None
        return errors.page(visit, error)


def _is_old_form(visit: Visit, error: RegistryError) -> bool:
    """Whether the browser itself says that the form is ours, so that it may come back with what was typed."""
    return isinstance(error, errors.FormForeign) and visit.request.headers.get("Sec-Fetch-Site") == "same-origin"


def _pasted(visit: Visit) -> Response | None:
    """Whoever pastes a reference behind the registry's name wants to see its page."""
    text = visit.request.path[1:]
    if visit.request.method not in ("GET", "HEAD") or not wants_page(visit.request) or not is_reference(text):
        return None
    return Response(302, {"Location": visit.url(f"/r/{text}"), "Cache-Control": "no-cache"})


async def _compressed(request: Request, response: Response) -> Response:
    body = response.body
    packs = "gzip" in request.headers.get("Accept-Encoding", "") and "Content-Encoding" not in response.headers
    if not packs or len(body) < _SHORT or not response.headers.get("Content-Type", "").startswith("text/html"):
        return response
    packed = _pack(body) if len(body) < _LONG else await asyncio.to_thread(_pack, body)
    return Response(response.status, {**response.headers, "Content-Encoding": "gzip"}, packed)


def _pack(body: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()
