"""/@ORGANIZATION/members: who belongs to an organization, and as what."""

from .....domain.access.rule import MEMBER, OWNER
from .....domain.accounts import account_lists
from .....errors import FieldInvalid
from .....http.messages import Response
from ....auth.permissions import ORGANIZATION, ORGANIZATION_OWNER
from ...parts import Choice
from ...route import Page
from ...visit import Visit
from ..shared import deeds, listing
from . import head

_ORDERS = (account_lists.NAME, account_lists.ROLE, account_lists.SINCE)
_OWNERS_ORDERS = (*_ORDERS, account_lists.SEEN)


async def show(visit: Visit) -> Response:
    if deeds.is_again(visit):
        return await _preview(visit)
    organization, asked = visit.names["organization"], listing.asked(visit)
    owner, role = head.owns(visit, organization), visit.query("role")
    if asked.order not in (_OWNERS_ORDERS if owner else _ORDERS):
        raise FieldInvalid("the list can't be sorted by this", "choose an order of the list")
    lists = visit.services.people.lists
    found = await lists.members(organization, asked.part, role, asked.order, asked.key, asked.before, asked.rows)
    total = await lists.count_members(organization, asked.part, role)
    return visit.page(
        "namespace/members.html",
        title=visit.t("members.title", name=organization),
        head=head.head(visit, organization, head.ORGANIZATION),
        owner=owner,
        members=found.items,
        asked=asked,
        role=role,
        pager=listing.pager(visit, asked, found, total, role=role),
        orders=[Choice(order, visit.t(f"order.{order}")) for order in (_OWNERS_ORDERS if owner else _ORDERS)],
        roles=_roles(visit),
        alternate=f"/api/v1/organizations/{organization}/members",
    )


def _roles(visit: Visit) -> list[Choice]:
    return [Choice(role, visit.t(f"role.{role}")) for role in (MEMBER, OWNER)]


async def change(visit: Visit) -> Response:
    deed, user = visit.form.text("do"), visit.form.text("user")
    if deed == "remove":
        return await _remove(visit) if deeds.is_sure(visit) else await _preview(visit)
    role = {"owner": OWNER, "member": MEMBER}.get(deed, visit.form.text("role"))
    organization = visit.names["organization"]
    with deeds.about(visit, "user"):
        await visit.services.people.organizations.set_member(visit.asker.actor, organization, user, role)
    return visit.redirect(_here(visit), "members.set", name=user, role=visit.t(f"role.{role}"))


async def _preview(visit: Visit) -> Response:
    organization, user = visit.names["organization"], visit.form.text("user")
    found = await visit.services.people.lists.member(organization, user)
    goes = [visit.t("members.goes", name=user, organization=organization)]
    goes += (
        [visit.t("members.goes.teams", name=user, n=len(found.teams), teams=", ".join(found.teams))]
        if found.teams
        else []
    )
    goes.append(visit.t("members.goes.grants"))
    stays = [visit.t("members.stays")]
    return deeds.preview(
        visit,
        deeds.Preview(
            visit.t("members.remove.title", name=user, organization=organization),
            *(goes, stays),
            visit.t("members.remove.do", name=user),
            {"do": "remove", "user": user},
            _here(visit),
        ),
    )


async def _remove(visit: Visit) -> Response:
    user = visit.form.text("user")
    await visit.services.people.organizations.remove_member(visit.asker.actor, visit.names["organization"], user)
    return visit.redirect(_here(visit), "members.removed", name=user)


def _here(visit: Visit) -> str:
    return visit.url(visit.request.path)


TABLE = (
    Page(
        "/@{organization}/members",
        ORGANIZATION,
        show,
        change,
        {"add": ("user", "role"), **dict.fromkeys(("owner", "member", "remove"), ("user",))},
        deeds.FIELDS,
        private=True,
        sends=ORGANIZATION_OWNER,
    ),
)
