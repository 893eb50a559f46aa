"""What people added to a repository, as its pages show it."""

from collections.abc import Mapping
from typing import Any

from ....domain.access.rule import USER
from ....domain.repository_pages import Overview
from ...markdown.links import Pictures
from ...markdown.rendered import Rendered, Renderer
from ..markup import Markup
from ..visit import Visit

_DESCRIPTION = "org.opencontainers.image.description"
_renderer = Renderer("readme-")


async def values_of(visit: Visit, found: Overview, labels: Mapping[str, str]) -> dict[str, Any]:
    """Values for the parts of the overview. labels: labels and annotations of the image that is shown.

    A README that was written here goes before one that the image brings along.
    """
    written = found.readme
    brought = found.along
    shown = written or brought
    return {
        "readme": await html(visit, shown.text) if shown else None,
        "readme_at": written.updated_at if written else None,
        "brought": brought,
        "description": "" if shown else labels.get(_DESCRIPTION, ""),
        "comments": found.comments,
        "may_comment": may_comment(visit),
    }


async def html(visit: Visit, text: str) -> Rendered:
    """The README as HTML."""
    return _shown(visit, await _renderer.html(text, _pictures(visit), visit.language))


async def preview(visit: Visit, text: str) -> Rendered:
    """The same of a README that is not saved. Raises TooManyRequests."""
    return _shown(visit, await _renderer.preview(visit.principal.id, text, _pictures(visit)))


def _pictures(visit: Visit) -> Pictures:
    """Pictures are links, so that no page makes a browser ask another host, but for those of server.readme_images."""
    hosts = visit.services.config.server.readme_images
    return Pictures(lambda words: visit.t("added.picture", words=words), hosts)


def _shown(visit: Visit, made: Rendered) -> Rendered:
    if "<img" in made.html:
        visit.picture_hosts = visit.services.config.server.readme_images
    return made._replace(html=Markup(made.html))


def may_comment(visit: Visit) -> bool:
    """Whether the visitor is somebody who may write comments on what they see."""
    return visit.principal.kind == USER
