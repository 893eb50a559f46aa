"""The overview of a repository: how to get it, and what it is."""

from ....domain.access.rule import ADMIN, DELETE, OVERWRITE, PULL, PUSH
from ....domain.inspection.inspector import InspectedManifest
from ....domain.inspection.layer_uses import own_bytes
from ....http.messages import Response
from ...auth.permissions import PULLS_REPOSITORY
from .. import cookies
from ..repository import added, frame, pull_commands
from ..route import Page
from ..visit import Visit

_LABEL = "org.opencontainers.image."
_LABELS = ("licenses", "source", "documentation", "url", "vendor")
_RIGHTS = (PULL, PUSH, OVERWRITE, DELETE, ADMIN)


async def overview(visit: Visit) -> Response:
    name = visit.names["repository"]
    found = await visit.services.repository_pages.overview(name, visit.principal, visit.query("tag"))
    listed, shown = found.tags, found.shown
    missing = found.tag[:128] if shown is None else ""
    values = await frame.values_of(visit, "overview", found.about)
    return visit.page(
        "repository/overview.html",
        404 if missing else 200,
        **values,
        **await added.values_of(visit, found, shown.labels if shown else {}),
        title=name,
        alternate=f"/api/v1/repositories/{name.replace('/', '%2F')}",
        tags=listed.tags,
        total=listed.total,
        shown=shown,
        missing=missing,
        near=await visit.services.tag_lists.near(name, missing) if missing else [],
        commands=pull_commands.of(shown.kind, values["full_name"], found.tag, shown.digest) if shown else [],
        client=chosen_client(visit),
        private=values["repository"].visibility == "private",
        others=[tag for tag in shown.names if tag != found.tag] if shown else [],
        own=own_bytes(shown.image.layers) if shown and shown.image else 0,
        labels=_labels(shown),
        pulls=sum(tag.pulls for tag in listed.tags),
        rights=_rights(visit, values["may"]),
    )


def chosen_client(visit: Visit) -> str:
    """The client whose commands the visitor looked at last, as commands name it."""
    chosen = cookies.plain(visit.cookies, cookies.CLIENT)
    return "Kubernetes" if chosen == "kubernetes" else chosen


def _labels(shown: InspectedManifest | None) -> list[tuple[str, str]]:
    """What the image's labels say of it, and the annotations of its manifest. A text inside of one is the README."""
    said = shown.labels if shown else {}
    found = {name: said.get(_LABEL + name, "") for name in _LABELS}
    return [(name, value) for name, value in found.items() if value and not value.startswith("data:")]


def _rights(visit: Visit, may: set[str]) -> str:
    between = "、" if visit.language == "zh" else ", "
    return between.join(visit.t(f"repository.may.{each}") for each in _RIGHTS if each == PULL or each in may)


TABLE = (Page("/r/{repository}", PULLS_REPOSITORY, overview),)
