"""/registrations, /invitations and /password-resets: accounts that people make themselves, and forgotten passwords."""

from typing import Any

from ....domain.access.rule import ACTIVE, PENDING
from ....domain.accounts.invitations import Invitation
from ....domain.accounts.organizations import ROLES
from ....domain.accounts.registration import PendingAccount
from ....domain.audit import NEWEST
from ....durations import in_future
from ....errors import Denied, Unauthorized
from ...auth.permissions import ADMINISTRATOR, EVERYONE
from ..kinds import Choice, Kind, Record, Secret, Text
from ..operations import DURATION, MOMENT, NAME, PAGE, Answer, Call, Operation, created, paged
from .pages import after, page, size
from .people import PASSWORD, PROFILE

_CODE = Secret("the code of an invitation", False, 100, 1)
_EMAIL = PROFILE["email"]
_WANTED = Record(
    "an account for oneself, where auth.registration lets people make one",
    *(False, "RegistrationWanted"),
    {"name": NAME, "password": PASSWORD, "email": _EMAIL, "full_name": PROFILE["full_name"], "invitation": _CODE},
    ("email", "full_name", "invitation"),
)
_REGISTERED = Record(
    "pending: an administrator has to approve it first",
    False,
    "Registered",
    {"name": NAME, "state": Choice("", False, (ACTIVE, PENDING))},
)
_WAITING = Record(
    "an account that waits for approval",
    *(False, "Registration"),
    {"name": NAME, "email": _EMAIL, "full_name": PROFILE["full_name"], "created_at": MOMENT},
)
_INVITATION: dict[str, Kind] = {
    "id": Text("a number, as a text: it has more digits than JSON's readers keep", False, 19, 1, "[0-9]{1,19}"),
    "state": Choice("", False, ("open", "used", "expired")),
    "email": _EMAIL.said("only for who gives this address"),
    "organization": NAME.said("whose member the account becomes").or_null(),
    "role": Choice("as what", True, ROLES),
    "made_by": Text("", False, 160),
    "created_at": MOMENT,
    "expires_at": MOMENT,
    "used_at": MOMENT.or_null(),
    "used_by": NAME.said("the account that was made with it").or_null(),
}
_INVITED = Record("an invitation, without its code", False, "Invitation", _INVITATION)
_NEW = Record(
    "a new invitation; its code is told this once", False, "NewInvitation", {"id": _INVITATION["id"], "code": _CODE}
)
_INVITE = Record(
    "an invitation; without anything it is for everyone, and for a week",
    *(False, "InvitationWanted"),
    {"email": _EMAIL, "expires": DURATION, "organization": NAME, "role": Choice("", False, ROLES)},
    ("email", "expires", "organization", "role"),
)
_FORGOTTEN = Record(
    "", False, "PasswordForgotten", {"account": Text("name or e-mail address of an account", False, 254, 1)}
)
_CONFIRM = Record(
    "", False, "PasswordReset", {"token": Text("from an administrator, or a mail", False, 100, 1), "password": PASSWORD}
)
# What is open to everyone may be turned off, and has limits.
_OPEN = (403, 429)


async def _register(call: Call) -> Answer:
    body, name = call.body, call.body["name"]
    given = body["password"], body.get("email"), body.get("full_name"), body.get("invitation")
    state = await call.people.registrations.register(call.request.remote, name, *given)
    return created({"name": name, "state": state}, "users", name)


async def _waiting(call: Call) -> Answer:
    found = await call.people.registrations.waiting(after(call), size(call) + 1)
    return page(call, found, PendingAccount._asdict, lambda waiting: waiting.name)


async def _approve(call: Call) -> Answer:
    await call.people.registrations.approve(call.actor, call.path["user"])
    return Answer(204)


async def _reject(call: Call) -> Answer:
    await call.people.registrations.reject(call.actor, call.path["user"])
    return Answer(204)


