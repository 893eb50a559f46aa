"""/admin: what administrators should look at."""

from .....http.messages import Response
from ....auth.permissions import ADMINISTRATOR
from ...route import Page
from ...visit import Visit
from .head import tabs


async def show(visit: Visit) -> Response:
    services = visit.services
    health = await services.people.health.look(services.metrics.jobs.names)
    return visit.page(
        "admin/summary.html",
        title=visit.t("admin.title"),
        tabs=tabs(visit),
        health=health,
        alternate="/api/v1/health",
    )


TABLE = (Page("/admin", ADMINISTRATOR, show, private=True),)
