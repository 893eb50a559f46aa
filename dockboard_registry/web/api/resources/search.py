"""/search: finds repositories, tags, digests and namespaces."""

from ....domain.explore import terms
from ....domain.explore.terms import LONGEST
from ...auth.permissions import LOGGED_IN
from ..kinds import ListOf, Record, Switch, Text, Whole
from ..operations import MOMENT, NAME, REPOSITORY, Answer, Call, Operation
from .repositories import REPOSITORY_ITEM, shown

_TAG = Record("", False, "FoundTag", {"repository": REPOSITORY, "name": Text(), "digest": Text(), "updated_at": MOMENT})
_DIGEST = Record(
    "a manifest in one repository",
    *(False, "FoundDigest"),
    {
        "digest": Text("", False, 135),
        "repository": REPOSITORY,
        "kind": Text("such as image, index or chart"),
        "tags": ListOf("some of those that point to it", False, Text("a tag", False, 128)),
    },
)
_NAMESPACE = Record("", False, "FoundNamespace", {"name": NAME, "kind": Text("user, organization or system")})
_RESULTS = Record(
    "a few of each; more: there are more of one of them",
    *(False, "SearchResults"),
    {
        "repositories": ListOf("", False, REPOSITORY_ITEM),
        "tags": ListOf("of the repositories that were pushed last", False, _TAG),
        "digests": ListOf("", False, _DIGEST),
        "namespaces": ListOf("", False, _NAMESPACE),
        "more": Switch(),
        "total": Whole("how many repositories fit; null: not counted, such as where there are many").or_null(),
    },
)
_TERM = Text(
    "part of a name, the beginning of a tag or digest, or a whole reference; in:NAMESPACE kind:KIND platform:PLATFORM"
    " tag:TAG narrow the search",
    *(False, LONGEST, 1),
)


async def _search(call: Call) -> Answer:
    term = terms.parse(call.query["q"])
    call.asker.count_search()
    found = await call.services.search.find(call.principal, term)
    content = {
        "repositories": [shown(item) for item in found.repositories],
        "tags": [item._asdict() for item in found.tags],
        "digests": [item._asdict() for item in found.digests],
        "namespaces": [item._asdict() for item in found.namespaces],
        "more": bool(found.more),
        "total": found.total,
    }
    return Answer(200, content)


OPERATIONS = (
    Operation(
        *("GET", "/search", "search", "Find what one may pull", LOGGED_IN, _search),
        **{"answer": _RESULTS, "query": {"q": _TERM}, "must": ("q",), "refuses": True},
    ),
)
