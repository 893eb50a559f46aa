"""/uploads: open upload sessions. Administrators see all, users their own."""

from ....domain.access import rule
from ....domain.access.rule import ADMIN, REGISTRY
from ....domain.uploads.open_uploads import OpenUpload
from ...auth.permissions import ONESELF
from ..kinds import Kind, Record, Text, Whole
from ..operations import MOMENT, PAGE, REPOSITORY, Answer, Call, Operation, paged
from .pages import after, page, size

_UPLOAD = Record(
    "an unfinished upload",
    *(False, "Upload"),
    {
        "id": Text("", False, 32),
        "repository": Text("", False, 255),
        "owner": Text("who began it: user NAME, robot ORG/NAME or anonymous", False, 160),
        "network": Text("network of the client, if it was begun without credentials", True, 64),
        "size": Whole("bytes received"),
        "started_at": MOMENT,
        "updated_at": MOMENT,
        "ends_at": MOMENT.said("when it expires unless something comes, in milliseconds since 1970"),
    },
)
_FILTER: dict[str, Kind] = {"repository": REPOSITORY.said("only uploads to this repository")}


def _owner(call: Call) -> str:
    """The owner whose uploads the client may see. Empty: everybody's."""
    return "" if rule.decide(call.principal, ADMIN, REGISTRY).allowed else call.principal.account_key or rule.ANONYMOUS


def _shown(upload: OpenUpload) -> dict:
    return upload._asdict()


async def _list(call: Call) -> Answer:
    found = await call.services.open_uploads.list(
        after(call), size(call) + 1, _owner(call), call.query.get("repository", "")
    )
    return page(call, found, _shown, lambda upload: upload.id)


async def _drop(call: Call) -> Answer:
    await call.services.open_uploads.drop_one(call.actor, call.path["upload"], _owner(call))
    return Answer(204)


OPERATIONS = (
    Operation(
        *(
            "GET",
            "/uploads",
            "listUploads",
            "List unfinished uploads: all for administrators, their own for users; keys are the ids",
            ONESELF,
            _list,
        ),
        **{"answer": paged(_UPLOAD), "query": {**_FILTER, **PAGE}},
    ),
    Operation("DELETE", "/uploads/{upload}", "dropUpload", "End an upload and free its bytes", ONESELF, _drop, 204),
)
