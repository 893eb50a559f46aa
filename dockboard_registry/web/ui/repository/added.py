"""What people added to a repository, as its pages show it."""

from collections.abc import Mapping
from typing import Any

from ....domain.access.rule import USER
from ....domain.social.details import Details
from ...markdown.links import Pictures
from ...markdown.rendered import Rendered, Renderer
from ..markup import Markup
from ..visit import Visit

# Comments on the overview. All of them have a page of their own.
_COMMENTS = 3
_DESCRIPTION = "org.opencontainers.image.description"
_renderer = Renderer("readme-")


async def values_of(visit: Visit, repository: Details, labels: Mapping[str, str]) -> dict[str, Any]:
    """Values for the parts of the overview. labels: labels and annotations of the image that is shown."""
    people, name = visit.services.people, repository.name
    written = await people.readmes.get(name)
    comments = await people.comments.list(name, limit=_COMMENTS) if repository.comments else []
    return {
        "readme": await html(visit, written.text) if written else None,
        "readme_at": written.updated_at if written else None,
        "description": "" if written else labels.get(_DESCRIPTION, ""),
        "comments": comments,
        "may_comment": may_comment(visit),
    }


async def html(visit: Visit, text: str) -> Rendered:
    """Markdown as HTML for a page. Pictures are links, so that no page makes a browser ask another host, but for those
    of server.readme_images.
    """
    hosts = visit.services.config.server.readme_images
    pictures = Pictures(lambda words: visit.t("added.picture", words=words), hosts)
    found = await _renderer.html(text, pictures, visit.language)
    if "<img" in found.html:
        visit.picture_hosts = hosts
    return found._replace(html=Markup(found.html))


def may_comment(visit: Visit) -> bool:
    """Whether the visitor is somebody who may write comments on what they see."""
    return visit.principal.kind == USER
