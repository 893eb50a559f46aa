"""What all pages of a namespace begin with: its name, what it is to the visitor, and the ways to its other pages."""

from typing import NamedTuple

from .....domain.access import rule
from .....domain.access.rule import ADMIN, PULL
from ...visit import Visit

ORGANIZATION, USER = "organization", "user"
_MEMBERS = (("members", "namespace.members"), ("teams", "namespace.teams"))
_OWNERS = (("robots", "namespace.robots"),)
_HOLDERS = (("grants", "namespace.grants"), ("changes", "namespace.changes"), ("settings", "namespace.settings"))


class Head(NamedTuple):
    """says: what it is, and what the visitor is there. tabs: (path, words)."""

    name: str
    says: str
    tabs: list[tuple[str, str]]


def head(visit: Visit, name: str, kind: str) -> Head:
    """kind: ORGANIZATION, USER, or anything else for a namespace that nobody holds."""
    tabs = [("", "namespace.repositories")] if "/@{account}" in visit.paths else []
    tabs += _MEMBERS if kind == ORGANIZATION and belongs(visit, name) else ()
    if kind in (ORGANIZATION, USER) and owns(visit, name):
        tabs += (*(_OWNERS if kind == ORGANIZATION else ()), *_HOLDERS)
    return Head(name, _says(visit, name, kind), [(f"/@{name}/{page}".rstrip("/"), visit.t(id)) for page, id in tabs])


def belongs(visit: Visit, name: str) -> bool:
    """Whether the visitor sees who belongs to the namespace."""
    return rule.decide(visit.principal, PULL, rule.namespace(name)).allowed


def owns(visit: Visit, name: str) -> bool:
    """Whether the visitor may change the namespace."""
    return rule.decide(visit.principal, ADMIN, rule.namespace(name)).allowed


def _says(visit: Visit, name: str, kind: str) -> str:
    if kind == USER:
        return visit.t("namespace.user.own" if visit.principal.name == name else "namespace.user")
    if kind != ORGANIZATION:
        return visit.t("namespace.nobody")
    role = visit.principal.memberships.get(name)
    return visit.t(f"namespace.organization.{role}" if role else "namespace.organization")
