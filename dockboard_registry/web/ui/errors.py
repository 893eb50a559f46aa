"""Pages that say what went wrong."""

from ...errors import Denied, RegistryError
from ...http.messages import Request, Response
from ..face import as_registry_error
from . import routes
from .markup import Markup, escape
from .visit import Visit

_TITLED = (400, 403, 404, 405, 409, 413, 422, 429, 500, 503, 507)


class FormForeign(Denied):
    """A form without the token of this visitor."""

    cause = "the form is older than your session, or it came from another site"
    next = "open the page again and send it once more"


def page(visit: Visit, error: RegistryError) -> Response:
    """The page about an error. What is hidden looks like what does not exist: the page says nothing but the path."""
    status = 404 if error.status in (401, 404) else error.status
    response = visit.page(
        "error.html", status, error=error, title=_title(visit, status), code=status, asked=_asked(visit)
    )
    response.headers |= {name: value for name, value in error.headers.items() if name in ("Allow", "Retry-After")}
    return response


def without_database(services, request: Request, error: Exception) -> Response:
    """The page about an error behind which the database may be: it says nothing about the visitor."""
    return page(Visit(services, request, routes.paths()), as_registry_error(error))


def _title(visit: Visit, status: int) -> str:
    return visit.t(f"error.{status if status in _TITLED else 400 if status < 500 else 500}")


def _asked(visit: Visit) -> str:
    """What was asked for, in one sentence."""
    path = Markup(f'<code translate="no">{escape(visit.request.path[:300])}</code>')
    return visit.t("error.asked" if visit.signed_in else "error.asked.out", path=path)
