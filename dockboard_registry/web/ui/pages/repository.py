"""The overview of a repository: how to get it, and what it is."""

from ....domain.access.rule import ADMIN, DELETE, OVERWRITE, PULL, PUSH
from ....domain.inspection.inspector import InspectedManifest
from ....domain.inspection.layer_uses import own_bytes
from ....domain.inspection.tag_list import ListedTag, TagQuery
from ....errors import ManifestUnknown
from ....http.messages import Response
from ....names import Reference
from ...auth.permissions import PULLS_REPOSITORY
from .. import cookies
from ..repository import added, frame, pull_commands
from ..route import Page
from ..visit import Visit

_TAGS = 20
_LABEL = "org.opencontainers.image."
_LABELS = ("licenses", "source", "documentation", "url", "vendor")
_RIGHTS = (PULL, PUSH, OVERWRITE, DELETE, ADMIN)


async def overview(visit: Visit) -> Response:
    values = await frame.values_of(visit, "overview")
    name = values["repository"].name
    listed = await visit.services.tag_lists.page(name, TagQuery(limit=_TAGS))
    wanted = visit.query("tag") or _usual(listed.tags)
    shown, missing = await _inspected(visit, name, wanted)
    kind = shown.kind if shown else ""
    return visit.page(
        "repository/overview.html",
        404 if missing else 200,
        **values,
        **await added.values_of(visit, values["repository"], _said(shown)),
        title=name,
        alternate=f"/api/v1/repositories/{name.replace('/', '%2F')}",
        tags=listed.tags,
        total=listed.total,
        shown=shown,
        missing=missing,
        commands=pull_commands.of(kind, values["full_name"], wanted, shown.digest) if shown else [],
        client=chosen_client(visit),
        private=values["repository"].visibility == "private",
        others=[tag for tag in shown.names if tag != wanted] if shown else [],
        own=own_bytes(shown.image.layers) if shown and shown.image else 0,
        labels=_labels(shown),
        pulls=sum(tag.pulls for tag in listed.tags),
        rights=_rights(visit, values["may"]),
    )


def chosen_client(visit: Visit) -> str:
    """The client whose commands the visitor looked at last, as commands name it."""
    chosen = cookies.plain(visit.cookies, cookies.CLIENT)
    return "Kubernetes" if chosen == "kubernetes" else chosen


def _usual(tags: list[ListedTag]) -> str:
    """The tag that is shown first: latest, or the last pushed one."""
    names = [tag.name for tag in tags]
    return "latest" if "latest" in names else next(iter(names), "")


async def _inspected(visit: Visit, name: str, tag: str) -> tuple[InspectedManifest | None, str]:
    """What the tag points to; or the tag, if there is none of that name."""
    if not tag:
        return None, ""
    try:
        return await visit.services.inspector.inspect(name, Reference(tag, None)), ""
    except ManifestUnknown:
        return None, tag[:128]


def _labels(shown: InspectedManifest | None) -> list[tuple[str, str]]:
    """What the image's labels say of it, and the annotations of its manifest."""
    found = _said(shown)
    return [(name, found[_LABEL + name]) for name in _LABELS if found.get(_LABEL + name)]


def _said(shown: InspectedManifest | None) -> dict[str, str]:
    """Labels of the image, and annotations of its manifest."""
    if shown is None:
        return {}
    config = shown.image.config if shown.image else None
    return dict(config.labels if config else ()) | dict(shown.content.annotations if shown.content else {})


def _rights(visit: Visit, may: set[str]) -> str:
    between = "、" if visit.language == "zh" else ", "
    return between.join(visit.t(f"repository.may.{each}") for each in _RIGHTS if each == PULL or each in may)


TABLE = (Page("/r/{repository}", PULLS_REPOSITORY, overview),)
