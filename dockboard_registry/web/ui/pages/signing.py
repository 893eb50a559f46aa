"""Coming and going: signing in and out."""

from ....domain.credentials.access_tokens import is_secret
from ....errors import NotFound
from ....http.messages import Response
from ...auth.permissions import EVERYONE
from .. import identity
from ..forms import Wrong
from ..route import Page
from ..visit import Visit


async def login(visit: Visit) -> Response:
    if visit.signed_in:
        return visit.go_on()
    _require_accounts(visit)
    return visit.page(
        "login.html", title=visit.t("signing.title"), width="slim", nothing=visit.t("signing.failed"), registers=False
    )


async def sign_in(visit: Visit) -> Response:
    _require_accounts(visit)
    name, password = visit.form.text("name"), visit.form.raw("password")
    with visit.checking("name"):
        if not name:
            raise Wrong("signing.name.missing")
        if "@" in name:
            raise Wrong("signing.email")
    with visit.checking("password"):
        if is_secret(password):
            raise Wrong("signing.token")
        await identity.sign_in(visit, name, password)
    return visit.go_on()


async def logout(visit: Visit) -> Response:
    await identity.sign_out(visit)
    return visit.redirect(visit.url("/"), "signing.out")


def _require_accounts(visit: Visit) -> None:
    """Raises NotFound while nobody can sign in."""
    if visit.principal.open:
        raise NotFound


TABLE = (
    Page("/login", EVERYONE, login, sign_in, deeds={"sign-in": ("name", "password")}, private=True),
    Page("/logout", EVERYONE, post=logout, deeds={"sign-out": ()}),
)
