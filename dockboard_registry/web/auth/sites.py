"""Requests that a page of another site makes a browser send. The browser adds the credentials that it remembers."""

from ...errors import Denied
from ...http.messages import Request


def refuse_other_sites(request: Request) -> None:
    """Raises Denied for a change that another site asks for (Fetch Metadata Request Headers; RFC 6454 section 7)."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    elsewhere = origin is not None and origin.partition("://")[2] != request.headers.get("Host")
    if site not in (None, "same-origin", "none") or (site is None and elsewhere):
        raise Denied(
            "a page of another site made the browser send this",
            "send it from a page of this registry, or from a program",
        )
