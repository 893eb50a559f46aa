"""/repositories and /namespaces: what is set of repositories: visibility, description, categories and deprecation."""

from typing import Any

from ....domain.access import rule
from ....domain.access.rule import ADMIN, REGISTRY
from ....domain.accounts.namespaces import VISIBILITIES
from ....domain.explore import newest_layers
from ....domain.explore.lately import DEEDS, Happening
from ....domain.explore.lately import MOST as MOST_HAPPENINGS
from ....domain.explore.lists import NAME as NAME_SORT
from ....domain.explore.lists import SORTS, ListedRepository, Wanted, parse_key
from ....domain.rights import effective_rights
from ....domain.rights.repository_settings import MOST_DESCRIPTION
from ....domain.social import deprecation
from ....domain.social.categories import GRAMMAR, LONGEST, MOST
from ....domain.social.details import Details, details
from ...auth.permissions import LOGGED_IN, NAMESPACE_OWNER, REPOSITORY_ADMIN, SEES_REPOSITORY
from ..kinds import Choice, ListOf, Record, Switch, Text, Whole
from ..operations import MOMENT, NAME, PAGE, REPOSITORY, Answer, Call, Operation, paged
from .grants import RIGHT
from .images.facts import PUSHED_BY, TAG, count, pushed_by
from .pages import after, cut, part, size

_VISIBILITY = Choice("public: all users may pull, and whomever auth.anonymous lets in", False, VISIBILITIES)
_DESCRIPTION = Text("a few words; an empty text removes them", True, MOST_DESCRIPTION)
_FIELDS = {
    "name": REPOSITORY,
    "visibility": _VISIBILITY,
    "description": _DESCRIPTION,
    "created_at": MOMENT,
    "pushed_at": MOMENT.said("of the last push, in milliseconds since 1970"),
    "tags": Whole("how many tags it has"),
    "newest_tag": Text("the tag that was pushed last", True, 128),
    "newest_digest": Text("the digest that it points to", True, 135),
    "kind": Text("what the newest tag is, such as image, index or chart; empty if not known", False, 16),
    "platforms": ListOf("of the newest tag", False, Text("os/architecture or os/architecture/variant")),
    "size": Whole("bytes of the image of the newest tag"),
    "own_size": Whole("bytes of its layers that no other image of the repository has; null if not known").or_null(),
    "stars": Whole("how many users have starred it"),
    "pulls": Whole("how many manifests were pulled"),
    "pulled_at": MOMENT.said("of the last pull, to the minute").or_null(),
}
# What of a list one wants.
_FILTER = {
    "sort": Choice("names upwards, everything else downwards", False, SORTS, NAME_SORT),
    "q": Text("part of a name or description", False, 255),
    "namespace": Text("repositories of this namespace only", False, 255),
    "kind": Text("the newest tag is of this kind", False, 16),
    "platform": Text("the newest tag has this platform", False, 255),
    "category": Text("the repository has this category", False, 255),
}
REPOSITORY_ITEM = Record("", False, "Repository", _FIELDS)
_CATEGORIES = ListOf("short names, by which repositories are found", False, Text("", False, LONGEST, 1, GRAMMAR), MOST)
_NOTICE = Record(
    "the notice that the repository is deprecated; null: there is none",
    *(True, ""),
    {
        "text": Text("why, and what to do", False, deprecation.LONGEST, 1),
        "replacement": REPOSITORY.said("the repository to use in its place").or_null(),
    },
    ("replacement",),
)
_DETAILS = Record(
    "a repository with what people added to it",
    *(False, "RepositoryDetails"),
    {
        **_FIELDS,
        "starred": Switch("the user who asks did"),
        "comments": Whole("how many there are"),
        "categories": _CATEGORIES,
        "deprecation": _NOTICE,
    },
)
_CHANGES = {
    "visibility": _VISIBILITY,
    "description": _DESCRIPTION,
    "categories": _CATEGORIES,
    "deprecation": _NOTICE,
}
_CHANGE = Record("fields to change", False, "RepositoryChange", _CHANGES, tuple(_CHANGES), 1)
_HAPPENING = Record(
    "a tag was pushed for the first time or deleted, or points to another manifest",
    *(False, "Happening"),
    {
        "deed": Choice("", False, DEEDS),
        "at": MOMENT,
        "actor": PUSHED_BY,
        "repository": REPOSITORY,
        "tag": TAG,
    },
)
_HAPPENINGS = Record("", False, "Happenings", {"items": ListOf("the newest first", False, _HAPPENING, MOST_HAPPENINGS)})
_NAMESPACE = Record(
    "default_visibility: what the first push makes",
    *(
        False,
        "Namespace",
        {
            "name": NAME,
            "kind": Choice("", False, ("user", "organization", "system")),
            "default_visibility": _VISIBILITY,
        },
    ),
)
_NAMESPACE_CHANGE = Record("", False, "NamespaceChange", {"default_visibility": _VISIBILITY})
_HELD = Record(
    "who has a right here, and by what",
    *(
        False,
        "Right",
        {
            "holder": Text("user:NAME, team:ORG/TEAM, robot:ORG/NAME or everyone"),
            "right": RIGHT,
            "via": Text("what gives it", False, 400),
        },
    ),
)


