"""Who visits: the session that the cookie names, or nobody. A session also says how its user likes the pages.

Here people sign in and out, and enter the password again for dangerous deeds.
"""

from ...clients import count_for, network_of
from ...db import now
from ...domain.access.rule import Principal
from ...domain.credentials.logins import AccountDisabled, NotApproved, account_meant
from ...errors import Unauthorized
from ..auth.asker import asker_of
from ..auth.credentials import SignedIn
from . import cookies, times
from .forms import Wrong
from .visit import Visit


async def find_out(visit: Visit) -> None:
    """Set the visit's asker and session, and what the user prefers."""
    signed_in = await _signed_in(visit)
    if signed_in is None:
        access_version = await visit.services.principals.access_version()
        become(visit, visit.services.gate.anonymous(visit.request, access_version), access_version)
        return
    visit.session = signed_in.session
    become(visit, signed_in.principal, signed_in.session.access_version)
    visit.request.who = signed_in.principal.log_name
    _apply(visit)
    if signed_in.principal.administrator:
        visit.rooms = await visit.services.people.health.rooms()


def become(visit: Visit, principal: Principal, access_version: int) -> None:
    """From here on this principal makes the visit, as of this access version."""
    visit.asker = asker_of(visit.services, visit.request.remote, principal, access_version)
    count_for(principal.account_key or network_of(visit.request.remote))


async def _signed_in(visit: Visit) -> SignedIn | None:
    secret = visit.cookies.get(cookies.full_name(cookies.SESSION, visit.request.secure))
    return await visit.services.credentials.by_session(secret) if secret else None


def _apply(visit: Visit) -> None:
    """What the user chose for all browsers counts before what this browser remembers, but for the theme: the script
    changes the theme in this browser only.
    """
    chosen = visit.session.preferences
    visit.language = chosen.language or visit.language
    visit.theme = visit.theme if cookies.THEME in visit.cookies else chosen.theme
    visit.zone = times.zone(chosen.zone) if chosen.zone else visit.zone
    visit.keys = "on" if chosen.shortcuts else "off"


async def sign_in(visit: Visit, name: str, password: str) -> None:
    """Begin a session. The secret is a new one, whatever cookie the browser sent.

    Raises Wrong, TooManyRequests.
    """
    people, request = visit.asker.people, visit.request
    try:
        identity = await people.logins.check(account_meant(name), password, request.remote)
    except NotApproved:
        raise Wrong("signing.pending") from None
    except AccountDisabled:
        raise Wrong("signing.disabled") from None
    except Unauthorized:
        raise Wrong("signing.wrong") from None
    if visit.session is not None:
        await people.sessions.end(visit.session.id)
    keep_secret(visit, await people.sessions.start(identity, request.remote, request.headers.get("User-Agent", "")))


def keep_secret(visit: Visit, secret: str) -> None:
    """Let the browser keep the secret of a session in place of what it had."""
    secure = visit.request.secure
    visit.set_cookies += [cookies.written(cookies.SESSION, secret, secure), cookies.removed(cookies.VISITOR, secure)]


async def sign_out(visit: Visit) -> None:
    """End the session."""
    if visit.session is not None:
        await visit.asker.people.sessions.end(visit.session.id)
    visit.set_cookies.append(cookies.removed(cookies.SESSION, visit.request.secure))


async def require_password(visit: Visit) -> None:
    """For a dangerous deed: the password was entered lately, or is in the field of `password_again`.

    Wrong ones count as guesses. Before there are accounts nobody has a password. Raises Wrong, TooManyRequests.
    """
    if visit.session is None:
        if not visit.principal.open:
            raise Unauthorized
        return
    if not visit.session.confirmed:
        await check_password(visit, "password")
        await visit.asker.people.sessions.confirm(visit.session)
        visit.session = visit.session._replace(confirmed_at=now())


async def check_password(visit: Visit, field: str) -> None:
    """Require that the field of the form has the user's password. Raises Wrong, TooManyRequests."""
    with visit.checking(field):
        given = visit.form.raw(field)
        if not given:
            raise Wrong("signing.again.missing")
        try:
            await visit.asker.people.logins.check(visit.principal.name, given, visit.request.remote)
        except Unauthorized:
            raise Wrong("signing.again.wrong") from None
