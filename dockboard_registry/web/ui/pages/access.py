"""/r/NAME/-/access: who can do what in a repository, giving and taking rights, and why somebody may do something."""

from typing import NamedTuple

from ....domain.access import patterns, rule
from ....domain.access.rule import ADMIN, DELETE, MEMBER, OVERWRITE, OWNER, PUBLIC, PULL, PUSH, READ, RIGHTS
from ....domain.rights import effective_rights, explanations
from ....domain.rights.effective_rights import RepositoryAccess
from ....domain.rights.grants import ListedGrant
from ....errors import AccountUnknown, FieldInvalid, RegistryError
from ....http.messages import Response
from ....names import namespace_of
from ...auth.permissions import PATTERN_ADMIN, REPOSITORY_ADMIN
from ..parts import Choice
from ..repository import frame
from ..route import Page
from ..visit import Visit
from .namespace.grants import GRANT_DEEDS, give_or_take, right_choices
from .shared import deeds, listing

_ROWS = 50
_ACTIONS = (PULL, PUSH, OVERWRITE, DELETE, ADMIN)


class Row(NamedTuple):
    """kind: of the account, or how many there are. may: for each of the actions. by: what gives the right.

    grant: where it may be taken back here. elsewhere: it is on a pattern, in the list of the namespace. mark: whether
    it is one account.
    """

    name: str
    kind: str
    may: list[bool]
    by: str
    grant: ListedGrant | None = None
    elsewhere: bool = False
    mark: bool = True


class Answer(NamedTuple):
    """Why somebody may do something, or may not. steps: that pass the question on; the last one decides."""

    asked: str
    allowed: bool
    steps: list[str]


async def show(visit: Visit) -> Response:
    name, after = visit.names["repository"], visit.query("after")
    values = await frame.values_of(visit, "access")
    access = await effective_rights.access(visit.services.db, name, after, _ROWS)
    answer, wrong = await _explained(visit, name)
    return visit.page(
        "access.html",
        **values,
        title=visit.t("access.title", name=name),
        name=name,
        rows=_rows(visit, access, values["repository"].visibility == PUBLIC, bool(after)),
        actions=_ACTIONS,
        pager=listing.following(visit, len(access.grants), after, access.later),
        rights=right_choices(visit),
        choices=[Choice(action, visit.t(f"action.{action}")) for action in _ACTIONS],
        who=visit.query("who"),
        asked_action=visit.query("action", PULL),
        answer=answer,
        wrong=wrong,
        alternate=f"/api/v1/repositories/{name.replace('/', '%2F')}/rights",
    )


def _rows(visit: Visit, access: RepositoryAccess, public: bool, grants_only: bool) -> list[Row]:
    """Who has rights: by the namespace, then by grants, then everybody. Further pages have grants alone."""
    name = visit.names["repository"]
    rows = [] if grants_only else _of_namespace(visit, access, namespace_of(name))
    for grant in access.grants:
        kind, _, holder = grant.holder.partition(":")
        here = grant.pattern == name
        by = visit.t("access.by.grant", right=visit.t(f"right.{grant.right}"), pattern=grant.pattern)
        rows.append(Row(holder, visit.t(f"kind.{kind}"), _may(grant.right), by, grant if here else None, not here))
    if not grants_only:
        by = visit.t("access.by.public" if public else "access.by.private")
        rows.append(Row(visit.t("access.everyone"), "", _may(READ if public else ""), by, mark=False))
    return rows


def _of_namespace(visit: Visit, access: RepositoryAccess, namespace: str) -> list[Row]:
    owners = [access.owner] if access.owner else access.owners
    rows = [
        Row(owner, visit.t("kind.user"), _may(ADMIN), visit.t(f"access.by.{OWNER}", name=namespace)) for owner in owners
    ]
    if access.owner_count > len(access.owners):
        further = visit.t("access.owners", n=access.owner_count - len(access.owners))
        rows.append(Row(further, "", _may(ADMIN), visit.t(f"access.by.{OWNER}", name=namespace), mark=False))
    if access.member_count:
        members = visit.t("access.members", name=namespace)
        count = visit.t("access.people", n=access.member_count)
        rows.append(Row(members, count, _may(READ), visit.t(f"access.by.{MEMBER}", name=namespace), mark=False))
    return rows


def _may(right: str) -> list[bool]:
    return [action in RIGHTS.get(right, ()) for action in _ACTIONS]


async def _explained(visit: Visit, name: str) -> tuple[Answer | None, RegistryError | None]:
    """The answer to the question in the address, or what is wrong with it."""
    who, action = visit.query("who"), visit.query("action", PULL)
    if not who:
        return None, None
    object = (await visit.services.principals.facts(name)).object
    try:
        rule.action(action)
        found = await explanations.explain(visit.services.principals, visit.principal, who, action, object)
    except (AccountUnknown, FieldInvalid) as error:
        return None, error
    return Answer(found.steps[0], found.decision.allowed, found.steps[1:]), None


async def change(visit: Visit) -> Response:
    """Who administers a repository gives rights on it alone; on patterns with *, whoever owns the namespace."""
    name, pattern = visit.names["repository"], visit.form.text("pattern")
    with deeds.about(visit, "pattern"):
        if patterns.full(patterns.parse(pattern).text) != patterns.full(name):
            await PATTERN_ADMIN.check(visit.asker, {"pattern": pattern})
    return await give_or_take(visit, visit.repository_url(name, "access"))


TABLE = (Page("/r/{repository}/-/access", REPOSITORY_ADMIN, show, change, GRANT_DEEDS, private=True),)
