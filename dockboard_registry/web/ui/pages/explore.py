"""Finding repositories: / lists those that the visitor may pull."""

from ....http.messages import Response
from ...auth.permissions import EVERYONE
from ..route import Page
from ..visit import Visit

_ROWS = 50


async def explore(visit: Visit) -> Response:
    listed, further = await visit.services.people.repository_settings.visible(
        visit.principal, visit.query("after"), _ROWS
    )
    return visit.page("explore.html", title=visit.t("explore.title"), names=listed, further=further)


TABLE = (Page("/", EVERYONE, explore),)
