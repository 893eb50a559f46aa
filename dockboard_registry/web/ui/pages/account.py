"""The own account: profile, preferences, password, e-mail address, sessions, and leaving."""

import json
from typing import Any

from ....domain.accounts.preferences import THEMES
from ....domain.accounts.profiles import Profile
from ....domain.credentials.access_tokens import AccessToken
from ....errors import AccountUnknown
from ....http.messages import Response
from ....numbers import whole
from ...auth.permissions import ONESELF
from .. import cookies, identity
from ..forms import Wrong
from ..language import LANGUAGES
from ..route import Page
from ..visit import Visit
from .joining import check_choice

_PROFILE = ("full_name", "company", "location", "url")
_CHOSEN = ("zone", "language", "theme")


async def profile(visit: Visit) -> Response:
    people, name = visit.asker.people, visit.principal.name
    return visit.page(
        "account.html",
        title=name,
        user=await people.accounts.get(name),
        chosen=await people.preferences.get(name),
        languages=LANGUAGES,
        themes=THEMES,
    )


async def change_profile(visit: Visit) -> Response:
    if visit.form.text("do") == "preferences":
        return await _prefer(visit)
    given = {field: visit.form.text(field) for field in _PROFILE}
    for field, value in given.items():
        with visit.checking(field):
            Profile(**{field: value}).checked()
    await visit.asker.people.accounts.change(visit.asker.actor, visit.principal.name, given)
    return visit.redirect(visit.url("/account"), "account.saved")


async def _prefer(visit: Visit) -> Response:
    form, theme = visit.form, visit.form.text("theme")
    given = {"zone": form.text("zone"), "language": form.text("language"), "theme": theme}
    with visit.checking("zone"):
        await visit.asker.people.preferences.change(
            visit.asker.actor, visit.principal.name, {**given, "shortcuts": form.has("shortcuts")}
        )
    visit.set_cookies.append(cookies.preference(cookies.THEME, theme, visit.request.secure))
    return visit.redirect(visit.url("/account"), "account.saved")


async def password(visit: Visit) -> Response:
    people, name = visit.asker.people, visit.principal.name
    return visit.page(
        "account_password.html",
        title=visit.t("account.password"),
        user=await people.accounts.get(name),
        others=len(await people.sessions.list(name)) - 1,
        mails=people.resets.sends_mail,
    )


async def change_password(visit: Visit) -> Response:
    if visit.form.text("do") == "email":
        return await _change_email(visit)
    people, asker = visit.asker.people, visit.asker
    user = await people.accounts.get(asker.principal.name)
    check_choice(visit, "new_password", user.name, user.email)
    await identity.check_password(visit, "current")
    await people.accounts.set_password(asker.actor, user.name, visit.form.raw("new_password"))
    identity.keep_secret(visit, await people.sessions.renew(visit.session))
    return visit.redirect(visit.url("/account/password"), "account.password.set")


async def _change_email(visit: Visit) -> Response:
    await identity.require_password(visit)
    with visit.checking("email"):
        given = {"email": visit.form.text("email")}
        await visit.asker.people.accounts.change(visit.asker.actor, visit.principal.name, given)
    return visit.redirect(visit.url("/account/password"), "account.email.saved")


async def sessions(visit: Visit) -> Response:
    listed = await visit.asker.people.sessions.list(visit.principal.name)
    return visit.page("account_sessions.html", title=visit.t("account.sessions"), sessions=listed)


async def end_sessions(visit: Visit) -> Response:
    people, asker = visit.asker.people, visit.asker
    if visit.form.text("do") == "others":
        ended = await people.sessions.revoke_all(asker.actor, asker.principal.name, visit.session.id)
        return visit.redirect(visit.url("/account/sessions"), "account.sessions.ended", n=ended)
    session = whole(visit.form.text("session"))
    if session is None:
        raise AccountUnknown
    if session == visit.session.id:
        await identity.sign_out(visit)
        return visit.redirect(visit.url("/"), "signing.out")
    await people.sessions.revoke(asker.actor, asker.principal.name, session)
    return visit.redirect(visit.url("/account/sessions"), "account.sessions.ended", n=1)


async def leave(visit: Visit) -> Response:
    return visit.page("account_leave.html", title=visit.t("account.leave"), width="text")


async def delete(visit: Visit) -> Response:
    asker = visit.asker
    with visit.checking("name"):
        if visit.form.text("name") != asker.principal.name:
            raise Wrong("account.leave.other", name=asker.principal.name)
    await identity.require_password(visit)
    await asker.people.accounts.delete(asker.actor, asker.principal.name)
    await identity.sign_out(visit)
    return visit.redirect(visit.url("/"), "account.left", name=asker.principal.name)


async def export(visit: Visit) -> Response:
    """What the registry keeps about the user, as JSON."""
    people, name = visit.asker.people, visit.principal.name
    found: dict[str, Any] = {
        "user": (await people.accounts.get(name))._asdict(),
        "preferences": (await people.preferences.get(name))._asdict(),
        "organizations": dict(visit.principal.memberships),
        "teams": visit.principal.teams,
        "tokens": [_without_id(token) for token in await people.tokens.list(name)],
        "sessions": [session._asdict() for session in await people.sessions.list(name)],
        "changes": [event._asdict() for event in await people.audit.list(actor=f"user {name}", limit=1000)],
    }
    response = visit.download(json.dumps(found, ensure_ascii=False, indent=1).encode(), f"{name}.json")
    response.headers["Cache-Control"] = "no-store"
    return response


def _without_id(token: AccessToken) -> dict[str, Any]:
    return {name: value for name, value in token._asdict().items() if name != "id"}


TABLE = (
    Page(
        *("/account", ONESELF, profile, change_profile, {"profile": _PROFILE, "preferences": _CHOSEN}),
        fields=("shortcuts",),
        private=True,
    ),
    Page(
        *("/account/password", ONESELF, password, change_password),
        deeds={"password": ("current", "new_password"), "email": ("email",)},
        fields=("password",),
        private=True,
    ),
    Page("/account/sessions", ONESELF, sessions, end_sessions, {"end": ("session",), "others": ()}, private=True),
    Page("/account/leave", ONESELF, leave, delete, {"leave": ("name",)}, ("password",), private=True),
    Page("/account/export", ONESELF, export, private=True),
)
