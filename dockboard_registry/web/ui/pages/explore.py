"""Finding repositories: / has all that the visitor may pull, /@NAME those of a user or an organization."""

from typing import NamedTuple

from ....domain.access import rule
from ....domain.access.rule import PULL
from ....domain.accounts.namespaces import Namespace
from ....domain.explore.lists import SORTS, Wanted
from ....domain.quotas.quota_settings import Kept
from ....errors import AccountUnknown
from ....http.messages import Response
from ...auth.permissions import EVERYONE
from ..repository.frame import pushed_by
from ..route import Page
from ..visit import Visit
from .namespace import head
from .shared import repositories

_STARS = 6


class _Space(NamedTuple):
    """A namespace of the visitor. role: id of the sentence that says what they are there."""

    name: str
    role: str


class _About(NamedTuple):
    """What stands beside a namespace's repositories. visibility: what first pushes make."""

    kept: Kept
    members: int
    visibility: str


async def explore(visit: Visit) -> Response:
    filter = repositories.asked(visit)
    found, total = await repositories.page(visit, filter)
    nothing = not found.items and not filter.is_filtered and not filter.namespace and not visit.query("after")
    if nothing and not visit.signed_in and not visit.principal.open:
        return _nothing_public(visit)
    return visit.page(
        "explore.html",
        title=visit.t("explore.title"),
        repositories=found.items,
        filter=filter,
        sorts=SORTS,
        kinds=repositories.words(filter),
        platforms=repositories.platforms(filter),
        short_platforms=repositories.short_platforms,
        layers=repositories.strips(visit),
        total=total,
        nothing_yet=nothing,
        pager=repositories.pager(visit, filter, found, total),
        starred=await _starred(visit),
        lately=await visit.services.lately.of(visit.principal),
        by=lambda each: pushed_by(visit, each.repository, each.actor),
        spaces=_spaces(visit),
        own=f"{visit.principal.name}/app:v1" if visit.principal.kind == rule.USER else "app:v1",
        alternate="/api/v1/repositories",
    )


def _nothing_public(visit: Visit) -> Response:
    """Nobody in particular sees anything here. The page has the form to sign in."""
    return visit.page("nothing_public.html", title=visit.t("explore.nothing.public"), width="slim")


async def _starred(visit: Visit) -> list:
    if visit.principal.kind != rule.USER:
        return []
    return await visit.services.people.stars.list(visit.principal, "", _STARS)


def _spaces(visit: Visit) -> list[_Space]:
    principal = visit.principal
    own = [_Space(principal.name, "explore.yours")] if principal.kind == rule.USER else []
    return own + [_Space(name, f"explore.role.{role}") for name, role in sorted(principal.memberships.items())]


async def namespace(visit: Visit) -> Response:
    """The repositories of a user or an organization. Raises AccountUnknown, also for who may see nothing of it."""
    name = visit.names["account"]
    filter = repositories.asked(visit)._replace(namespace=name)
    held = await _held(visit, name)
    found, total = await repositories.page(visit, filter)
    return visit.page(
        "namespace/repositories.html",
        title=name,
        head=head.head(visit, name, held.kind if held else ""),
        repositories=found.items,
        filter=filter,
        sorts=SORTS,
        short_platforms=repositories.short_platforms,
        layers=repositories.strips(visit),
        total=total,
        pager=repositories.pager(visit, filter, found, total),
        pushes=head.owns(visit, name),
        about=await _about(visit, held),
        alternate=f"/api/v1/repositories?namespace={name}",
    )


async def _about(visit: Visit, held: Namespace | None) -> _About | None:
    """For who belongs to the namespace. None for others, and where it is nobody's."""
    if held is None or held.kind not in (head.ORGANIZATION, head.USER) or not head.belongs(visit, held.name):
        return None
    people = visit.services.people
    members = await people.lists.count_members(held.name) if held.kind == head.ORGANIZATION else 0
    return _About(await people.quotas.kept(held.name), members, held.default_visibility)


async def _held(visit: Visit, name: str) -> Namespace | None:
    """The namespace; None if nobody holds it. Raises AccountUnknown for who does not belong to it and may pull none of
    its repositories.
    """
    try:
        held = await visit.services.people.repository_settings.namespace(name)
    except AccountUnknown:
        held = None
    if held and rule.decide(visit.principal, PULL, rule.namespace(name)).allowed:
        return held
    if not (await visit.services.lists.page(visit.principal, Wanted(limit=1, namespace=name))).items:
        raise AccountUnknown
    return held


TABLE = (Page("/", EVERYONE, explore), Page("/@{account}", EVERYONE, namespace))
