"""/admin/uploads: uploads that are not finished."""

from .....http.messages import Response
from ....auth.permissions import ADMINISTRATOR
from ...route import Page
from ...visit import Visit
from ..shared import listing
from .head import tabs

_ROWS = 50


async def show(visit: Visit) -> Response:
    after, repository = visit.query("after"), visit.query("repository")
    found = await visit.services.open_uploads.list(after, _ROWS + 1, "", repository)
    uploads = found[:_ROWS]
    later = uploads[-1].id if len(found) > _ROWS else None
    return visit.page(
        "admin/uploads.html",
        title=visit.t("admin.uploads"),
        tabs=tabs(visit),
        uploads=uploads,
        repository=repository,
        pager=listing.following(visit, len(uploads), after, later, repository=repository),
        alternate="/api/v1/uploads",
    )


async def drop(visit: Visit) -> Response:
    await visit.services.open_uploads.drop_one(visit.asker.actor, visit.form.text("upload"))
    return visit.redirect(visit.url("/admin/uploads"), "uploads.dropped")


TABLE = (Page("/admin/uploads", ADMINISTRATOR, show, drop, {"drop": ("upload",)}, private=True),)
