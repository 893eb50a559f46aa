"""/@NAME/settings: what first pushes make, the quota, and the end of an organization."""

from .....domain.access import rule
from .....domain.access.rule import ADMIN, REGISTRY
from .....domain.accounts.namespaces import VISIBILITIES
from .....domain.quotas.quotas import UNLIMITED
from .....durations import SIZE_EXAMPLES, size
from .....errors import Denied
from .....http.messages import Response
from ....auth.permissions import NAMESPACE_OWNER
from ... import identity
from ...forms import Wrong
from ...parts import Choice
from ...route import Page
from ...visit import Visit
from ..shared import deeds
from . import head


async def show(visit: Visit) -> Response:
    if deeds.is_again(visit):
        return await _preview(visit)
    name, people = visit.names["namespace"], visit.services.people
    held = await people.repository_settings.namespace(name)
    return visit.page(
        "namespace/settings.html",
        title=visit.t("settings.title", name=name),
        head=head.head(visit, name, held.kind),
        visibility=held.default_visibility,
        choices=[Choice(each, visit.t(f"visibility.{each}.what")) for each in VISIBILITIES],
        quota=await people.quotas.show(None, name) if held.kind in (head.ORGANIZATION, head.USER) else None,
        administrator=_administers(visit),
        organization=held.kind == head.ORGANIZATION,
        alternate=f"/api/v1/namespaces/{name}",
    )


async def change(visit: Visit) -> Response:
    name, people, deed = visit.names["namespace"], visit.services.people, visit.form.text("do")
    if deed == "delete":
        return await _delete(visit) if deeds.is_sure(visit) else await _preview(visit)
    if deed == "quota":
        if not _administers(visit):
            raise Denied("quotas are set by administrators of the registry", "ask one of them")
        await _set_quota(visit)
    else:
        await people.repository_settings.set_default(visit.asker.actor, name, visit.form.text("visibility"))
    return visit.redirect(visit.url(visit.request.path), "settings.saved")


def _administers(visit: Visit) -> bool:
    return rule.decide(visit.principal, ADMIN, REGISTRY).allowed


async def _set_quota(visit: Visit) -> None:
    """Set both limits. An empty field stands for what the registry's settings say, `none` for no limit."""
    await identity.require_password(visit)
    limits = {}
    for field, reads in (("repositories", _count), ("bytes", _bytes)):
        with visit.checking(field):
            limits[field] = _limit(visit.form.text(field), reads)
    await visit.services.people.quotas.set(visit.asker.actor, None, visit.names["namespace"], **limits)


def _limit(text: str, reads) -> int | None:
    if text.lower() in ("none", "-1"):
        return UNLIMITED
    return reads(text) if text else None


def _count(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise Wrong("settings.number")
    return int(text)


def _bytes(text: str) -> int:
    try:
        return size(text)
    except ValueError:
        raise Wrong("settings.size", examples=SIZE_EXAMPLES) from None


async def _preview(visit: Visit) -> Response:
    """Before an organization is deleted: what goes with it."""
    name, people = visit.names["namespace"], visit.services.people
    counted = await people.lists.contents(name)
    return deeds.preview(
        visit,
        deeds.Preview(
            visit.t("settings.delete.title", name=name),
            [
                visit.t("settings.goes.teams", n=counted.teams),
                visit.t("settings.goes.robots", n=counted.robots),
                visit.t("settings.goes.grants", n=counted.grants),
                visit.t("settings.goes.members", n=counted.members),
            ],
            [visit.t("settings.stays.repositories"), visit.t("settings.stays.undo")],
            visit.t("settings.delete.do", name=name),
            {"do": "delete"},
            visit.url(visit.request.path),
            name,
            True,
        ),
    )


async def _delete(visit: Visit) -> Response:
    name = visit.names["namespace"]
    deeds.require_typed(visit, name)
    await identity.require_password(visit)
    await visit.services.people.organizations.delete(visit.asker.actor, name)
    return visit.redirect(visit.url("/"), "settings.deleted", name=name)


TABLE = (
    Page(
        "/@{namespace}/settings",
        NAMESPACE_OWNER,
        show,
        change,
        {"visibility": ("visibility",), "quota": ("repositories", "bytes"), "delete": ()},
        deeds.FIELDS,
        private=True,
    ),
)
