"""The own access tokens. The secret of a new one is in the answer to the form that made it, and nowhere else."""

from ....domain.credentials.access_tokens import ACTIONS, scope
from ....durations import in_future
from ....errors import AccountUnknown
from ....http.messages import Response
from ....names import account_name
from ...auth.permissions import ONESELF
from .. import identity
from ..forms import Wrong
from ..route import Page
from ..visit import Visit
from .shared.clients import logins

_ROWS = 50
# How long a token may count. The empty one is for ever.
LIVES = ("30d", "90d", "365d", "")


async def tokens(visit: Visit, made: str = "", secret: str = "") -> Response:
    """made, secret: the token that was just made."""
    found = await visit.asker.people.tokens.by_name(visit.principal.name, visit.query("after"), _ROWS + 1)
    return visit.page(
        "account_tokens.html",
        title=visit.t("tokens.title"),
        tokens=found[:_ROWS],
        further=found[_ROWS - 1].name if len(found) > _ROWS else "",
        actions=ACTIONS,
        lives=LIVES,
        made=made,
        logins=logins(visit.host, visit.principal.name, visit.request.secure, f"{made}.secret"),
        secret=secret,
    )


async def change(visit: Visit) -> Response:
    if visit.form.text("do") == "revoke":
        return await _revoke(visit)
    people, asker, form = visit.asker.people, visit.asker, visit.form
    await identity.require_password(visit)
    name, patterns, actions = form.text("name"), _patterns(form.text("repositories")), form.all("actions")
    if not actions:
        raise Wrong("tokens.actions.missing")
    life = form.text("expires")
    with visit.checking("name"):
        account_name(name)
    if life not in LIVES:
        raise Wrong("tokens.life.wrong")
    allowed = None if set(actions) == set(ACTIONS) else ",".join(actions)
    with visit.checking("repositories"):
        scope(patterns, allowed)
    with visit.checking("name"):
        secret = await people.tokens.add(
            asker.actor, asker.principal.name, name, patterns, allowed, in_future(life or None)
        )
    return await tokens(visit, name, secret)


async def _revoke(visit: Visit) -> Response:
    name = visit.form.text("token")
    try:
        await visit.asker.people.tokens.revoke(visit.asker.actor, visit.principal.name, name)
    except AccountUnknown:
        return visit.redirect(visit.url("/account/tokens"), "tokens.gone", "warn")
    return visit.redirect(visit.url("/account/tokens"), "tokens.revoked", name=name)


def _patterns(text: str) -> str | None:
    """Patterns with commas between them, as people write them; None for all repositories."""
    return ",".join(text.replace(",", " ").split()) or None


TABLE = (
    Page(
        *("/account/tokens", ONESELF, tokens, change),
        deeds={"make": ("name", "repositories", "expires"), "revoke": ("token",)},
        fields=("actions", "password"),
        private=True,
    ),
)
