"""The permission rule: a table of everyone, every state and every action against an oracle of its own, and what always
holds.
"""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockboard_registry.domain.access import patterns, rule
from dockboard_registry.domain.access.rule import ACTIONS, Grant, Object, Principal, ScopeEntry, decide, explain

LEVELS = ("none", "pull", "push")


def granted(right: str, pattern: str, via: str) -> dict:
    return {"acme": (Grant(patterns.parse(pattern), right, via),)}


def everything(*actions: str) -> tuple[ScopeEntry, ...]:
    return (ScopeEntry(None, frozenset(actions)),)


# By the words that the oracle understands.
PEOPLE = {
    "anonymous": Principal(),
    "stranger": Principal(1, rule.USER, "stranger"),
    "member": Principal(2, rule.USER, "member", memberships={"acme": rule.MEMBER}),
    "owner": Principal(3, rule.USER, "owner", memberships={"acme": rule.OWNER}),
    "acme": Principal(4, rule.USER, "acme"),
    "reader": Principal(5, rule.USER, "reader", grants=granted("read", "acme/app", "user:reader")),
    "writer": Principal(
        6, rule.USER, "writer", grants=granted("write", "acme/a*", "team:acme/dev"), teams=("acme/dev",)
    ),
    "admin of it": Principal(7, rule.USER, "admin-of-it", grants=granted("admin", "acme/**", "user:admin-of-it")),
    "owner elsewhere": Principal(8, rule.USER, "elsewhere", memberships={"other": rule.OWNER}),
    "robot": Principal(9, rule.ROBOT, "acme/ci", grants=granted("write", "acme/app", "robot:acme/ci")),
    "robot without grants": Principal(10, rule.ROBOT, "acme/idle"),
    "site administrator": Principal(11, rule.USER, "root-user", administrator=True),
    "disabled owner": Principal(12, rule.USER, "gone", state=rule.DISABLED, memberships={"acme": rule.OWNER}),
    "disabled administrator": Principal(13, rule.USER, "gone-too", state=rule.DISABLED, administrator=True),
    "owner with a token to pull": Principal(
        14, rule.USER, "owner", memberships={"acme": rule.OWNER}, scopes=(everything("pull"),)
    ),
    "owner with a token for another": Principal(
        15,
        rule.USER,
        "owner",
        memberships={"acme": rule.OWNER},
        scopes=((ScopeEntry(patterns.parse("acme/other"), frozenset(ACTIONS)),),),
    ),
    "administrator with a token to push": Principal(
        16, rule.USER, "root-user", administrator=True, scopes=(everything("push", "create"),)
    ),
}
STATES = {
    "public": rule.repository("acme/app", visibility="public"),
    "private": rule.repository("acme/app"),
    "missing": rule.repository("acme/app", exists=False),
    "missing, by default public": rule.repository("acme/app", exists=False, visibility="public"),
    "nobody's": rule.repository("wild/app", visibility="public", held=False),
    "nobody's, private": rule.repository("wild/app", held=False),
    "nobody's, missing": rule.repository("wild/app", exists=False, held=False),
    "library": rule.repository("app", visibility="public", held=False),
    "namespace": rule.namespace("acme"),
    "registry": rule.REGISTRY,
}

ALL = set(ACTIONS)
WRITES = {"pull", "push", "overwrite", "create"}
OWNS = ALL - {"catalog"}
IN_ACME = {"public", "private", "missing", "missing, by default public"}


def base(who: str, state: str) -> set[str]:
    """What the person has by who they are, in words of the requirements; anonymous access and tokens come on top."""
    if who.startswith(("site administrator", "administrator with")):
        return ALL
    if state in IN_ACME:
        pulls = {"pull"} if state == "public" and who != "anonymous" else set()
        return pulls | {"member": {"pull"}, "owner": OWNS, "owner with a token to pull": OWNS, "acme": OWNS,
        "reader": {"pull"}, "writer": WRITES,
                        "admin of it": OWNS, "robot": WRITES}.get(who, set())  # fmt: skip
    if state == "namespace":
        # To pull a namespace is to see its members and teams.
        return (
            OWNS if who in ("owner", "owner with a token to pull", "acme") else {"pull"} if who == "member" else set()
        )
    return {"pull"} if state in ("nobody's", "library") and who != "anonymous" else set()


def oracle(who: str, state: str, level: str, action: str) -> bool:
    if who.startswith("disabled"):
        return False
    if "with a token" in who and action == "pull" and oracle("anonymous", state, level, action):
        return True
    if who == "owner with a token for another":
        return False
    rights = base(who, state)
    if level != "none" and state in ("public", "nobody's", "library"):
        rights = rights | {"pull"}
    if level == "push" and state in ("nobody's", "nobody's, missing"):
        rights = rights | WRITES
    if who == "owner with a token to pull":
        rights = rights & {"pull"} if state != "namespace" else set()
    if who == "administrator with a token to push":
        rights = rights & {"push", "create"}
    if action == "push" and "missing" in state:
        return "create" in rights
    return action in rights


@pytest.mark.parametrize("who", PEOPLE)
def test_everyone_may_do_what_the_requirements_say(who):
    cells = itertools.product(STATES, LEVELS, ACTIONS)
    wrong = [
        (state, level, action)
        for state, level, action in cells
        if decide(PEOPLE[who]._replace(everyone=level), action, STATES[state]).allowed
        != oracle(who, state, level, action)
    ]
    assert wrong == []


