"""/account: the user who asks, with profile, password and access tokens."""

from typing import Any

from ....domain.access import rule
from ....domain.accounts.preferences import (
    CLIENT_GRAMMAR,
    LANGUAGES,
    LONGEST_CLIENT,
    LONGEST_ZONE,
    THEMES,
    ZONE_GRAMMAR,
)
from ....errors import Denied, Unauthorized
from ...auth.permissions import LOGGED_IN, ONESELF, OWN_TOKENS
from ..kinds import Choice, ListOf, Record, Switch, Text
from ..operations import NAME, PAGE, Answer, Call, Operation, paged
from . import tokens
from .people import CHANGEABLE, NEW_TOKEN, PASSWORD, TOKEN, TOKEN_WANTED, USER, changes, shown, token_shown

_MEMBERSHIP = Record(
    "", False, "Membership", {"organization": NAME, "role": Choice("", False, (rule.OWNER, rule.MEMBER))}
)
_ACCOUNT = Record(
    "who asks. A token for some actions or repositories alone is told of its owner what it may use: with the action"
    " admin the profile and the organizations",
    *(False, "Account"),
    {
        "kind": Choice("", False, (rule.USER, rule.ROBOT)),
        "name": Text("of a robot account: ORG/NAME", False, 130),
        "administrator": Switch("may administer the registry with what was shown"),
        "organizations": ListOf("", False, _MEMBERSHIP),
        "teams": ListOf("", False, Text("ORG/TEAM", False, 130)),
        "user": Record("null for robot accounts too", True, "", USER.fields),
        "token": Record("the access token that was shown: what it is for, and until when", True, "", TOKEN.fields),
    },
)


async def _get(call: Call) -> Answer:
    who = call.principal
    may_all = rule.decide(who, rule.ADMIN, rule.namespace(who.name)).allowed and who.kind == rule.USER
    seen = {
        name: role
        for name, role in sorted(who.memberships.items())
        if rule.decide(who, rule.PULL, rule.namespace(name)).allowed
    }
    content = {
        "kind": who.kind,
        "name": who.name,
        "administrator": rule.decide(who, rule.ADMIN, rule.REGISTRY).allowed,
        "organizations": [{"organization": name, "role": role} for name, role in seen.items()],
        "teams": sorted(team for team in who.teams if team.partition("/")[0] in seen),
        "user": shown(await call.people.accounts.get(who.name)) if may_all else None,
        "token": await _token(call),
    }
    return Answer(200, content)


async def _token(call: Call) -> dict[str, Any] | None:
    """An access token of a user. Secrets of robot accounts have no limits of their own."""
    id = call.principal.token_id
    if id is None or call.principal.kind != rule.USER:
        return None
    found = await call.people.tokens.by_id(id)
    return found and token_shown(found)


async def _change(call: Call) -> Answer:
    """Tokens for another password are sent to the e-mail address.

    So whoever changes it gains the password, and no access token may do that.
    """
    if "email" in call.body and call.principal.token_id is not None:
        raise Denied(
            "an access token does not change the e-mail address, to which tokens for a password are sent",
            "log in with the password",
        )
    await call.people.accounts.change(call.actor, call.principal.name, changes(call.body))
    return Answer(200, shown(await call.people.accounts.get(call.principal.name)))


async def _set_password(call: Call) -> Answer:
    """Whoever finds an open login must not keep it.

    So the present password is asked for, and wrong ones count as guesses.
    """
    name = call.principal.name
    try:
        await call.people.logins.check(name, call.body["current"], call.request.remote)
    except Unauthorized:
        raise Denied(
            "the present password is wrong",
            "send the present password as current, or ask an administrator for another one",
        ) from None
    await call.people.accounts.set_password(call.actor, name, call.body["password"])
    return Answer(204)


async def _preferences(call: Call) -> Answer:
    found = await call.people.preferences.get(call.principal.name)
    return Answer(200, {name: None if value == "" else value for name, value in found._asdict().items()})


async def _change_preferences(call: Call) -> Answer:
    given = {name: "" if value is None else value for name, value in call.body.items()}
    await call.people.preferences.change(call.actor, call.principal.name, given)
    return await _preferences(call)


async def _tokens(call: Call) -> Answer:
    return await tokens.listed(call, call.principal.name)


async def _add_token(call: Call) -> Answer:
    return await tokens.added(call, call.principal.name, "account")


async def _revoke_token(call: Call) -> Answer:
    return await tokens.revoked(call, call.principal.name)


_NEW_PROFILE = Record("fields to change; null empties one", False, "ProfileChange", CHANGEABLE, tuple(CHANGEABLE), 1)
_NEW_PASSWORD = Record(
    "", False, "OwnPassword", {"current": Text("the present password", False, 1024), "password": PASSWORD}
)
_CHOSEN = {
    "zone": Text("time zone; null: that of the browser", True, LONGEST_ZONE, 1, ZONE_GRAMMAR, "Europe/Berlin"),
    "language": Choice("null: that of the browser", True, LANGUAGES),
    "theme": Choice("auto: that of the browser", False, THEMES),
    "shortcuts": Switch("pages take single keys"),
    "client": Text("whose commands are shown first", True, LONGEST_CLIENT, 1, CLIENT_GRAMMAR, "podman"),
}
_PREFERENCES = Record("how the pages look", False, "Preferences", _CHOSEN)
_NEW_PREFERENCES = Record("fields to change; null empties one", False, "PreferencesChange", _CHOSEN, tuple(_CHOSEN), 1)
OPERATIONS = (
    Operation("GET", "/account", "getAccount", "Who am I", LOGGED_IN, _get, answer=_ACCOUNT),
    Operation(
        "PATCH", "/account", "changeAccount", "Change the own profile", ONESELF, _change, answer=USER, body=_NEW_PROFILE
    ),
    Operation(
        "PUT",
        "/account/password",
        "setOwnPassword",
        "Set another password",
        ONESELF,
        _set_password,
        204,
        body=_NEW_PASSWORD,
        whole=True,
    ),
    Operation(
        "GET",
        "/account/preferences",
        "getPreferences",
        "Show how the pages look",
        ONESELF,
        _preferences,
        answer=_PREFERENCES,
    ),
    Operation(
        "PATCH",
        "/account/preferences",
        "changePreferences",
        "Change how the pages look",
        ONESELF,
        _change_preferences,
        answer=_PREFERENCES,
        body=_NEW_PREFERENCES,
    ),
    Operation(
        "GET",
        "/account/tokens",
        "listOwnTokens",
        "List the own access tokens",
        ONESELF,
        _tokens,
        answer=paged(TOKEN),
        query=PAGE,
    ),
    Operation(
        "POST",
        "/account/tokens",
        "addOwnToken",
        "Make an access token",
        OWN_TOKENS,
        _add_token,
        201,
        NEW_TOKEN,
        TOKEN_WANTED,
        conflicts=True,
    ),
    Operation(
        "DELETE",
        "/account/tokens/{token}",
        "revokeOwnToken",
        "Let an access token count no more",
        ONESELF,
        _revoke_token,
        204,
    ),
)
