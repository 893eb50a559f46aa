"""Whether a browser asks, or a program."""

from ...http.messages import Request

# What is said of a browser: the first of these words in its User-Agent. Most pretend to be others, so the order counts.
_FAMILIES = ("Edg", "OPR", "Firefox", "Chrome", "Safari", "w3m", "Lynx", "Links", "ELinks", "curl", "Wget")
_NAMES = {"Edg": "Edge", "OPR": "Opera"}
_SYSTEMS = ("Android", "iPhone", "iPad", "Windows", "Macintosh", "Linux", "FreeBSD", "OpenBSD")


def family(agent: str) -> str:
    """What people call the browser with this User-Agent: Firefox, Linux. Empty if it is none that we know."""
    browser = next((word for word in _FAMILIES if f"{word}/" in agent), "")
    system = next((word for word in _SYSTEMS if word in agent), "")
    return ", ".join(filter(None, (_NAMES.get(browser, browser), system)))


def wants_page(request: Request) -> bool:
    """Programs that read JSON do not name text/html."""
    return "text/html" in request.headers.get("Accept", "")
