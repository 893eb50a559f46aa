"""/users: accounts of users, for administrators."""

from ....domain.access.rule import ACTIVE, DISABLED, PENDING
from ....domain.accounts import account_lists
from ....domain.accounts.accounts import INVITED
from ....domain.accounts.profiles import Profile
from ....domain.credentials.one_time import INVITE, RESET
from ....errors import ChangeRefused
from ...auth.permissions import ADDS_USERS, ADMINISTRATOR, TOKENS, require_whole
from ..kinds import Choice, Kind, ListOf, Record, Switch, Text, Whole
from ..operations import NAME, PAGE, Answer, Call, Operation, created, paged
from . import tokens
from .pages import after, size, sorted_page
from .people import CHANGEABLE, NEW_TOKEN, ONE_TIME, PASSWORD, PROFILE, TOKEN, TOKEN_WANTED, USER, changes, shown

_ADMINISTRATOR = Switch("an administrator of the registry, who may do everything")
_WANTED = Record(
    "a new account; without a password it is only invited, and the answer has a token with which its owner sets one",
    *(False, "UserWanted"),
    {"name": NAME, "password": PASSWORD, "administrator": _ADMINISTRATOR, **PROFILE},
    ("password", "administrator", *PROFILE),
)
_MADE = Record(
    "a new account; token: for the first password, where none was given",
    False,
    "NewUser",
    {**USER.fields, "token": ONE_TIME.fields["token"]},
    ("token",),
)
_CHANGES: dict = {"state": Choice("", False, (ACTIVE, DISABLED)), "administrator": _ADMINISTRATOR, **CHANGEABLE}
_CHANGE = Record("fields to change; null empties one of the profile", False, "UserChange", _CHANGES, tuple(_CHANGES), 1)
# Changes that give somebody more than the token that makes them: all rights, or the mails with tokens for a password.
_WHOLE = frozenset(("administrator", "email"))
_PASSWORD = Record("", False, "Password", {"password": PASSWORD})
_HTPASSWD = Record(
    "", False, "Htpasswd", {"htpasswd": Text("lines NAME:HASH, as `user import` takes them", False, 60_000, 1)}
)
_REFUSED = Record(
    "a line that was not taken over",
    False,
    "Refused",
    {"line": Whole(), "name": Text("", False, 60_000), "cause": Text("", False, 1000)},
)
_IMPORTED = Record("", False, "Imported", {"added": ListOf("", False, NAME), "refused": ListOf("", False, _REFUSED)})

_STATES = (ACTIVE, DISABLED, INVITED, PENDING, account_lists.ADMINISTRATORS)
_FILTER: dict[str, Kind] = {
    "contains": Text("only users whose name, e-mail address or full name contains this", False, 254, 1),
    "state": Choice("only users in this state, or only administrators", False, _STATES),
    "sort": Choice(
        "by name, by when they were seen last, or the newest first",
        False,
        tuple(account_lists.USERS.orders),
    ),
}


async def _list(call: Call) -> Answer:
    asked = call.query
    found = await call.people.lists.users(
        asked.get("contains", ""),
        asked.get("state", ""),
        asked.get("sort", account_lists.NAME),
        after(call),
        limit=size(call),
    )
    return sorted_page(call, found, shown)


async def _add(call: Call) -> Answer:
    body, name, accounts = call.body, call.body["name"], call.people.accounts
    if call.principal.open and not body.get("administrator"):
        raise ChangeRefused(
            "the first user has to be an administrator, or nobody would be one", "send administrator true"
        )
    profile = Profile(*(body.get(field) for field in Profile._fields))
    await accounts.add(call.actor, name, body.get("password"), profile, body.get("administrator", False), adopt=True)
    content = shown(await accounts.get(name))
    if "password" not in body:
        # With the same right as the account itself, which may just have been the first one.
        content["token"] = await call.people.one_time.make(call.actor._replace(recheck=None), name, INVITE)
    return created(content, "users", name)


async def _get(call: Call) -> Answer:
    return Answer(200, shown(await call.people.accounts.get(call.path["user"])))


async def _change(call: Call) -> Answer:
    if not _WHOLE.isdisjoint(call.body):
        require_whole(call.asker)
    active = call.body["state"] == ACTIVE if "state" in call.body else None
    await call.people.accounts.change(
        call.actor, call.path["user"], changes(call.body), active, call.body.get("administrator")
    )
    return await _get(call)


async def _delete(call: Call) -> Answer:
    await call.people.accounts.delete(call.actor, call.path["user"])
    return Answer(204)


