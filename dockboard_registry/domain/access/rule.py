"""The one permission rule. Every route of every API asks `decide` before it touches anything; `explain` tells the same
in steps.

The rule depends on its arguments only and reads nothing. rights/principals.py puts them together.
"""

import functools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ...errors import FieldInvalid
from ...names import LIBRARY, namespace_of
from ...wording import quoted
from .patterns import Pattern, full

PULL, PUSH, OVERWRITE, DELETE, ADMIN, CREATE, CATALOG = (
    "pull",
    "push",
    "overwrite",
    "delete",
    "admin",
    "create",
    "catalog",
)
ACTIONS = (PULL, PUSH, OVERWRITE, DELETE, ADMIN, CREATE, CATALOG)
# What a signed token may be for besides: to find what its account may pull. It is no action on an object.
SEARCH = "search"
ANONYMOUS, USER, ROBOT = "anonymous", "user", "robot"
ACTIVE, DISABLED, PENDING = "active", "disabled", "pending"
# States of an access token that `explain` is asked about.
REVOKED, EXPIRED = "revoked", "expired"
PUBLIC, PRIVATE = "public", "private"
OWNER, MEMBER = "owner", "member"
READ, WRITE = "read", "write"

_WRITES = frozenset({PULL, PUSH, OVERWRITE, CREATE})
_OWNS = _WRITES | {DELETE, ADMIN}
# The rights that a grant gives, the smallest first.
RIGHTS: Mapping[str, frozenset] = MappingProxyType({READ: frozenset({PULL}), WRITE: _WRITES, ADMIN: _OWNS})
# With at most so many entries, looking at each is faster than an index.
_FEW = 8
# What auth.anonymous gives to everyone while there is no account.
_OPEN = {
    "none": frozenset(),
    "pull": frozenset({PULL, CATALOG}),
    "push": _WRITES | {DELETE, CATALOG},
    "all": frozenset(ACTIONS),
}


class Grant(NamedTuple):
    """A right on all repositories that the pattern names. `via` is who holds it, such as team:acme/dev."""

    pattern: Pattern
    right: str
    via: str


class ScopeEntry(NamedTuple):
    """A part of a token's scope: actions on what the pattern names. None names everything, also the registry itself."""

    pattern: Pattern | None
    actions: frozenset


class Scope(tuple[ScopeEntry, ...]):
    """The entries of a token's scope. If there are many, those of one namespace are found by an index."""

    def within(self, namespace: str) -> Sequence[ScopeEntry]:
        """The entries that may name something in the namespace."""
        if len(self) <= _FEW:
            return self
        return self._by_namespace.get(namespace, self._everywhere)

    @functools.cached_property
    def _everywhere(self) -> Sequence[ScopeEntry]:
        return tuple(entry for entry in self if entry.pattern is None)

    @functools.cached_property
    def _by_namespace(self) -> Mapping[str, Sequence[ScopeEntry]]:
        found: dict[str, list[ScopeEntry]] = {}
        for entry in self:
            if entry.pattern is not None:
                found.setdefault(entry.pattern.namespace, list(self._everywhere)).append(entry)
        return found


class Object(NamedTuple):
    """A repository, a namespace (its name is then empty), or the whole registry.

    held: the namespace belongs to somebody, or did so until lately. visibility counts only if the object exists.
    """

    name: str
    namespace: str
    exists: bool = True
    visibility: str = PRIVATE
    held: bool = True

    def __str__(self) -> str:
        return self.name or f"namespace {self.namespace}"


class Identity(NamedTuple):
    """Which account somebody is, and by which credentials they showed it.

    credential_generation: that of the account. token_id: of the access token that was shown, or None. This much of a
    principal is written into signed tokens.
    """

    kind: str = ANONYMOUS
    id: int = 0
    credential_generation: int = 0
    token_id: int | None = None


