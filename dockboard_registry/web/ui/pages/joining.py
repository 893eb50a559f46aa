"""Accounts that people make themselves, and passwords that they set with a token from a mail or an administrator.

A token or code in the address of a page is a secret. So it becomes a cookie of ten minutes, and the page goes on
without it: it stays in no history, and no other page hears of it.
"""

import re

from ....domain.access.rule import ACTIVE
from ....domain.accounts.invitations import OpenInvitation
from ....domain.accounts.profiles import Profile
from ....domain.accounts.registration import INVITATION, OFF
from ....domain.credentials import passwords
from ....errors import ChangeRefused, Denied, NotFound, Unauthorized
from ....http.messages import Response
from ....names import namespace_name
from ...auth.asker import Asker
from ...auth.permissions import EVERYONE, Names, Permission
from .. import cookies, identity
from ..forms import Wrong
from ..route import Page
from ..visit import Visit

_SECRET = re.compile("[A-Za-z0-9_-]{1,100}", re.A)
_SECONDS = 600


async def register(visit: Visit) -> Response:
    if visit.query("code"):
        return _bring(visit, cookies.CODE, visit.query("code"))
    brought = _brought(visit, cookies.CODE)
    invitation = await _invited(visit)
    mode = visit.asker.people.registrations.mode
    return visit.page(
        "register.html",
        title=visit.t("joining.register"),
        width="slim",
        mode=mode,
        invitation=invitation,
        ended=bool(brought) and invitation is None,
        asks_code=mode == INVITATION and invitation is None,
    )


async def _invited(visit: Visit) -> OpenInvitation | None:
    """The invitation whose code was brought. A code that does not count any more is forgotten: it stands in the way
    where people make accounts without one.
    """
    code = _brought(visit, cookies.CODE)
    try:
        return await visit.asker.people.invitations.of_code(code) if code else None
    except Denied:
        _forget_brought(visit, cookies.CODE)
        return None


async def make_account(visit: Visit) -> Response:
    form = visit.form
    name, password, email = form.text("name"), form.raw("password"), form.text("email") or None
    with visit.checking("name"):
        namespace_name(name)
    check_choice(visit, "password", name, email)
    with visit.checking("email"):
        Profile(email=email).checked()
    state = await _registered(visit, name, password, email)
    _forget_brought(visit, cookies.CODE)
    if state != ACTIVE:
        return visit.redirect(visit.url("/login"), "joining.waits", name=name)
    await identity.sign_in(visit, name, password)
    return visit.redirect(visit.url("/"), "joining.welcome", name=name)


async def _registered(visit: Visit, name: str, password: str, email: str | None) -> str:
    """Make the account, and return its state. Raises Wrong, ChangeRefused, TooManyRequests."""
    registrations = visit.asker.people.registrations
    brought = _brought(visit, cookies.CODE) if await _invited(visit) else ""
    code = visit.form.text("code") or brought or None
    if registrations.mode == INVITATION and not code:
        visit.wrong = "code"
        raise Wrong("joining.code.missing")
    try:
        return await registrations.register(visit.request.remote, name, password, email, None, code)
    except Denied:
        visit.wrong = "code" if visit.form.has("code") else ""
        raise Wrong("joining.code.wrong") from None
    except ChangeRefused:
        visit.wrong = "name"
        raise


def check_choice(visit: Visit, field: str, *names: str | None) -> None:
    """Require that the field has a password that users with these names may choose. Raises FieldInvalid."""
    with visit.checking(field):
        known = [part for name in names if name for part in (name, name.partition("@")[0])]
        passwords.check_choice(visit.form.raw(field), *known)


async def forgot(visit: Visit) -> Response:
    mails = visit.asker.people.resets.sends_mail
    return visit.page("forgot.html", title=visit.t("joining.forgot"), width="slim", mails=mails, sent=False)


async def send_mail(visit: Visit) -> Response:
    """The answer does not tell whether there is such an account."""
    with visit.checking("account"):
        await visit.asker.people.resets.ask(visit.request.remote, visit.form.text("account"))
    return visit.page("forgot.html", title=visit.t("joining.sent"), width="slim", mails=True, sent=True)


async def reset(visit: Visit) -> Response:
    return await _password_page(visit, "joining.reset")


async def invitation(visit: Visit) -> Response:
    return await _password_page(visit, "joining.invited")


async def _password_page(visit: Visit, title: str) -> Response:
    if visit.query("token"):
        return _bring(visit, cookies.TOKEN, visit.query("token"))
    token, name, ended = _brought(visit, cookies.TOKEN), "", False
    try:
        name = await visit.asker.people.one_time.holder(token) if token else ""
    except Unauthorized:
        ended = True
        _forget_brought(visit, cookies.TOKEN)
    return visit.page(
        "set_password.html", title=visit.t(title), width="slim", name=name, ended=ended, asks_token=not name
    )


async def set_password(visit: Visit) -> Response:
    token = visit.form.text("token") or _brought(visit, cookies.TOKEN)
    check_choice(visit, "password")
    try:
        with visit.checking("password"):
            name = await visit.asker.people.one_time.redeem(
                visit.request.remote, token, None, visit.form.raw("password")
            )
    except Unauthorized:
        visit.wrong = "token" if visit.form.has("token") else ""
        raise Wrong("joining.token.ended") from None
    _forget_brought(visit, cookies.TOKEN)
    await identity.sign_out(visit)
    return visit.redirect(visit.url("/login"), "joining.set", name=name)


async def _may_register(asker: Asker, names: Names) -> None:
    """Raises NotFound where nobody can make an account."""
    if asker.principal.open or asker.people.registrations.mode == OFF:
        raise NotFound


def _bring(visit: Visit, cookie: str, secret: str) -> Response:
    """Go on without the secret in the address."""
    if _SECRET.fullmatch(secret):
        visit.set_cookies.append(cookies.written(cookie, secret, visit.request.secure, _SECONDS))
    return visit.redirect(visit.url(visit.request.path))


def _brought(visit: Visit, cookie: str) -> str:
    found = visit.cookies.get(cookies.full_name(cookie, visit.request.secure), "")
    return found if _SECRET.fullmatch(found) else ""


def _forget_brought(visit: Visit, cookie: str) -> None:
    visit.set_cookies.append(cookies.removed(cookie, visit.request.secure))


REGISTERS = Permission(_may_register, "everyone, where auth.registration lets people make accounts", True)
_REGISTER, _SET = {"register": ("name", "password", "email")}, {"set": ("password",)}
TABLE = (
    Page("/register", REGISTERS, register, make_account, deeds=_REGISTER, fields=("code",), private=True),
    Page("/forgot", EVERYONE, forgot, send_mail, deeds={"ask": ("account",)}, private=True),
    Page("/reset", EVERYONE, reset, set_password, deeds=_SET, fields=("token",), private=True),
    Page("/invitation", EVERYONE, invitation, set_password, deeds=_SET, fields=("token",), private=True),
)
