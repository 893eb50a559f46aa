"""/admin/users and /admin/users/NAME: people's accounts."""

from .....domain.access.rule import ACTIVE, DISABLED, PENDING
from .....domain.accounts import account_lists
from .....domain.accounts.accounts import INVITED
from .....domain.accounts.profiles import Profile
from .....domain.credentials.one_time import INVITE, RESET
from .....http.messages import Response
from ....auth.permissions import ADMINISTRATOR
from ... import identity
from ...parts import Choice
from ...route import Page
from ...visit import Visit
from ..shared import deeds, listing
from . import many
from .head import tabs

# Where each kind of one-time token is used.
_PAGES = {INVITE: "/invitation", RESET: "/reset"}
_STATES = (ACTIVE, DISABLED, PENDING, INVITED, account_lists.ADMINISTRATORS)


async def show(visit: Visit) -> Response:
    asked, state, lists = listing.asked(visit), visit.query("state"), visit.services.people.lists
    state = state if state in _STATES else ""
    found = await lists.users(asked.part, state, asked.order, asked.key, asked.before, asked.rows)
    return visit.page(
        "admin/users.html",
        title=visit.t("admin.users"),
        tabs=tabs(visit),
        users=found.items,
        held=await visit.services.people.quotas.kept_bytes([user.name for user in found.items]),
        asked=asked,
        state=state,
        states=[Choice(each, visit.t(f"state.{each}")) for each in _STATES],
        orders=[Choice(order, visit.t(f"order.{order}")) for order in account_lists.USERS.orders],
        pager=listing.pager(visit, asked, found, await lists.count_users(asked.part, state), state=state),
        chosen=visit.form.all("user") if visit.problem is not None else [],
        alternate="/api/v1/users",
    )


async def change(visit: Visit) -> Response:
    """Make an account that its owner has to set a password for, say yes or no to one that waits, or change the state of
    several.
    """
    people, name, deed = visit.services.people, visit.form.text("name"), visit.form.text("do")
    if deed in many.DEEDS:
        return await many.change(visit)
    if deed == "approve":
        await people.registrations.approve(visit.asker.actor, name)
        return visit.redirect(visit.url("/admin/users", state=PENDING), "users.approved", name=name)
    if deed == "reject":
        await people.registrations.reject(visit.asker.actor, name)
        return visit.redirect(visit.url("/admin/users", state=PENDING), "users.rejected", name=name)
    await identity.require_password(visit)
    with visit.checking("name"):
        profile = Profile(visit.form.text("email") or None, visit.form.text("full_name") or None)
        await people.accounts.add(visit.asker.actor, name, None, profile, adopt=True)
    return await _link(visit, name, INVITE, "users.invited")


async def show_one(visit: Visit) -> Response:
    if deeds.is_again(visit):
        return await _preview(visit)
    people, name = visit.services.people, visit.names["user"]
    user = await people.accounts.get(name)
    return visit.page(
        "admin/user.html",
        title=name,
        tabs=tabs(visit),
        user=user,
        changes=await people.audit.list(object=f"user {name}", limit=10),
        last_administrator=user.administrator and await people.lists.count_users("", account_lists.ADMINISTRATORS) == 1,
        alternate=f"/api/v1/users/{name}",
    )


async def change_one(visit: Visit) -> Response:
    deed = visit.form.text("do")
    if deed in _PREVIEWED and not deeds.is_sure(visit):
        return await _preview(visit)
    return await _DEEDS[deed](visit)


async def _enable(visit: Visit) -> Response:
    await visit.services.people.accounts.set_state(visit.asker.actor, visit.names["user"], True)
    return _said(visit, "users.enabled")


async def _disable(visit: Visit) -> Response:
    await visit.services.people.accounts.set_state(visit.asker.actor, visit.names["user"], False)
    return _said(visit, "users.disabled")


async def _unlock(visit: Visit) -> Response:
    await visit.services.people.accounts.unlock(visit.asker.actor, visit.names["user"])
    return _said(visit, "users.unlocked")


async def _promote(visit: Visit) -> Response:
    await identity.require_password(visit)
    await visit.services.people.accounts.set_administrator(visit.asker.actor, visit.names["user"], True)
    return _said(visit, "users.promoted")


async def _demote(visit: Visit) -> Response:
    await identity.require_password(visit)
    await visit.services.people.accounts.set_administrator(visit.asker.actor, visit.names["user"], False)
    return _said(visit, "users.demoted")


async def _reset(visit: Visit) -> Response:
    await identity.require_password(visit)
    name = visit.names["user"]
    user = await visit.services.people.accounts.get(name)
    invited = user.state == INVITED
    return await _link(visit, name, INVITE if invited else RESET, "users.invited" if invited else "users.reset")


async def _delete(visit: Visit) -> Response:
    name = visit.names["user"]
    deeds.require_typed(visit, name)
    await identity.require_password(visit)
    await visit.services.people.accounts.delete(visit.asker.actor, name)
    return visit.redirect(visit.url("/admin/users"), "users.deleted", name=name)


_DEEDS = {
    "enable": _enable,
    "disable": _disable,
    "unlock": _unlock,
    "promote": _promote,
    "demote": _demote,
    "reset": _reset,
    "delete": _delete,
}
_PREVIEWED = ("disable", "promote", "demote", "reset", "delete")


async def _preview(visit: Visit) -> Response:
    """What a deed does to the account, before it is done."""
    name, deed = visit.names["user"], visit.form.text("do")
    held = await visit.services.people.lists.holdings(name)
    counts = {"tokens": held.tokens, "sessions": held.sessions, "organizations": held.organizations}
    goes = [visit.t(f"users.{deed}.goes", name=name)]
    if deed in ("disable", "delete"):
        goes += [visit.t(f"users.{deed}.{what}", n=count) for what, count in counts.items() if count]
    stays = [visit.t(f"users.{deed}.stays", name=name)]
    return deeds.preview(
        visit,
        deeds.Preview(
            visit.t(f"users.{deed}.title", name=name),
            *(goes, stays),
            visit.t(f"users.{deed}.do", name=name),
            {"do": deed},
            visit.url(visit.request.path),
            name if deed == "delete" else "",
            deed != "disable",
        ),
    )


async def _link(visit: Visit, name: str, purpose: str, said: str) -> Response:
    """The page that shows a one-time token. It is an answer to the form, so no address shows it again."""
    token = await visit.services.people.one_time.make(visit.asker.actor, name, purpose)
    return visit.page(
        "one_time.html",
        title=visit.t(said, name=name),
        tabs=tabs(visit),
        token=token,
        address=f"{visit.services.gate.base(visit.request)}{_PAGES[purpose]}?token={token}",
        back=visit.url(f"/admin/users/{name}"),
        name=name,
    )


def _said(visit: Visit, id: str) -> Response:
    return visit.redirect(visit.url(visit.request.path), id, name=visit.names["user"])


TABLE = (
    Page(
        "/admin/users",
        ADMINISTRATOR,
        show,
        change,
        {
            "invite": ("name", "email", "full_name"),
            "approve": ("name",),
            "reject": ("name",),
            **dict.fromkeys(many.DEEDS, ()),
        },
        ("password", *many.FIELDS),
        private=True,
    ),
    Page(
        "/admin/users/{user}",
        ADMINISTRATOR,
        show_one,
        change_one,
        dict.fromkeys(_DEEDS, ()),
        deeds.FIELDS,
        private=True,
    ),
)
