"""What the API's document says of a value, and what the API makes of it, are the same."""

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockboard_registry.web.api.kinds import Kind, ListOf, Record, Secret, Text, Wrong
from dockboard_registry.web.api.operations import PATH
from dockboard_registry.web.api.table import OPERATIONS

BODIES = {operation.id: operation.body for operation in OPERATIONS if operation.body is not None}
WORDS = st.sampled_from([
    "", "a", "ab", "a.b", "a..b", "Ab", "ab\n", " ab", "ab\0", "a/b", "acme/app-*", "acme/**", "*", "a,b", "pull",
    "pull,push", "pull,", "read", "member", "active", "disabled", "invited",
    "public", "90d", "90", "0s", "1234567d", "x@y.org", "x@", "https://example.org", "http://[", "ftp://x", "ü" * 12,
    "x" * 64, "x" * 65, "x" * 255, "x" * 256, "x" * 1025, "٣d", "\u2028",
])  # fmt: skip
VALUES = st.one_of(
    WORDS,
    st.none(),
    st.booleans(),
    st.integers(-2, 2),
    st.just(2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.just([]),
    st.just({}),
    st.text(max_size=12),
)


def accepts(kind: Kind, value: object) -> bool:
    try:
        kind.check(value)
    except Wrong:
        return False
    return True


@pytest.mark.parametrize("id", BODIES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_bodies(id, data):
    kind = BODIES[id]
    names = st.sampled_from([*kind.fields, "unknown"])
    value = data.draw(st.one_of(st.dictionaries(names, VALUES, max_size=5), VALUES))
    assert accepts(kind, value) == jsonschema_rs.validator_for(kind.schema()).is_valid(value), value


FIELDS = {
    f"{operation.id} {name}": kind
    for operation in OPERATIONS
    for name, kind in [*(operation.body.fields if operation.body else {}).items(), *operation.query.items()]
}


@pytest.mark.parametrize(
    "kind",
    {repr(kind): kind for kind in [*FIELDS.values(), *PATH.values()]}.values(),
    ids=lambda kind: kind.help[:20] or type(kind).__name__,
)
@settings(max_examples=50, deadline=None)
@given(value=VALUES)
def test_fields(kind, value):
    if isinstance(value, float) and value.is_integer():
        return  # JSON Schema takes 1.0 for a whole number; we do not
    assert accepts(kind, value) == jsonschema_rs.validator_for(kind.schema()).is_valid(value), value


@pytest.mark.parametrize(("id", "value"), [
    ("addUser", {"name": "bob"}), ("addUser", {"name": "bob", "email": None, "administrator": True}), ("changeUser",
    {"state": "disabled"}), ("setGrant", {"right": "admin"}),
    ("addOwnToken", {"name": "ci", "repositories": "acme/app-*,tool", "actions": "pull,push", "expires": "90d"}),
    ("rotateRobot", {}),
])  # fmt: skip
def test_what_is_right_is_accepted(id, value):
    assert BODIES[id].check(value) == value


def fields(kind: Kind | None, path: str = "") -> list[tuple[str, Kind]]:
    """Every field of an answer, however deep, by its path."""
    if isinstance(kind, ListOf):
        return fields(kind.kind, path)
    found = [(f"{path}.{name}", field) for name, field in kind.fields.items()] if isinstance(kind, Record) else []
    return [each for name, field in found for each in [(name, field), *fields(field, name)]]


def test_whoever_is_answered_a_secret_shows_the_password_or_a_token_for_everything():
    """By the kind of the field: what is called like a secret is one, and stands where it is looked for."""
    told = set()
    for operation in OPERATIONS:
        for path, kind in fields(operation.answer):
            assert isinstance(kind, Secret) == (
                isinstance(kind, Text) and path.rpartition(".")[2] in ("secret", "token", "code", "password")
            ), (operation.id, path)
            if isinstance(kind, Secret):
                assert operation.needs_whole and path.count(".") == 1, (operation.id, path)
                told.add(operation.id)
    assert told == {
        "addOwnToken",
        "addUser",
        "resetPassword",
        "inviteUser",
        "addToken",
        "addInvitation",
        "addRobot",
        "rotateRobot",
    }