class Principal(NamedTuple):
    """Who asks: an account with its rights, or nobody in particular.

    memberships: namespace -> role. grants: namespace -> grants on repositories in it. scopes: those of access tokens,
    each of which narrows what the others leave. asked: what a signed token was asked for; it allows nothing else.
    everyone: the setting auth.anonymous. open: there is no account yet, and that setting is the whole rule.
    credential_generation and token_id: see Identity.
    """

    id: int = 0
    kind: str = ANONYMOUS
    name: str = ""
    administrator: bool = False
    state: str = ACTIVE
    memberships: Mapping[str, str] = MappingProxyType({})
    teams: tuple[str, ...] = ()
    grants: Mapping[str, tuple[Grant, ...]] = MappingProxyType({})
    asked: tuple[ScopeEntry, ...] | None = None
    everyone: str = "none"
    open: bool = False
    credential_generation: int = 0
    # These two are the last: `narrowed` changes them with each request that shows an access token.
    scopes: tuple[tuple[ScopeEntry, ...], ...] = ()
    token_id: int | None = None

    @property
    def identity(self) -> Identity:
        return Identity(self.kind, self.id, self.credential_generation, self.token_id)

    @property
    def account_key(self) -> str | None:
        """The account in the columns that say whose something is, as `user:12`; None for anonymous.

        It has the id because names may change hands.
        """
        return None if self.kind == ANONYMOUS else f"{self.kind}:{self.id}"

    @property
    def log_name(self) -> str:
        """The name in the access log: `user:ann`, `robot:acme/ci`, or `user:ann/token:12` where an access token was
        shown. Never a secret.
        """
        if self.kind == ANONYMOUS:
            return "-"
        token = "" if self.token_id is None else f"/token:{self.token_id}"
        return f"{self.kind}:{self.name}{token}"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".rstrip()


class Decision(NamedTuple):
    """allowed, and the reason, which may be shown to the one who asked."""

    allowed: bool
    reason: str


class Explanation(NamedTuple):
    """A decision, and the steps that led to it."""

    decision: Decision
    steps: list[str]


REGISTRY = Object("*", "")


def repository(name: str, exists: bool = True, visibility: str = PRIVATE, held: bool = True) -> Object:
    """A repository as an object of the rule."""
    return Object(name, namespace_of(name), exists, visibility, held or namespace_of(name) == LIBRARY)


def namespace(name: str) -> Object:
    """A namespace: members, teams, robot accounts and other things besides its repositories.

    To pull it is to see these.
    """
    return Object("", name)


def anonymous(level: str, open: bool = True) -> Principal:
    """The principal of a request without credentials; level is the setting auth.anonymous, `all` for this machine
    itself.
    """
    return Principal(everyone=level, open=open)


def narrowed(principal: Principal, scope: tuple[ScopeEntry, ...] | None, token_id: int | None = None) -> Principal:
    """The principal as far as the scope of an access token lets it act; None: the token has no limits of its own.

    token_id: of the access token that was shown.
    """
    scopes = principal.scopes if scope is None else (*principal.scopes, Scope(scope))
    return Principal._make((*principal[:-2], scopes, token_id))


def action(text: str) -> str:
    """One of ACTIONS. Raises FieldInvalid."""
    if text not in ACTIONS:
        raise FieldInvalid(f"there is no action {quoted(text)}", f"use one of {', '.join(ACTIONS)}")
    return text


def decide(principal: Principal, action: str, object: Object) -> Decision:
    """Whether the principal may do this to the object. It depends on nothing else."""
    needed = _needed(action, object)
    for rule in _DECIDING:
        found = rule(principal, needed, object)
        if found is not None:
            return found
    return _refused(principal, needed, object)


def explain(principal: Principal, action: str, object: Object) -> Explanation:
    """`decide`, with each step on the way to the decision."""
    needed = _needed(action, object)
    steps = [f"{principal} wants to {action} {object}"]
    if needed != action:
        steps.append(f"there is no such repository yet: that takes the right to {needed}")
    for rule, passed in _RULES:
        found = rule(principal, needed, object)
        if found is not None:
            return Explanation(found, [*steps, found.reason])
        steps.append(passed)
    refused = _refused(principal, needed, object)
    return Explanation(refused, [*steps, refused.reason])


def _needed(action: str, object: Object) -> str:
    """The first push creates."""
    return CREATE if action == PUSH and not object.exists else action


_STATES = {
    PENDING: "is pending: an administrator has to approve the account first",
    REVOKED: "shows a token that was revoked",
    EXPIRED: "shows a token that has expired",
}

# Each rule decides or leaves it to those that follow. The order counts: rules that take away come first.


def _state(principal: Principal, action: str, object: Object) -> Decision | None:
    if principal.state == ACTIVE:
        return None
    return Decision(False, f"{principal} {_STATES.get(principal.state, f'is {principal.state}')}")


