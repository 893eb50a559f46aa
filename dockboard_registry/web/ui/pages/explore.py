"""Finding repositories: / lists those that the visitor may pull."""

from ....domain.explore.lists import NAME, Wanted, parse_key
from ....http.messages import Response
from ...auth.permissions import EVERYONE
from ..route import Page
from ..visit import Visit

_ROWS = 50


async def explore(visit: Visit) -> Response:
    after = visit.query("after")
    wanted = Wanted(limit=_ROWS, after=parse_key(after, NAME) if after else None)
    found = await visit.services.lists.page(visit.principal, wanted)
    return visit.page("explore.html", title=visit.t("explore.title"), names=found.items, further=found.next)


TABLE = (Page("/", EVERYONE, explore),)
