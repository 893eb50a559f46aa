"""Who visits: the session that the cookie names, or nobody."""

from ...clients import count_for
from ..auth.asker import asker_of
from .visit import Visit


async def find_out(visit: Visit) -> None:
    """Set the visit's asker."""
    services, request = visit.services, visit.request
    access_version = await services.principals.access_version()
    principal = services.gate.anonymous(request, access_version)
    visit.asker = asker_of(services, request.remote, principal, access_version)
    count_for(principal.account_key or request.remote)
