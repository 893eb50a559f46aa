"""Who visits: the session that the cookie names, or nobody. A session also says how its user likes the pages."""

from ...clients import count_for
from ...domain.access.rule import Principal
from ..auth.asker import asker_of
from ..auth.credentials import SignedIn
from . import cookies, times
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


def become(visit: Visit, principal: Principal, access_version: int) -> None:
    """From here on this principal makes the visit, as of this access version."""
    visit.asker = asker_of(visit.services, visit.request.remote, principal, access_version)
    count_for(principal.account_key or visit.request.remote)


async def _signed_in(visit: Visit) -> SignedIn | None:
    secret = visit.cookies.get(cookies.full_name(cookies.SESSION, visit.request.secure))
    return await visit.services.credentials.by_session(secret) if secret else None


def _apply(visit: Visit) -> None:
    """What the user chose for all browsers counts before what this browser remembers."""
    chosen = visit.session.preferences
    visit.language = chosen.language or visit.language
    visit.theme = chosen.theme if chosen.theme != "auto" else visit.theme
    visit.zone = times.zone(chosen.zone) if chosen.zone else visit.zone
    visit.keys = "on" if chosen.shortcuts else "off"
