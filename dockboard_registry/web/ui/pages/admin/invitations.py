"""/admin/invitations: codes with which people make accounts themselves."""

from .....domain.access.rule import MEMBER
from .....domain.accounts.registration import OFF
from .....durations import in_future
from .....errors import BadRequest
from .....http.messages import Response
from .....numbers import whole
from ....auth.permissions import ADMINISTRATOR
from ... import identity
from ...parts import Choice
from ...route import Page
from ...visit import Visit
from ..shared import deeds, listing
from .head import tabs

_ROWS = 50
_LIVES = ("7d", "30d", "24h")


async def show(visit: Visit) -> Response:
    after = visit.query("after")
    found = await visit.services.people.invitations.list(_number(after), _ROWS + 1)
    invitations = found[:_ROWS]
    later = str(invitations[-1].id) if len(found) > _ROWS else None
    return visit.page(
        "admin/invitations.html",
        title=visit.t("admin.invitations"),
        tabs=tabs(visit),
        invitations=invitations,
        pager=listing.following(visit, len(invitations), after, later),
        lives=[Choice(life, visit.t(f"duration.{life}")) for life in _LIVES],
        alternate="/api/v1/invitations",
    )


async def change(visit: Visit) -> Response:
    people, form = visit.services.people, visit.form
    if form.text("do") == "revoke":
        await people.invitations.revoke(visit.asker.actor, _number(form.text("id")))
        return visit.redirect(visit.url("/admin/invitations"), "invitations.revoked")
    await identity.require_password(visit)
    life, organization = form.text("expires"), form.text("organization")
    with deeds.about(visit, "organization"):
        if organization:
            await people.organizations.get(organization)
    with visit.checking("email"):
        made = await people.invitations.add(
            visit.asker.actor,
            form.text("email") or None,
            in_future(life if life in _LIVES else _LIVES[0]),
            organization or None,
            MEMBER,
        )
    return _told(visit, made.code)


def _told(visit: Visit, code: str) -> Response:
    """The page that shows the code. It is an answer to the form, so no address shows it again."""
    return visit.page(
        "admin/invitation.html",
        title=visit.t("invitations.made"),
        code=code,
        registers=visit.services.people.registrations.mode != OFF,
        address=f"{visit.services.gate.base(visit.request)}/register?code={code}",
        back=visit.url("/admin/invitations"),
    )


def _number(text: str) -> int:
    """Raises BadRequest."""
    found = whole(text or "0")
    if found is None:
        raise BadRequest("the id of an invitation is a number", "take it from the list")
    return found


TABLE = (
    Page(
        "/admin/invitations",
        ADMINISTRATOR,
        show,
        change,
        {"make": ("email", "organization", "expires"), "revoke": ("id",)},
        ("password",),
        private=True,
    ),
)
