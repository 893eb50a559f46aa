"""Disabling and enabling several users at once: a page says what will happen, and its button does it."""

from .....domain.access.rule import DISABLED
from .....domain.accounts.accounts import User
from .....http.messages import Response
from .....names import account_name
from ...forms import Wrong
from ...visit import Visit
from ..shared import deeds
from ..shared.listing import ROWS

# What the forms have: the boxes of the list, and the names behind each other on the page that asks again.
FIELDS = ("user", "users", "sure")
DEEDS = ("disable", "enable")


async def change(visit: Visit) -> Response:
    """Disable or enable the chosen users, all of them or none."""
    deed, names = visit.form.text("do"), _chosen(visit)
    users, held = await visit.services.people.lists.held_by(names)
    if deed == "enable":
        _require_disabled(users)
    if deeds.is_sure(visit):
        await visit.services.people.accounts.set_states(visit.asker.actor, names, deed == "enable")
        return visit.redirect(visit.url("/admin/users"), f"users.{deed}.many.done", n=len(names))
    goes = [visit.t(f"users.{deed}.many.goes", n=len(names), names=", ".join(names))]
    if deed == "disable":
        counts = {"tokens": held.tokens, "sessions": held.sessions, "organizations": held.organizations}
        goes += [visit.t(f"users.disable.{what}", n=count) for what, count in counts.items() if count]
    return deeds.preview(
        visit,
        deeds.Preview(
            visit.t(f"users.{deed}.many.title", n=len(names)),
            *(goes, [visit.t(f"users.{deed}.many.stays")]),
            visit.t(f"users.{deed}.many.do", n=len(names)),
            {"do": deed, "users": " ".join(names)},
            visit.url("/admin/users"),
        ),
    )


def _chosen(visit: Visit) -> list[str]:
    """The names that were chosen, each once. Raises FieldInvalid."""
    names = list(dict.fromkeys(visit.form.all("user") or visit.form.text("users").split()))
    if not 1 <= len(names) <= ROWS[-1]:
        raise Wrong("users.many.some", n=len(names), most=ROWS[-1])
    return [account_name(name) for name in names]


def _require_disabled(users: list[User]) -> None:
    """Raise Wrong for an account that waits for approval, or that has no password yet."""
    for user in users:
        if user.state != DISABLED:
            raise Wrong("users.enable.many.not", name=user.name)
