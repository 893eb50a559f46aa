"""Sessions of browsers: one's own below /account/sessions, and those of a user for administrators."""

from ....domain.audit import NEWEST
from ....domain.credentials.sessions import ListedSession
from ...auth.permissions import ADMINISTRATOR, ONESELF
from ..kinds import Record, Text
from ..operations import MOMENT, PAGE, SESSION, Answer, Call, Operation, paged
from .pages import cut

_SESSION = Record(
    "a browser in which the user signed in",
    *(False, "Session"),
    {
        "id": SESSION,
        "address": Text("from where", False, 64),
        "browser": Text("what it says it is", False, 255),
        "made_at": MOMENT,
        "seen_at": MOMENT.said("when it was last used, to five minutes"),
    },
)


def _shown(session: ListedSession) -> dict:
    return session._asdict() | {"id": str(session.id)}


async def _list(call: Call, user: str) -> Answer:
    return cut(call, await call.people.sessions.list(user), _shown, lambda session: str(session.id))


async def _own(call: Call) -> Answer:
    return await _list(call, call.principal.name)


async def _end_own(call: Call) -> Answer:
    await call.people.sessions.revoke(call.actor, call.principal.name, min(int(call.path["session"]), NEWEST))
    return Answer(204)


async def _end_all_own(call: Call) -> Answer:
    await call.people.sessions.revoke_all(call.actor, call.principal.name)
    return Answer(204)


async def _of_user(call: Call) -> Answer:
    return await _list(call, call.path["user"])


async def _end_all(call: Call) -> Answer:
    await call.people.sessions.revoke_all(call.actor, call.path["user"])
    return Answer(204)


_OWN, _OTHERS = "/account/sessions", "/users/{user}/sessions"
_LISTED = {"answer": paged(_SESSION), "query": PAGE}
OPERATIONS = (
    Operation("GET", _OWN, "listOwnSessions", "List the browsers in which one is signed in", ONESELF, _own, **_LISTED),
    Operation("DELETE", _OWN, "endOwnSessions", "Sign out everywhere", ONESELF, _end_all_own, 204),
    Operation("DELETE", f"{_OWN}/{{session}}", "endOwnSession", "Sign out of one browser", ONESELF, _end_own, 204),
    Operation("GET", _OTHERS, "listSessions", "List the browsers of a user", ADMINISTRATOR, _of_user, **_LISTED),
    Operation("DELETE", _OTHERS, "endSessions", "Sign a user out everywhere", ADMINISTRATOR, _end_all, 204),
)
