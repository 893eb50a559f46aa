"""Whether a browser asks, or a program."""

from ...http.messages import Request


def wants_page(request: Request) -> bool:
    """Programs that read JSON do not name text/html."""
    return "text/html" in request.headers.get("Accept", "")
