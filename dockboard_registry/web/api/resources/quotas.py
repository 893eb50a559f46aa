"""/namespaces/{namespace}/quota: how much a user's or an organization's namespace may hold, and what it holds."""

from ....domain.quotas.quota_settings import MOST
from ....domain.quotas.quotas import UNLIMITED
from ...auth.permissions import ADMINISTRATOR, NAMESPACE_OWNER
from ..kinds import Record, Whole
from ..operations import NAME, Answer, Call, Operation

_MOST = Whole("at most; null: no limit", True)
_USE = Record(
    "what a namespace may hold, and what it holds now",
    *(False, "Quota"),
    {"namespace": NAME, "most_repositories": _MOST, "repositories": Whole(), "most_bytes": _MOST, "bytes": Whole()},
)
_LIMIT = Whole("at most; -1: no limit; null: as the registry's settings say", True, UNLIMITED, MOST)
_WANTED = {"repositories": _LIMIT, "bytes": _LIMIT}
_CHANGE = Record("limits to change", False, "QuotaChange", _WANTED, tuple(_WANTED), 1)


async def _get(call: Call) -> Answer:
    use = await call.people.quotas.show(None, call.path["namespace"])
    return Answer(200, use._asdict())


async def _change(call: Call) -> Answer:
    await call.people.quotas.set(call.actor, None, call.path["namespace"], **call.body)
    return await _get(call)


_PLACE = "/namespaces/{namespace}/quota"
OPERATIONS = (
    Operation("GET", _PLACE, "getQuota", "Show a quota, and what is used of it", NAMESPACE_OWNER, _get, answer=_USE),
    Operation("PATCH", _PLACE, "changeQuota", "Change a quota", ADMINISTRATOR, _change, answer=_USE, body=_CHANGE),
)