def _scope(principal: Principal, action: str, object: Object) -> Decision | None:
    """An access token may pull what everyone may pull.

    A signed token may not, because the client can ask for another one.
    """
    asked, scopes = principal.asked, principal.scopes
    if asked is None and not scopes:
        return None
    if asked is None or _covers(asked, action, object):
        if all(_covers(scope, action, object) for scope in scopes):
            return None
        if action == PULL and object.name and decide(anonymous(principal.everyone, open=False), PULL, object).allowed:
            return Decision(True, f"everyone may pull {object}, so every token may")
    return Decision(False, f"the token's scope does not include {action} on {object}")


def _covers(scope: tuple[ScopeEntry, ...], action: str, object: Object) -> bool:
    """Patterns name repositories.

    A namespace or the whole registry is not a repository, though library/* would match their written form.

    Looking at a namespace and its members takes the action admin. A token to pull is for images only.
    """
    name = full(object.name) if object.name and object.namespace else None
    wanted = ADMIN if action == PULL and not object.name else action
    within = scope.within(object.namespace) if isinstance(scope, Scope) else scope
    return any(
        wanted in entry.actions and (entry.pattern is None or (name is not None and entry.pattern.matches(name)))
        for entry in within
    )


def _no_accounts(principal: Principal, action: str, object: Object) -> Decision | None:
    if not principal.open:
        return None
    if action in _OPEN[principal.everyone]:
        return Decision(True, f"everyone may {action} here")
    return Decision(False, f"anonymous access to this registry does not include {action}")


def _administrator(principal: Principal, action: str, object: Object) -> Decision | None:
    return Decision(True, f"{principal} administers the registry") if principal.administrator else None


def _own_namespace(principal: Principal, action: str, object: Object) -> Decision | None:
    if principal.kind == USER and principal.name == object.namespace and action in _OWNS:
        return Decision(True, f"the namespace is that of {principal}")
    return None


def _organization_owner(principal: Principal, action: str, object: Object) -> Decision | None:
    if principal.memberships.get(object.namespace) == OWNER and action in _OWNS:
        return Decision(True, f"{principal} is an owner of {object.namespace}")
    return None


def _grants(principal: Principal, action: str, object: Object) -> Decision | None:
    grants = principal.grants.get(object.namespace)
    if not grants or not object.name:
        return None
    name = full(object.name)
    for grant in grants:
        if action in RIGHTS[grant.right] and grant.pattern.matches(name):
            return Decision(True, f"the grant of {grant.right} on {grant.pattern.text} to {grant.via} allows it")
    return None


def _organization_member(principal: Principal, action: str, object: Object) -> Decision | None:
    if action == PULL and object.namespace in principal.memberships:
        return Decision(True, f"members of {object.namespace} may pull all of its repositories")
    return None


def _public(principal: Principal, action: str, object: Object) -> Decision | None:
    if action != PULL or not object.exists or object.visibility != PUBLIC:
        return None
    if principal.kind == ANONYMOUS and principal.everyone == "none":
        return None
    return Decision(True, f"{object} is public")


def _unowned_namespace(principal: Principal, action: str, object: Object) -> Decision | None:
    if object.held or principal.everyone != "push" or action not in _WRITES:
        return None
    if object.exists and object.visibility != PUBLIC:
        return None
    return Decision(True, f"nobody owns the namespace {object.namespace}, and auth.anonymous lets everyone push there")


_RULES = (
    (_state, "nothing is disabled"),
    (_scope, "no scope of a token forbids it"),
    (_no_accounts, "there are accounts, so their rules count"),
    (_administrator, "not an administrator of the registry"),
    (_own_namespace, "not the namespace of a user who asks for it"),
    (_organization_owner, "not an owner of the namespace's organization"),
    (_grants, "no grant covers it"),
    (_organization_member, "not what members of the organization may do"),
    (_public, "not a pull of a public repository by someone who may do that"),
    (_unowned_namespace, "not a namespace that is open to everyone"),
)
_DECIDING = tuple(rule for rule, _ in _RULES)


def _refused(principal: Principal, action: str, object: Object) -> Decision:
    rights = [right for right, actions in RIGHTS.items() if action in actions]
    if not rights or object == REGISTRY:
        return Decision(False, f"{action} is for administrators of the registry")
    if principal.kind == ANONYMOUS:
        return Decision(False, f"anonymous access does not include {action} on {object}")
    if not object.name:
        return Decision(False, f"{principal} does not own the {object}")
    return Decision(False, f"{principal} needs the right {rights[0]} on {object}")
