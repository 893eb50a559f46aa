"""/explain, /audit and /signing-keys: what administrators look at, and the key that signs logins."""

import json
from typing import Any

from ....domain.access.rule import ACTIONS, ADMIN, REGISTRY
from ....domain.audit import NEWEST, Event
from ....domain.namespace_audit import Wanted
from ....domain.rights import explanations
from ....names import ACCOUNT_GRAMMAR, REPOSITORY_GRAMMAR
from ...auth.permissions import ADMINISTRATOR, LOGGED_IN, NAMESPACE_OWNER, require, require_repository
from ..kinds import Anything, Choice, Kind, ListOf, Record, Switch, Text, Whole
from ..operations import MOMENT, Answer, Call, Operation, paged
from .pages import following, page, part, size

_EXPLAINED: dict[str, Kind] = {
    "who": Text(
        "name of a user, ORG/NAME of a robot account, token:USER/NAME of an access token (for administrators, and for"
        " its user), or anonymous",
        *(
            False,
            160,
            2,
            f"(?:user:)?{ACCOUNT_GRAMMAR}|(?:robot:|token:)?{ACCOUNT_GRAMMAR}/{ACCOUNT_GRAMMAR}",
            "anonymous",
        ),
    ),
    "action": Choice("", False, ACTIONS),
    "repository": Text(
        "name of a repository, which need not be there yet; without it the registry", False, 255, 1, REPOSITORY_GRAMMAR
    ),
}
_EXPLANATION = Record(
    "",
    False,
    "Explanation",
    {"allowed": Switch(), "reason": Text("", False, 1000), "steps": ListOf("", False, Text("", False, 1000))},
)
_FILTER: dict[str, Kind] = {
    "actor": Text("only changes by this one, such as `user ann`, for which ann is enough, or console", False, 160),
    "action": Text("only changes of this kind, such as grant.add", False, 64),
    "object": Text("only changes to this, such as `user bob` or `repository acme/app`", False, 400),
    "since": Whole("only changes of this time and later, in milliseconds since 1970", False, 0),
}
_AFTER = {"after": Text("only changes before the one with this id", False, 19, 1, "[0-9]{1,19}")}
_EVENT = Record(
    "a change",
    *(False, "Event"),
    {
        "id": Text("a number, as a text: it has more digits than JSON's readers keep", False, 19),
        "happened_at": MOMENT,
        "actor": Text("", False, 160),
        "address": Text("where the request came from", False, 64),
        "action": Text("", False, 64),
        "object": Text("", False, 400),
        "detail": Anything("never a secret"),
    },
)
_MOST_LINES = 10_000


async def _explain(call: Call) -> Answer:
    """Administrators of a repository may ask what others may do to it.

    Administrators of the registry may ask the same about the registry.
    """
    name = call.query.get("repository")
    if name is None:
        require(call.asker, ADMIN, REGISTRY)
        object = REGISTRY
    else:
        await require_repository(call.asker, ADMIN, name)
        object = (await call.services.principals.facts(name)).object
    decision, steps = await explanations.explain(
        call.services.principals, call.principal, call.query["who"], call.query["action"], object
    )
    return Answer(200, {"allowed": decision.allowed, "reason": decision.reason, "steps": steps})


async def _events(call: Call, limit: int) -> list[Event]:
    asked = call.query
    before = min(int(asked.get("after", NEWEST)), NEWEST)
    return await call.people.audit.list(
        *(asked.get(name, "") for name in ("actor", "action", "object")), asked.get("since", 0), before, limit
    )


def _shown(event: Event) -> dict[str, Any]:
    return {**event._asdict(), "id": str(event.id)}


async def _audit(call: Call) -> Answer:
    return page(call, await _events(call, size(call) + 1), _shown, lambda event: str(event.id))


async def _namespace_audit(call: Call) -> Answer:
    asked = call.query
    before = min(int(asked.get("after", NEWEST)), NEWEST)
    wanted = Wanted(asked.get("actor", ""), asked.get("action", ""), asked.get("since", 0), before, size(call))
    found = await call.people.namespace_audit.page(call.path["namespace"], wanted)
    return part(call, found.events, _shown, None if found.later is None else str(found.later))


async def _export(call: Call) -> Answer:
    found = await _events(call, size(call) + 1)
    lines = found[: size(call)]
    headers = {"Link": f'<{following(call, str(lines[-1].id))}>; rel="next"'} if len(found) > len(lines) else {}
    return Answer(200, "".join(json.dumps(_shown(event)) + "\n" for event in lines).encode(), headers)


async def _rotate(call: Call) -> Answer:
    await call.people.signing_keys.rotate(call.actor)
    return Answer(204)


_PAGE = {**_FILTER, **_AFTER, "limit": Whole("at most so many", False, 1, 100, 50)}
_LINES = {**_FILTER, **_AFTER, "limit": Whole("at most so many", False, 1, _MOST_LINES, 1000)}
OPERATIONS = (
    Operation(
        *(
            "GET",
            "/explain",
            "explain",
            "May somebody do this here, and why; for administrators, and whoever has the right admin there",
            LOGGED_IN,
            _explain,
        ),
        **{"answer": _EXPLANATION, "query": _EXPLAINED, "must": ("who", "action"), "unknown": True},
    ),
    Operation(
        "GET",
        "/audit",
        "listAudit",
        "List changes, the newest first",
        ADMINISTRATOR,
        _audit,
        answer=paged(_EVENT),
        query=_PAGE,
    ),
    Operation(
        "GET",
        "/namespaces/{namespace}/audit",
        "listNamespaceAudit",
        "List changes in a namespace, the newest first, since its holder was made",
        NAMESPACE_OWNER,
        _namespace_audit,
        answer=paged(_EVENT),
        query={name: kind for name, kind in _PAGE.items() if name != "object"},
    ),
    Operation(
        *(
            "GET",
            "/audit/export",
            "exportAudit",
            "The same, one JSON object a line; the header Link names the next part",
            ADMINISTRATOR,
            _export,
        ),
        **{"answer": Text("lines", False, 1 << 30), "query": _LINES, "media": "application/x-ndjson"},
    ),
    Operation(
        "POST",
        "/signing-keys/rotate",
        "rotateSigningKey",
        "Sign logins with a new key; the last but one ends",
        ADMINISTRATOR,
        _rotate,
        204,
        conflicts=True,
    ),
)