async def _unlock(call: Call) -> Answer:
    await call.people.accounts.unlock(call.actor, call.path["user"])
    return Answer(204)


async def _forgotten(call: Call) -> Answer:
    await call.people.resets.ask(call.request.remote, call.body["account"])
    return Answer(202)


async def _confirm(call: Call) -> Answer:
    try:
        await call.people.one_time.redeem(call.request.remote, call.body["token"], None, call.body["password"])
    except Unauthorized as error:
        # 401 would make clients ask for a name and a password.
        raise Denied(error.cause, error.next) from None
    return Answer(204)


def _id(text: str) -> int:
    """An id is no greater than the largest that the database takes."""
    return min(int(text), NEWEST)


def _shown(invitation: Invitation) -> dict[str, Any]:
    return {name: getattr(invitation, name) for name in _INVITATION} | {"id": str(invitation.id)}


async def _invitations(call: Call) -> Answer:
    found = await call.people.invitations.list(_id(call.query.get("after", "0")), size(call) + 1)
    return page(call, found, _shown, lambda invitation: str(invitation.id))


async def _invite(call: Call) -> Answer:
    body = call.body
    role = body.get("role", "member")
    made = await call.people.invitations.add(
        call.actor, body.get("email"), in_future(body.get("expires")), body.get("organization"), role
    )
    return created({"id": str(made.id), "code": made.code}, "invitations", str(made.id))


async def _revoke(call: Call) -> Answer:
    await call.people.invitations.revoke(call.actor, _id(call.path["invitation"]))
    return Answer(204)


_ONE = "/registrations/{user}"
_AFTER = {**PAGE, "after": Text("only invitations made after the one with this id", False, 19, 1, "[0-9]{1,19}")}
OPERATIONS = (
    Operation(
        "POST",
        "/registrations",
        "register",
        "Make an account for oneself",
        EVERYONE,
        _register,
        201,
        _REGISTERED,
        _WANTED,
        conflicts=True,
        others=_OPEN,
    ),
    Operation(
        "GET",
        "/registrations",
        "listRegistrations",
        "List accounts that wait for approval",
        ADMINISTRATOR,
        _waiting,
        answer=paged(_WAITING),
        query=PAGE,
    ),
    Operation("POST", f"{_ONE}/approve", "approveRegistration", "Let the account count", ADMINISTRATOR, _approve, 204),
    Operation(
        "DELETE",
        _ONE,
        "rejectRegistration",
        "Delete the account; its name is free at once",
        ADMINISTRATOR,
        _reject,
        204,
    ),
    Operation(
        "GET",
        "/invitations",
        "listInvitations",
        "List invitations, the oldest first",
        ADMINISTRATOR,
        _invitations,
        answer=paged(_INVITED),
        query=_AFTER,
    ),
    Operation(
        *(
            "POST",
            "/invitations",
            "addInvitation",
            "Make a code for one account",
            ADMINISTRATOR,
            _invite,
            201,
            _NEW,
            _INVITE,
        ),
        **{"conflicts": True, "unknown": True},
    ),
    Operation(
        "DELETE",
        "/invitations/{invitation}",
        "revokeInvitation",
        "Let a code count no more",
        ADMINISTRATOR,
        _revoke,
        204,
    ),
    Operation(
        *(
            "POST",
            "/password-resets",
            "forgetPassword",
            "Have a token sent by mail; the answer does not tell whether there is such an account",
            EVERYONE,
            _forgotten,
        ),
        **{"status": 202, "body": _FORGOTTEN, "others": _OPEN},
    ),
    Operation(
        *("POST", "/password-resets/confirm", "confirmPassword", "Set a password with a token", EVERYONE, _confirm),
        **{"status": 204, "body": _CONFIRM, "others": _OPEN},
    ),
    Operation(
        "POST", "/users/{user}/unlock", "unlockUser", "Forget wrong passwords of the user", ADMINISTRATOR, _unlock, 204
    ),
)
