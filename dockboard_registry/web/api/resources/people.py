"""What the operations on users and on one's own account share: how a user is shown, and which fields can be sent."""

from collections.abc import Mapping
from typing import Any

from ....domain.access.rule import ACTIVE, DISABLED, PENDING
from ....domain.accounts.accounts import INVITED, User
from ....domain.accounts.profiles import (
    AVATAR_GRAMMAR,
    EMAIL_GRAMMAR,
    LONGEST_EMAIL,
    LONGEST_SHOWN,
    LONGEST_URL,
    SHOWN_GRAMMAR,
)
from ....domain.credentials.access_tokens import ACTIONS, AccessToken
from ....domain.credentials.passwords import MOST_BYTES, SHORTEST
from ..kinds import Choice, Kind, Record, Secret, Switch, Text
from ..operations import DURATION, MOMENT, NAME

_SHOWN = Text("", True, LONGEST_SHOWN, 0, SHOWN_GRAMMAR)
PROFILE: dict[str, Kind] = {
    "email": Text("e-mail address", True, LONGEST_EMAIL, 3, EMAIL_GRAMMAR, "bob@example.org"),
    "full_name": _SHOWN.said("name as people write it"),
    "company": _SHOWN,
    "location": _SHOWN,
    "url": Text(
        "address of a web page",
        True,
        LONGEST_URL,
        8,
        "https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*",
        "https://example.org",
    ),
}
CHANGEABLE: dict[str, Kind] = {
    **PROFILE,
    "avatar_hash": Text(
        "another hash that avatar services know the user by; null for that of the e-mail address again",
        True,
        64,
        32,
        AVATAR_GRAMMAR,
    ),
}
PASSWORD = Text(
    "12 characters or more, at most 1,024 bytes, not one of those that are guessed first", False, MOST_BYTES, SHORTEST
)
USER = Record(
    "a user's account",
    *(False, "User"),
    {
        "name": NAME,
        "state": Choice("", False, (ACTIVE, DISABLED, INVITED, PENDING)),
        "administrator": Switch("may do everything"),
        **PROFILE,
        "avatar_hash": Text("SHA-256 of the e-mail address, or another hash that was given", True, 64),
        "created_at": MOMENT,
        "last_seen_at": MOMENT.or_null(),
    },
)
ONE_TIME = Record(
    "a token with which its owner sets a password, once and within an hour; it is told this once",
    *(False, "OneTimeToken"),
    {"token": Secret("", False, 100)},
)
TOKEN_FIELDS: dict[str, Kind] = {
    "name": NAME,
    "state": Choice("", False, ("active", "expired", "revoked")),
    "hint": Text("its first and last characters", False, 16),
    "repositories": Text("patterns, with commas; null: all that the user may use", True, 4000),
    "actions": Text("with commas; null: all that the user may do", True),
    "created_at": MOMENT,
    "expires_at": MOMENT.or_null(),
    "last_used_at": MOMENT.or_null(),
    "last_used_from": Text("address", True, 64),
}
TOKEN = Record("an access token, without its secret", False, "Token", TOKEN_FIELDS)
SECRET = Secret("what to use as the password; it is shown this once", False, 60)
NEW_TOKEN = Record("an access token that was just made", False, "NewToken", {**TOKEN_FIELDS, "secret": SECRET})
_WORDS = "|".join(ACTIONS)
TOKEN_WANTED = Record(
    "what a new access token is for",
    *(False, "TokenWanted"),
    {
        "name": NAME.said("what to call it in lists"),
        "repositories": Text(
            "only for these, with commas between patterns", False, 4000, 1, r"[a-z0-9._*/,-]+", "acme/app-*"
        ),
        "actions": Text(
            f"only for these, with commas between {', '.join(ACTIONS)}",
            False,
            255,
            1,
            f"(?:{_WORDS})(?:,(?:{_WORDS}))*",
            "pull,push",
        ),
        "expires": DURATION,
    },
    ("repositories", "actions", "expires"),
)


def shown(user: User) -> dict[str, Any]:
    """A user as the API shows it."""
    return {name: getattr(user, name) for name in USER.fields}


def changes(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the profile that were sent. For the domain an empty text empties a field, also the hash."""
    return {name: value or "" for name, value in body.items() if name in CHANGEABLE}


def token_shown(token: AccessToken) -> dict[str, Any]:
    names = {"repositories": "patterns"}
    return {name: getattr(token, names.get(name, name)) for name in TOKEN_FIELDS}
