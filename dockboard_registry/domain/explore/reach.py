"""Where to look for the repositories that somebody may pull.

A list does not ask the permission rule about every repository of the registry. It looks at those that the principal's
rights point to: the public ones, and those that grants, memberships and scopes name. These may be too many, never too
few. The rule decides about each one that is found.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..access import rule
from ..access.patterns import Pattern
from ..access.rule import ACTIVE, ANONYMOUS, PRIVATE, PULL, USER, Principal, ScopeEntry, decide

# A namespace with more patterns is looked through as a whole: each row would be compared with each of them.
_MOST_PATTERNS = 16


class Spaces(NamedTuple):
    """by_name: the patterns in each namespace; an empty tuple stands for all of the namespace.

    exact: the conditions in SQL (conditions.py) find no more than the patterns name.
    """

    by_name: dict[str, tuple[Pattern, ...]]
    exact: bool = True


class Reach(NamedTuple):
    """everything: all repositories. public: all public ones. spaces: patterns by namespace, as in Spaces. exact: the
    principal may pull all of them.
    """

    everything: bool = False
    public: bool = False
    spaces: dict[str, tuple[Pattern, ...]] = {}
    exact: bool = True


def of(principal: Principal) -> Reach:
    if principal.state != ACTIVE:
        return Reach()
    if principal.open:
        return Reach(everything=decide(principal, PULL, rule.repository("any/name", True, PRIVATE)).allowed)
    own = Reach(True) if principal.administrator else _by_rights(principal)
    limits = [scope for scope in (principal.asked, *principal.scopes) if scope is not None]
    return _limited(own, limits, principal) if limits else own


def _by_rights(principal: Principal) -> Reach:
    """What the principal has, whatever the limits of a token."""
    granted, exact = _spaces(grant.pattern for grants in principal.grants.values() for grant in grants)
    own = [principal.name] if principal.kind == USER else []
    spaces = granted | dict.fromkeys([*principal.memberships, *own], ())
    return Reach(False, principal.kind != ANONYMOUS or principal.everyone != "none", spaces, exact)


def _limited(own: Reach, limits: Iterable[Sequence[ScopeEntry]], principal: Principal) -> Reach:
    """What all the limits of a token name, and what everyone may pull."""
    found: Reach = own
    for scope in limits:
        patterns = [entry.pattern for entry in scope if PULL in entry.actions]
        if None in patterns:
            continue
        spaces, exact = _spaces(pattern for pattern in patterns if pattern is not None)
        if not found.everything:
            # What is public may be named by the limit alone.
            spaces = {name: some for name, some in spaces.items() if found.public or name in found.spaces}
        found = Reach(False, found.public and not found.everything, spaces, exact and found.everything)
    if found is own:
        return own
    return found._replace(public=principal.asked is None and principal.everyone != "none")


def _spaces(patterns: Iterable[Pattern]) -> Spaces:
    found: dict[str, dict[str, Pattern]] = {}
    for pattern in patterns:
        found.setdefault(pattern.namespace, {})[pattern.text] = pattern
    spaces, exact = {}, True
    for namespace, some in found.items():
        whole = f"{namespace}/**" in some
        many = sum("*" in text for text in some) > _MOST_PATTERNS
        spaces[namespace] = () if whole or many else tuple(some.values())
        exact = exact and (whole or not many and all(map(_is_exact, some)))
    return Spaces(spaces, exact)


def _is_exact(pattern: str) -> bool:
    return "**" not in pattern or pattern.count("*") == 2
