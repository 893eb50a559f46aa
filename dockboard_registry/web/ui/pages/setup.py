"""The first account, which this machine makes while there has never been one."""

from ....domain.access import rule
from ....domain.access.rule import ADMIN, REGISTRY
from ....domain.accounts.profiles import Profile
from ....errors import NotFound
from ....http.messages import Response
from ....names import namespace_name
from ...auth.asker import Asker
from ...auth.permissions import Names, Permission
from .. import identity
from ..route import Page
from ..visit import Visit
from .joining import check_choice


async def setup(visit: Visit) -> Response:
    return visit.page(
        "setup.html",
        title=visit.t("setup.title"),
        mails=visit.asker.people.resets.sends_mail,
        named=visit.services.gate.is_named,
    )


async def make_first(visit: Visit) -> Response:
    name, email = visit.form.text("name"), visit.form.text("email") or None
    with visit.checking("name"):
        namespace_name(name)
    check_choice(visit, "password", name, email)
    with visit.checking("email"):
        profile = Profile(email=email).checked()
    password = visit.form.raw("password")
    with visit.checking("name"):
        await visit.asker.people.accounts.add(
            visit.asker.actor, name, password, profile, administrator=True, adopt=True, own=True
        )
    await identity.sign_in(visit, name, password)
    return visit.redirect(visit.url("/"), "setup.done", name=name)


async def _is_first(asker: Asker, names: Names) -> None:
    """Raises NotFound once there is an account, and on any other machine."""
    if not (asker.principal.open and rule.decide(asker.principal, ADMIN, REGISTRY).allowed):
        raise NotFound


FIRST = Permission(_is_first, "this machine, while there has never been an account", True)
_DEEDS = {"make": ("name", "password", "email")}
TABLE = (Page("/setup", FIRST, setup, make_first, _DEEDS, private=True),)
