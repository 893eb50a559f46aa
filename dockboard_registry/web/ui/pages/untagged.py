"""/r/NAME/-/untagged: manifests that no tag points to and no index holds, for those who may delete them."""

from ....errors import BadRequest, ChangeRefused, InUse, ManifestUnknown
from ....http.messages import Response
from ....names import is_digest
from ...auth.permissions import REPOSITORY_DELETES
from ..forms import Wrong
from ..repository import frame
from ..route import Page
from ..visit import Visit
from .shared import deeds, listing

_ROWS = 25
MOST_DELETED = 100


async def untagged(visit: Visit) -> Response:
    name, after = visit.names["repository"], visit.query("after")
    if after and not is_digest(after):
        raise BadRequest("the list has no such place", "begin at its first page")
    about, page, facts = await visit.services.repository_pages.untagged(name, visit.principal, after, _ROWS)
    values = await frame.values_of(visit, "tags", about)
    return visit.page(
        "repository/untagged.html",
        **values,
        title=visit.t("untagged.title", name=name),
        alternate=f"/api/v1/repositories/{name.replace('/', '%2F')}/untagged",
        page=page,
        found=facts,
        chosen=set(visit.form.all("manifest")) if visit.problem is not None else (),
        pager=listing.following(visit, len(page.manifests), after, page.after),
    )


async def delete(visit: Visit) -> Response:
    """First what will go, then the deed. What a tag points to meanwhile, or an index holds, stays."""
    sure = deeds.is_sure(visit)
    chosen = list(dict.fromkeys(visit.form.text("digests").split() if sure else visit.form.all("manifest")))
    if not 0 < len(chosen) <= MOST_DELETED:
        raise Wrong("untagged.some", n=len(chosen), most=MOST_DELETED)
    if not all(map(is_digest, chosen)):
        raise BadRequest("the form names something that is no digest", "send it from the page")
    path = visit.repository_url(visit.names["repository"], "untagged")
    if not sure:
        return deeds.preview(visit, _preview(visit, chosen, path))
    stayed = await _delete(visit, chosen)
    if stayed:
        return visit.redirect(path, "untagged.stayed", "warn", n=len(chosen) - stayed, stayed=stayed)
    return visit.redirect(path, "untagged.deleted", n=len(chosen))


def _preview(visit: Visit, chosen: list[str], path: str) -> deeds.Preview:
    return deeds.Preview(
        visit.t("untagged.ask", n=len(chosen)),
        chosen,
        [visit.t("untagged.stays")],
        visit.t("untagged.do", n=len(chosen)),
        {"do": "delete", "digests": " ".join(chosen)},
        path,
    )


async def _delete(visit: Visit, chosen: list[str]) -> int:
    """How many of them stayed. Each goes in a transaction of its own."""
    name, actor, stayed = visit.names["repository"], visit.asker.actor if visit.signed_in else None, 0
    for digest in chosen:
        try:
            await visit.services.manifests.delete(name, digest, actor, untagged=True)
        except (ChangeRefused, InUse, ManifestUnknown):
            stayed += 1
    return stayed


_FIELDS = ("manifest", "digests", *deeds.FIELDS)
TABLE = (Page("/r/{repository}/-/untagged", REPOSITORY_DELETES, untagged, delete, {"delete": ()}, _FIELDS),)
