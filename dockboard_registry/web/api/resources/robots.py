"""/organizations/{organization}/robots: robot accounts, which log in as ORG/NAME with a secret."""

from typing import Any

from ....domain.access.rule import ACTIVE, DISABLED
from ....domain.accounts.robots import Robot
from ....durations import duration, in_future
from ...auth.permissions import ORGANIZATION_OWNER
from ..kinds import Choice, Record, Text
from ..operations import DURATION, MOMENT, NAME, PAGE, Answer, Call, Operation, created, paged
from .pages import after, page, size
from .people import SECRET, TOKEN_FIELDS

_STATE = Choice("", False, (ACTIVE, DISABLED))
_FIELDS = {"name": NAME, "login": Text("what it logs in as", False, 130), "state": _STATE, "created_at": MOMENT}
_ROBOT = Record("", False, "Robot", _FIELDS)
_MADE = Record("a robot account that was just made", False, "NewRobot", {**_FIELDS, "secret": SECRET})
_WANTED = Record(
    "expires: when the secret ends", False, "RobotWanted", {"name": NAME, "expires": DURATION}, ("expires",)
)
_ROTATION = Record(
    "overlap: how long the old secrets go on working, 24h where it is not given; expires: when the new one ends",
    *(False, "Rotation", {"overlap": DURATION, "expires": DURATION}, ("overlap", "expires")),
)
_SECRET = Record("", False, "Secret", {"secret": SECRET})
_KEPT = ("hint", "state", "created_at", "expires_at", "last_used_at", "last_used_from")
_SECRET_SHOWN = Record(
    "a secret of a robot account, without the secret",
    False,
    "RobotSecret",
    {name: TOKEN_FIELDS[name] for name in _KEPT},
)
_STATE_CHANGE = Record("", False, "RobotChange", {"state": _STATE})
_OVERLAP = "24h"


def _name(call: Call) -> str:
    return f"{call.path['organization']}/{call.path['robot']}"


def _shown(robot: Robot) -> dict[str, Any]:
    return {"name": robot.name, "login": str(robot), "state": robot.state, "created_at": robot.created_at}


async def _list(call: Call) -> Answer:
    found = await call.people.robots.list(call.path["organization"], after(call), size(call) + 1)
    return page(call, found, _shown, lambda robot: robot.name)


async def _add(call: Call) -> Answer:
    organization, name = call.path["organization"], call.body["name"]
    secret = await call.people.robots.add(call.actor, f"{organization}/{name}", in_future(call.body.get("expires")))
    made = await call.people.robots.get(f"{organization}/{name}")
    return created({**_shown(made), "secret": secret}, "organizations", organization, "robots", name)


async def _get(call: Call) -> Answer:
    return Answer(200, _shown(await call.people.robots.get(_name(call))))


async def _secrets(call: Call) -> Answer:
    """A robot has as many secrets as were made within the overlaps of rotations. The keys are their hints."""
    found = await call.people.robots.secrets_by_hint(_name(call), after(call), size(call) + 1)
    return page(call, found, lambda secret: {name: getattr(secret, name) for name in _KEPT}, lambda secret: secret.hint)


async def _change(call: Call) -> Answer:
    await call.people.robots.set_state(call.actor, _name(call), call.body["state"] == ACTIVE)
    return await _get(call)


async def _rotate(call: Call) -> Answer:
    overlap, until = duration(call.body.get("overlap", _OVERLAP)), in_future(call.body.get("expires"))
    return Answer(200, {"secret": await call.people.robots.rotate(call.actor, _name(call), overlap, until)})


async def _delete(call: Call) -> Answer:
    await call.people.robots.delete(call.actor, _name(call))
    return Answer(204)


_ALL = "/organizations/{organization}/robots"
_ONE = f"{_ALL}/{{robot}}"
OPERATIONS = (
    Operation(
        "GET",
        _ALL,
        "listRobots",
        "List the robot accounts",
        ORGANIZATION_OWNER,
        _list,
        answer=paged(_ROBOT),
        query=PAGE,
    ),
    Operation(
        "POST", _ALL, "addRobot", "Make a robot account", ORGANIZATION_OWNER, _add, 201, _MADE, _WANTED, conflicts=True
    ),
    Operation("GET", _ONE, "getRobot", "Show a robot account", ORGANIZATION_OWNER, _get, answer=_ROBOT),
    Operation(
        "PATCH",
        _ONE,
        "changeRobot",
        "Enable or disable a robot account",
        ORGANIZATION_OWNER,
        _change,
        answer=_ROBOT,
        body=_STATE_CHANGE,
    ),
    Operation("DELETE", _ONE, "deleteRobot", "Delete it with its grants and secrets", ORGANIZATION_OWNER, _delete, 204),
    Operation(
        "GET",
        f"{_ONE}/secrets",
        "listRobotSecrets",
        "List its secrets, with their last use; keys are the hints",
        ORGANIZATION_OWNER,
        _secrets,
        answer=paged(_SECRET_SHOWN),
        query=PAGE,
    ),
    Operation(
        "POST",
        f"{_ONE}/rotate",
        "rotateRobot",
        "Make a new secret; old ones go on for a while",
        ORGANIZATION_OWNER,
        _rotate,
        200,
        _SECRET,
        _ROTATION,
    ),
)