def shown(found: ListedRepository) -> dict[str, Any]:
    fields = found._asdict()
    tags, layers = fields.pop("tags_count"), fields.pop("layers")
    own = None if layers is None else count(newest_layers.own_bytes(newest_layers.read(layers)))
    return {**fields, "tags": tags, "platforms": list(found.platforms), "own_size": own}


async def _list(call: Call) -> Answer:
    sort, key = call.query["sort"], after(call)
    wanted = Wanted(
        *(sort, size(call), call.query.get("q", ""), call.query.get("namespace", "")),
        (call.query["kind"],) if call.query.get("kind") else (),
        call.query.get("platform", ""),
        parse_key(key, sort) if key else None,
        category=call.query.get("category", ""),
    )
    if wanted.is_filtered:
        call.asker.count_search()
    found = await call.services.lists.page(call.principal, wanted)
    return part(call, found.items, shown, found.next and str(found.next))


def _details(found: Details) -> dict[str, Any]:
    notice = found.deprecation._asdict() if found.deprecation.text else None
    added = {name: getattr(found, name) for name in ("stars", "starred", "comments", "categories")}
    return {**shown(found.listed), **added, "deprecation": notice}


async def _get(call: Call) -> Answer:
    return Answer(200, _details(await details(call.services.db, call.path["repository"], call.principal)))


async def _change(call: Call) -> Answer:
    body = call.body
    description = body["description"] or "" if "description" in body else None
    notice = deprecation.checked(**(body["deprecation"] or {"text": ""})) if "deprecation" in body else None
    await call.people.repository_settings.set(
        call.actor, call.path["repository"], body.get("visibility"), description, body.get("categories"), notice
    )
    return await _get(call)


async def _lately(call: Call) -> Answer:
    return Answer(200, {"items": [_happening(call, each) for each in await call.services.lately.of(call.principal)]})


def _happening(call: Call, each: Happening) -> dict[str, Any]:
    return {**each._asdict(), "actor": pushed_by(call.asker, each.repository, each.actor)}


async def _rights(call: Call) -> Answer:
    repository = await call.people.repository_settings.get(call.path["repository"])
    everybody = rule.decide(call.principal, ADMIN, REGISTRY).allowed
    found = await effective_rights.of_repository(call.services.db, repository.name, repository.visibility, everybody)
    return cut(call, found, lambda held: held._asdict(), lambda held: f"{held.holder} {held.via}")


async def _get_namespace(call: Call) -> Answer:
    found = await call.people.repository_settings.namespace(call.path["namespace"])
    return Answer(200, {"name": found.name, "kind": found.kind, "default_visibility": found.default_visibility})


async def _change_namespace(call: Call) -> Answer:
    await call.people.repository_settings.set_default(
        call.actor, call.path["namespace"], call.body["default_visibility"]
    )
    return await _get_namespace(call)


_ONE = "/repositories/{repository}"
_SPACE = "/namespaces/{namespace}"
OPERATIONS = (
    Operation(
        "GET",
        "/repositories",
        "listRepositories",
        "List repositories that one may pull",
        LOGGED_IN,
        _list,
        answer=paged(REPOSITORY_ITEM),
        query=PAGE | _FILTER,
        refuses=True,
    ),
    Operation(
        "GET",
        "/lately",
        "listLately",
        "What happened lately in repositories that one may pull, as far as it is among the newest changes",
        LOGGED_IN,
        _lately,
        answer=_HAPPENINGS,
    ),
    Operation("GET", _ONE, "getRepository", "Show a repository", SEES_REPOSITORY, _get, answer=_DETAILS),
    Operation(
        "PATCH",
        _ONE,
        "changeRepository",
        "Change visibility, description, categories or deprecation",
        REPOSITORY_ADMIN,
        _change,
        answer=_DETAILS,
        body=_CHANGE,
        conflicts=True,
    ),
    Operation(
        *(
            "GET",
            f"{_ONE}/rights",
            "listRights",
            "Who can do what here; keys are `HOLDER VIA`",
            REPOSITORY_ADMIN,
            _rights,
        ),
        **{"answer": paged(_HELD), "query": PAGE},
    ),
    Operation("GET", _SPACE, "getNamespace", "Show a namespace", NAMESPACE_OWNER, _get_namespace, answer=_NAMESPACE),
    Operation(
        *("PATCH", _SPACE, "changeNamespace", "Say what the first push makes", NAMESPACE_OWNER, _change_namespace),
        **{"answer": _NAMESPACE, "body": _NAMESPACE_CHANGE, "conflicts": True},
    ),
)
