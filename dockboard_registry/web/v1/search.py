"""/v1/search: what `docker search` and `podman search` ask.

The answer is that of the Index API of that time; docker reads each field as the type that it has here.
"""

from ...domain.access.rule import Principal
from ...domain.explore.lists import ListedRepository
from ...domain.explore.terms import LONGEST
from ...errors import FieldInvalid
from ...http.messages import Request, Response
from ...names import LIBRARY, namespace_of
from ...wording import quoted
from ..endpoint import Endpoint, is_personal
from .answers import answer

MOST, _USUAL = 100, 25
_LONGEST_NUMBER = 6


class Search(Endpoint):
    name = "v1"

    async def get(self, request: Request) -> Response:
        typed = (request.query("q") or "").strip()
        if len(typed) > LONGEST:
            raise FieldInvalid(f"q has {len(typed)} characters", f"search for at most {LONGEST} characters")
        size, page = min(_number(request, "n", _USUAL), MOST), _number(request, "page", 1)
        principal = await self.services.gate.admit_to_search(request)
        self._count(request, principal)
        found = await self.services.client_search.find(principal, typed, (page - 1) * size, size)
        content = {
            "query": typed,
            "num_results": found.total,
            "num_pages": -(-found.total // size),
            "page": page,
            "page_size": size,
            "results": [_result(item, principal) for item in found.items],
        }
        return answer(200, content, personal=is_personal(request))

    head = get

    def _count(self, request: Request, principal: Principal) -> None:
        """Raises TooManyRequests. A worker that is never searched does not read the code of accounts for it."""
        from ..auth.asker import Asker

        Asker(self.services, request.remote, principal).count_search()


def _number(request: Request, name: str, usual: int) -> int:
    """A field of the query that is 1 or more. Raises FieldInvalid."""
    text = request.query(name) or str(usual)
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER and int(text)):
        raise FieldInvalid(f"{name}: {quoted(text)} is not a whole number of 1 or more", f"send {name}={usual}")
    return int(text)


def _result(item: ListedRepository, principal: Principal) -> dict:
    """Official is what stands in no account's namespace: only administrators push there, once there are accounts."""
    return {
        "name": item.name,
        "description": item.description or "",
        "star_count": item.stars,
        "is_official": namespace_of(item.name) == LIBRARY and not principal.open,
        "is_automated": False,
    }
