"""/@NAME/grants: rights on the repositories of a namespace, by name or pattern."""

from .....domain.access import patterns
from .....domain.access.rule import RIGHTS, USER
from .....domain.rights.explanations import require_known
from .....http.messages import Response
from ....auth.permissions import NAMESPACE_OWNER
from ...forms import Wrong
from ...parts import Choice
from ...route import Page
from ...visit import Visit
from ..shared import deeds, listing
from . import head

_ROWS = 50
GRANT_DEEDS = {"give": ("pattern", "holder", "right"), "take": ("pattern", "holder")}


async def show(visit: Visit) -> Response:
    namespace, after = visit.names["namespace"], visit.query("after")
    found = await visit.services.people.grants.page(after, _ROWS + 1, namespace)
    grants, more = found[:_ROWS], len(found) > _ROWS
    later = f"{grants[-1].pattern} {grants[-1].holder}" if more else None
    held = await visit.services.people.repository_settings.namespace(namespace)
    return visit.page(
        "namespace/grants.html",
        title=visit.t("grants.title", name=namespace),
        head=head.head(visit, namespace, held.kind),
        grants=grants,
        pager=listing.following(visit, len(grants), after, later),
        rights=right_choices(visit),
        example=f"{namespace}/**",
        alternate=f"/api/v1/namespaces/{namespace}/grants",
    )


async def change(visit: Visit) -> Response:
    namespace = visit.names["namespace"]
    with deeds.about(visit, "pattern"):
        if patterns.parse(visit.form.text("pattern")).namespace != namespace:
            raise Wrong("grants.outside", name=namespace)
    return await give_or_take(visit, visit.url(visit.request.path))


async def give_or_take(visit: Visit, back: str) -> Response:
    """Give or take back the right that the form names. That the visitor may is checked before."""
    actor, form, grants = visit.asker.actor, visit.form, visit.services.people.grants
    pattern, holder = form.text("pattern"), form.text("holder")
    if form.text("do") == "take":
        await grants.remove(actor, pattern, holder)
        return visit.redirect(back, "grants.taken", holder=holder, pattern=pattern)
    holder = holder if ":" in holder else f"{USER}:{holder}"
    with deeds.about(visit, "holder"):
        require_known(visit.principal, holder)
        await grants.add(actor, pattern, holder, form.text("right"))
    return visit.redirect(back, "grants.given", holder=holder, pattern=pattern)


def right_choices(visit: Visit) -> list[Choice]:
    return [Choice(right, visit.t(f"right.{right}.what")) for right in RIGHTS]


TABLE = (Page("/@{namespace}/grants", NAMESPACE_OWNER, show, change, GRANT_DEEDS, private=True),)
