"""/grants: rights on repositories, by name or pattern."""

from typing import Any

from ....domain.access.rule import RIGHTS
from ....domain.rights.explanations import require_known
from ....domain.rights.grants import ListedGrant
from ...auth.permissions import ADMINISTRATOR, NAMESPACE_OWNER, PATTERN_ADMIN
from ..kinds import Choice, Record
from ..operations import HOLDER, MOMENT, PAGE, PATTERN, Answer, Call, Operation, paged
from .pages import after, page, size

RIGHT = Choice("read: pull; write: push too; admin: delete, and give rights away, too", False, tuple(RIGHTS))
_GRANT = Record("", False, "Grant", {"pattern": PATTERN, "holder": HOLDER, "right": RIGHT, "created_at": MOMENT})
_WANTED = Record("", False, "GrantRight", {"right": RIGHT})


def _shown(grant: ListedGrant) -> dict[str, Any]:
    return {"pattern": grant.pattern, "holder": grant.holder, "right": grant.right, "created_at": grant.created_at}


def _key(grant: ListedGrant) -> str:
    return f"{grant.pattern} {grant.holder}"


async def _list(call: Call) -> Answer:
    return page(call, await call.people.grants.page(after(call), size(call) + 1), _shown, _key)


async def _list_namespace(call: Call) -> Answer:
    found = await call.people.grants.page(after(call), size(call) + 1, call.path["namespace"])
    return page(call, found, _shown, _key)


async def _put(call: Call) -> Answer:
    require_known(call.principal, call.path["holder"])
    await call.people.grants.add(call.actor, call.path["pattern"], call.path["holder"], call.body["right"])
    return Answer(204)


async def _delete(call: Call) -> Answer:
    await call.people.grants.remove(call.actor, call.path["pattern"], call.path["holder"])
    return Answer(204)


_ONE = "/grants/{pattern}/{holder}"
OPERATIONS = (
    Operation(
        "GET",
        "/grants",
        "listGrants",
        "List all grants; keys are `PATTERN HOLDER`",
        ADMINISTRATOR,
        _list,
        answer=paged(_GRANT),
        query=PAGE,
    ),
    Operation(
        "GET",
        "/namespaces/{namespace}/grants",
        "listNamespaceGrants",
        "List grants",
        NAMESPACE_OWNER,
        _list_namespace,
        answer=paged(_GRANT),
        query=PAGE,
    ),
    Operation(
        "PUT",
        _ONE,
        "setGrant",
        "Give a right; another one on the same pattern is replaced",
        PATTERN_ADMIN,
        _put,
        204,
        body=_WANTED,
        conflicts=True,
    ),
    Operation("DELETE", _ONE, "removeGrant", "Take a right back", PATTERN_ADMIN, _delete, 204),
)
