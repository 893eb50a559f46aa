"""The one permission rule. Every route of every API asks `decide` before it touches anything."""

from typing import NamedTuple

PULL, PUSH, DELETE, CATALOG = "pull", "push", "delete", "catalog"

_ANONYMOUS = {
    "none": frozenset(),
    "pull": frozenset({PULL, CATALOG}),
    "push": frozenset({PULL, CATALOG, PUSH, DELETE}),
}


class Principal(NamedTuple):
    """Who asks: a name for logs (empty for nobody in particular) and the actions granted everywhere."""

    name: str
    granted: frozenset


class Decision(NamedTuple):
    """allowed, and the reason in words that may be shown to the one who asked."""

    allowed: bool
    reason: str


def anonymous(level: str) -> Principal:
    """The principal of a request without credentials; level is the setting auth.anonymous."""
    return Principal("", _ANONYMOUS[level])


def decide(principal: Principal, action: str, object: str) -> Decision:
    """May the principal do this to the object (a repository name, or * for the whole registry)? Pure: depends on nothing else."""
    if action in principal.granted:
        return Decision(True, f"everyone may {action} here")
    return Decision(False, f"anonymous access to this registry does not include {action}")