@pytest.mark.parametrize("level", [*LEVELS, "all"])
def test_without_accounts_the_setting_is_the_rule(level):
    allowed = {"none": set(), "pull": {"pull", "catalog"}, "push": ALL - {"admin"}, "all": ALL}[level]
    for object in STATES.values():
        assert {action for action in ACTIONS if decide(rule.anonymous(level), action, object).allowed} == allowed


names = st.sampled_from(["acme/app", "acme/api", "acme/a/b", "other/app", "app", "library/app", "acme"])
rights = st.sampled_from(["read", "write", "admin"])
entries = st.builds(
    ScopeEntry,
    st.none() | st.sampled_from(["acme/app", "acme/**", "app", "library/*"]).map(patterns.parse),
    st.frozensets(st.sampled_from(ACTIONS)),
)
grants = st.dictionaries(
    st.sampled_from(["acme", "other", "library"]),
    st.lists(
        st.builds(
            Grant,
            st.sampled_from(["acme/a*", "acme/**", "library/app", "other/app"]).map(patterns.parse),
            rights,
            st.just("user:x"),
        )
    ).map(tuple),
)
people = st.builds(
    Principal,
    id=st.integers(0, 3),
    kind=st.sampled_from(["anonymous", "user", "robot"]),
    name=st.sampled_from(["", "acme", "bob"]),
    administrator=st.booleans(),
    state=st.sampled_from(["active", "active", "disabled"]),
    memberships=st.dictionaries(st.sampled_from(["acme", "other"]), st.sampled_from(["owner", "member"])),
    grants=grants,
    scopes=st.lists(st.lists(entries, max_size=2).map(tuple), max_size=2).map(tuple),
    asked=st.none() | st.lists(entries, max_size=2).map(tuple),
    everyone=st.sampled_from(LEVELS),
    open=st.sampled_from([False, False, True]),
)
objects = st.builds(
    rule.repository, names, st.booleans(), st.sampled_from(["public", "private"]), st.booleans()
) | st.sampled_from([rule.REGISTRY, rule.namespace("acme"), Object("app", "library")])


@given(people, st.sampled_from(ACTIONS), objects)
def test_the_explanation_and_the_decision_agree(principal, action, object):
    explained = explain(principal, action, object)
    assert explained.decision == decide(principal, action, object)
    assert explained.steps[-1] == explained.decision.reason
    assert len(explained.steps) >= 2


@given(people, st.lists(entries, max_size=3).map(tuple), st.sampled_from(ACTIONS), objects)
def test_a_scope_only_narrows(principal, scope, action, object):
    if decide(rule.narrowed(principal, scope), action, object).allowed:
        assert decide(principal, action, object).allowed


@given(people, st.lists(entries, max_size=3).map(tuple), objects)
def test_an_access_token_takes_nothing_from_what_everyone_may_pull(principal, scope, object):
    nobody = rule.anonymous(principal.everyone, open=False)
    shown = rule.narrowed(principal._replace(state=rule.ACTIVE, asked=None, open=False), scope)
    if object.name and decide(nobody, "pull", object).allowed:
        assert decide(shown, "pull", object).allowed


@given(people, st.sampled_from(ACTIONS), names)
def test_a_signed_token_is_good_for_what_it_was_asked_for_and_nothing_else(principal, action, name):
    """Another one can be asked for; what it was asked for is allowed as far as it is without it."""
    public, signed = (
        rule.repository(name, visibility="public"),
        (ScopeEntry(patterns.exact(name), frozenset({action})),),
    )
    assert not decide(
        principal._replace(asked=(ScopeEntry(patterns.exact("acme/other"), frozenset(ACTIONS)),)), action, public
    ).allowed
    assert (
        decide(principal._replace(asked=signed), action, public).allowed
        == decide(principal._replace(asked=None), action, public).allowed
    )


@pytest.mark.parametrize("pattern", ["library/*", "library/**", "library/*-*"])
@pytest.mark.parametrize("object", [rule.REGISTRY, rule.namespace("acme"), rule.namespace("library")])
def test_patterns_of_a_token_name_repositories_alone(pattern, object):
    """As text `*` would match library/*, and so would a namespace, whose repository name is empty."""
    narrow = rule.narrowed(PEOPLE["site administrator"], (ScopeEntry(patterns.parse(pattern), frozenset(ACTIONS)),))
    assert not any(decide(narrow, action, object).allowed for action in ACTIONS)
    assert decide(narrow, "admin", rule.repository("a-b")).allowed


@given(people, st.sampled_from(["none", "pull"]), st.sampled_from(ACTIONS), objects)
def test_more_anonymous_access_takes_nothing_away(principal, level, action, object):
    more = {"none": "pull", "pull": "push"}[level]
    if decide(principal._replace(everyone=level), action, object).allowed:
        assert decide(principal._replace(everyone=more), action, object).allowed


@given(people, st.sampled_from(ACTIONS), names, st.booleans())
def test_what_may_not_be_seen_is_as_if_it_did_not_exist(principal, action, name, held):
    """The same decision for a private repository and for none, but that the first push needs the right to create."""
    private = decide(principal, action, rule.repository(name, True, "private", True))
    missing = decide(principal, action, rule.repository(name, False, "private", True))
    if action != "push":
        assert private == missing