async def _set_password(call: Call) -> Answer:
    await call.people.accounts.set_password(call.actor, call.path["user"], call.body["password"])
    return Answer(204)


async def _reset(call: Call) -> Answer:
    return Answer(200, {"token": await call.people.one_time.make(call.actor, call.path["user"], RESET)})


async def _invite(call: Call) -> Answer:
    return Answer(200, {"token": await call.people.one_time.make(call.actor, call.path["user"], INVITE)})


async def _mail_reset(call: Call) -> Answer:
    await call.people.resets.send(call.actor, call.path["user"], RESET)
    return Answer(204)


async def _mail_invitation(call: Call) -> Answer:
    await call.people.resets.send(call.actor, call.path["user"], INVITE)
    return Answer(204)


async def _import(call: Call) -> Answer:
    found = await call.people.htpasswd.take_over(call.actor, call.body["htpasswd"])
    refused = [dict(zip(_REFUSED.fields, line)) for line in found.refused]
    return Answer(200, {"added": found.added, "refused": refused})


async def _tokens(call: Call) -> Answer:
    return await tokens.listed(call, call.path["user"])


async def _add_token(call: Call) -> Answer:
    return await tokens.added(call, call.path["user"], "users", call.path["user"])


async def _revoke_token(call: Call) -> Answer:
    return await tokens.revoked(call, call.path["user"])


_ONE = "/users/{user}"
OPERATIONS = (
    Operation(
        "GET",
        "/users",
        "listUsers",
        "List users; keys of a list that is not sorted by name come from `next`",
        ADMINISTRATOR,
        _list,
        answer=paged(USER),
        query={**_FILTER, **PAGE},
        refuses=True,
    ),
    Operation(
        "POST",
        "/users",
        "addUser",
        "Make or invite a user",
        ADDS_USERS,
        _add,
        201,
        _MADE,
        _WANTED,
        conflicts=True,
        whole=True,
    ),
    Operation("GET", _ONE, "getUser", "Show a user", ADMINISTRATOR, _get, answer=USER),
    Operation(
        "PATCH",
        _ONE,
        "changeUser",
        "Change profile, state, or who administers",
        ADMINISTRATOR,
        _change,
        answer=USER,
        body=_CHANGE,
        conflicts=True,
    ),
    Operation(
        "DELETE", _ONE, "deleteUser", "Delete a user; repositories stay", ADMINISTRATOR, _delete, 204, conflicts=True
    ),
    Operation(
        "PUT",
        f"{_ONE}/password",
        "setPassword",
        "Set a user's password",
        ADMINISTRATOR,
        _set_password,
        204,
        body=_PASSWORD,
        whole=True,
    ),
    Operation(
        "POST",
        f"{_ONE}/reset",
        "resetPassword",
        "Make a token to set another password with",
        ADMINISTRATOR,
        _reset,
        200,
        ONE_TIME,
        conflicts=True,
    ),
    Operation(
        "POST",
        f"{_ONE}/invite",
        "inviteUser",
        "Make another token for a user who has not set a password yet",
        ADMINISTRATOR,
        _invite,
        200,
        ONE_TIME,
        conflicts=True,
    ),
    Operation(
        "POST",
        f"{_ONE}/reset/mail",
        "mailReset",
        "Send such a token to the account's e-mail address",
        ADMINISTRATOR,
        _mail_reset,
        204,
        conflicts=True,
        whole=True,
    ),
    Operation(
        "POST",
        f"{_ONE}/invite/mail",
        "mailInvitation",
        "Send such a token to the account's e-mail address",
        ADMINISTRATOR,
        _mail_invitation,
        204,
        conflicts=True,
        whole=True,
    ),
    Operation(
        "POST",
        "/user-imports",
        "importUsers",
        "Make accounts from a file of names and hashes",
        ADMINISTRATOR,
        _import,
        200,
        _IMPORTED,
        _HTPASSWD,
        whole=True,
    ),
    Operation(
        "GET",
        f"{_ONE}/tokens",
        "listTokens",
        "List a user's access tokens",
        ADMINISTRATOR,
        _tokens,
        answer=paged(TOKEN),
        query=PAGE,
    ),
    Operation(
        "POST",
        f"{_ONE}/tokens",
        "addToken",
        "Make an access token for a user",
        TOKENS,
        _add_token,
        201,
        NEW_TOKEN,
        TOKEN_WANTED,
        conflicts=True,
    ),
    Operation(
        "DELETE",
        f"{_ONE}/tokens/{{token}}",
        "revokeToken",
        "Let an access token count no more",
        ADMINISTRATOR,
        _revoke_token,
        204,
    ),
)
