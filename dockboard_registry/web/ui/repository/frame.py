"""What all pages of a repository have: its name, tabs, and what the visitor may do there."""

from collections.abc import Sequence
from typing import Any

from ....domain.access import rule
from ....domain.access.rule import ADMIN, DELETE, OVERWRITE, PUSH
from ....domain.inspection.layer_uses import LayerUse, own_bytes
from ....domain.social.details import Details, details
from ....names import namespace_of
from ....wording import sized
from ...auth.permissions import sees_people
from .. import figures
from ..language import CHINESE
from ..markup import Markup
from ..visit import Visit


async def values_of(visit: Visit, tab: str = "", shown: Details | None = None) -> dict[str, Any]:
    """Values for templates that begin with repository/head.html. tab: the page that is shown. shown: what was read of
    the repository already. Raises NameUnknown.
    """
    name = visit.names["repository"]
    object = visit.object or (await visit.services.principals.facts(name)).object
    shown = shown or await details(visit.services.db, name, visit.principal)
    return {
        "repository": shown,
        "namespace": namespace_of(name),
        "tab": tab,
        "may": {
            each for each in (PUSH, OVERWRITE, DELETE, ADMIN) if rule.decide(visit.principal, each, object).allowed
        },
        "full_name": f"{visit.host}/{name}",
        "by": lambda who: pushed_by(visit, name, who),
        "words": lambda each: ("、" if visit.language == CHINESE else ", ").join(each),
        "own_bytes": own_bytes,
        "uses": lambda layers, size=None, whole=0, tall=False: uses_strip(visit, layers, size, whole, tall),
    }


def pushed_by(visit: Visit, repository: str, who: str | None) -> str:
    """Who pushed, for members of the namespace and administrators; for others the namespace. who: as in the audit."""
    if who is None:
        return ""
    return who.partition(" ")[2] or who if sees_people(visit.asker, repository) else namespace_of(repository)


def uses_strip(visit: Visit, layers: Sequence[LayerUse], size: int | None, whole: int, tall: bool) -> Markup:
    """The layers of an image, own ones in another colour. size: bytes of the image. whole: bytes of the full width."""
    total = sum(layer.size for layer in layers) if size is None else size
    label = visit.t("repository.strip", size=sized(total), own=sized(own_bytes(layers)))
    return figures.strip([(layer.size, "own" if layer.own else "shared") for layer in layers], label, whole, tall)
