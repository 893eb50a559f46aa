"""What all endpoints share: the choice of the verb, the permission question, paging."""

from urllib.parse import urlencode

from ..errors import PageInvalid, Unsupported
from ..http.messages import Request, Response
from ..metrics import ENDPOINTS
from ..wording import quoted

_VERBS = ("get", "head", "post", "put", "patch", "delete")
_PAGE = 1000
# Nobody keeps a copy of such an answer.
NO_STORE = {"Cache-Control": "no-store"}


class Endpoint:
    """A resource. Its verbs are coroutines `verb(request, *path arguments) -> Response`.

    streams: bodies or answers may be large.
    """

    name = "unknown"
    streams = False

    def __init__(self, services):
        self.services = services
        self.number = ENDPOINTS.index(self.name)

    def verb(self, method: str):
        """The coroutine function for an HTTP method. Raises Unsupported, which names the methods of the resource."""
        lower = method.lower()
        found = getattr(self, lower, None) if lower in _VERBS and method.isupper() else None
        if found is None:
            allowed = ", ".join(verb.upper() for verb in _VERBS if hasattr(self, verb))
            raise Unsupported(f"this resource has no method {method[:16]}", headers={"Allow": allowed})
        return found

    async def repository(self, request: Request, name: str, action: str) -> str:
        """The repository's name, if it is valid and the action is permitted. Raises what Gate.admit raises."""
        await self.services.gate.admit(request, name, action)
        return name


def page_size(request: Request) -> int:
    """n of the query, 1,000 at most and by default. Raises PageInvalid."""
    text = request.query("n")
    if text is None:
        return _PAGE
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise PageInvalid(f"n: {quoted(text)} is not a whole number of 0 or more")
    return min(int(text), _PAGE)


def next_page(path: str, **query: str) -> dict[str, str]:
    """The Link header for the next page (RFC 8288; distribution specification, "Listing Tags")."""
    return {"Link": f'<{path}?{urlencode(query)}>; rel="next"'}


def is_personal(request: Request) -> bool:
    """Whether the answer is for one user, so that caches of proxies must not store it.

    Not all of them look at Authorization.
    """
    return request.headers.authorization is not None


def caching(personal: bool) -> dict[str, str]:
    """The header for content that may change."""
    return {"Cache-Control": "private"} if personal else {}


def asked_again(personal: bool) -> dict[str, str]:
    """For tags, which move: a cache has to revalidate its answer before each use."""
    return {"Cache-Control": "private, no-cache" if personal else "no-cache"}


def document(status: int, body: bytes, headers: dict | None = None, media_type: str = "application/json") -> Response:
    return Response(status, {"Content-Type": media_type, **(headers or {})}, body)
