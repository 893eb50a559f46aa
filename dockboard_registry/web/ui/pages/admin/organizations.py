"""/admin/organizations: all organizations."""

from .....domain.accounts import account_lists
from .....http.messages import Response
from ....auth.permissions import ADMINISTRATOR
from ...parts import Choice
from ...route import Page
from ...visit import Visit
from ..shared import deeds, listing
from .head import tabs


async def show(visit: Visit) -> Response:
    asked, lists = listing.asked(visit), visit.services.people.lists
    found = await lists.organizations(asked.part, asked.order, asked.key, asked.before, asked.rows)
    return visit.page(
        "admin/organizations.html",
        title=visit.t("admin.organizations"),
        tabs=tabs(visit),
        organizations=found.items,
        held=await visit.services.people.quotas.kept_bytes([each.name for each in found.items]),
        asked=asked,
        orders=[Choice(order, visit.t(f"order.{order}")) for order in account_lists.ORGANIZATIONS.orders],
        pager=listing.pager(visit, asked, found, await lists.count_organizations(asked.part)),
        alternate="/api/v1/organizations",
    )


async def change(visit: Visit) -> Response:
    """Make an organization, or bring a deleted one back."""
    name, owner, organizations = visit.form.text("name"), visit.form.text("owner"), visit.services.people.organizations
    if visit.form.text("do") == "restore":
        with deeds.about(visit, "name"):
            await organizations.restore(visit.asker.actor, name, owner or None)
        return visit.redirect(visit.url(f"/@{name}/members"), "organizations.restored", name=name)
    with deeds.about(visit, "owner"):
        await visit.services.people.accounts.get(owner)
    with visit.checking("name"):
        await organizations.add(visit.asker.actor, name, owner, adopt=True)
    return visit.redirect(visit.url(f"/@{name}/members"), "organizations.made", name=name)


_DEEDS = {"make": ("name", "owner"), "restore": ("name",)}
TABLE = (Page("/admin/organizations", ADMINISTRATOR, show, change, _DEEDS, ("owner",), private=True),)
