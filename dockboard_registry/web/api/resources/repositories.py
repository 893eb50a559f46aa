"""/repositories and /namespaces: visibility and description of repositories."""

from typing import Any

from ....domain.access import rule
from ....domain.access.rule import ADMIN, REGISTRY
from ....domain.accounts.namespaces import VISIBILITIES
from ....domain.rights import effective_rights
from ....domain.rights.listed_repositories import ListedRepository
from ....domain.rights.repository_settings import MOST_DESCRIPTION
from ...auth.permissions import LOGGED_IN, NAMESPACE_OWNER, REPOSITORY_ADMIN, SEES_REPOSITORY
from ..kinds import Choice, Record, Text
from ..operations import MOMENT, NAME, PAGE, REPOSITORY, Answer, Call, Operation, paged
from .grants import RIGHT
from .pages import after, cut, page, part, size

_VISIBILITY = Choice("public: all users may pull, and whomever auth.anonymous lets in", False, VISIBILITIES)
_DESCRIPTION = Text("a few words; an empty text removes them", True, MOST_DESCRIPTION)
_FIELDS = {"name": REPOSITORY, "visibility": _VISIBILITY, "description": _DESCRIPTION, "created_at": MOMENT}
_REPOSITORY = Record("", False, "Repository", _FIELDS)
_CHANGES = {"visibility": _VISIBILITY, "description": _DESCRIPTION}
_CHANGE = Record("fields to change", False, "RepositoryChange", _CHANGES, tuple(_CHANGES), 1)
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


def _shown(found: ListedRepository) -> dict[str, Any]:
    return {
        "name": found.name,
        "visibility": found.visibility,
        "description": found.description,
        "created_at": found.created_at,
    }


async def _list(call: Call) -> Answer:
    """Administrators see all repositories, others those that they may pull."""
    settings = call.people.repository_settings
    if rule.decide(call.principal, ADMIN, REGISTRY).allowed:
        return page(call, await settings.list(after(call), size(call) + 1), _shown, lambda repository: repository.name)
    found, last = await settings.visible(call.principal, after(call), size(call))
    return part(call, found, _shown, last)


async def _get(call: Call) -> Answer:
    return Answer(200, _shown(await call.people.repository_settings.get(call.path["repository"])))


async def _change(call: Call) -> Answer:
    description = call.body["description"] or "" if "description" in call.body else None
    await call.people.repository_settings.set(
        call.actor, call.path["repository"], call.body.get("visibility"), description
    )
    return await _get(call)


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
        answer=paged(_REPOSITORY),
        query=PAGE,
    ),
    Operation("GET", _ONE, "getRepository", "Show a repository", SEES_REPOSITORY, _get, answer=_REPOSITORY),
    Operation(
        "PATCH",
        _ONE,
        "changeRepository",
        "Change visibility or description",
        REPOSITORY_ADMIN,
        _change,
        answer=_REPOSITORY,
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
