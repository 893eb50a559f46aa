"""/r/NAME:TAG and /r/NAME@DIGEST: one tag or manifest in full, and its bytes."""

from ....domain.inspection import kinds
from ....domain.inspection.image_config import ImageConfig
from ....domain.inspection.inspector import InspectedManifest, Platform
from ....domain.inspection.layer_uses import own_bytes
from ....errors import ManifestUnknown
from ....http.messages import Response
from ....names import Reference
from ...auth.permissions import PULLS_REPOSITORY
from ..repository import frame, pull_commands
from ..route import Page
from ..visit import Visit
from .repository import chosen_client

# Longer manifests are not shown, but downloaded. Shorter ones than the second are open at once.
_MOST_RAW, _OPEN_RAW = 256 << 10, 4 << 10


async def manifest(visit: Visit) -> Response:
    name, tag, digest = visit.names["repository"], visit.names.get("tag"), visit.names.get("digest")
    try:
        about, found, inside = await visit.services.repository_pages.manifest(
            name,
            visit.principal,
            Reference(tag if not digest else None, digest),
            visit.query("platform")[:100],
            visit.query("after")[:135],
        )
        now = await _now(visit, name, tag, digest)
    except ManifestUnknown:
        return await _missing(visit, tag or digest)
    values, shown = await frame.values_of(visit, "manifest", about), _shown(found)
    return visit.page(
        "repository/manifest.html",
        **values,
        title=f"{name}:{tag}" if tag else f"{name}@{found.digest[:19]}",
        found=found,
        tag=tag,
        now=now,
        others=[each for each in found.names if each != tag],
        commands=pull_commands.of(found.kind, values["full_name"], tag if not digest else "", found.digest),
        pinned=pull_commands.of(found.kind, values["full_name"], "", found.digest)[0][1],
        client=chosen_client(visit),
        shown=shown,
        about=shown.child.platform if shown else "",
        image=found.image,
        own=own_bytes(found.image.layers) if found.image else 0,
        is_image=found.image is not None and found.image.content.kind == kinds.IMAGE,
        inside=inside,
        chart=[(visit.t(f"chart.{name}"), values) for name, values in inside.artifact.chart],
        configuration=_configuration(visit, found.image.config) if found.image and found.image.config else [],
        annotations=sorted(found.content.annotations.items()) if found.content else [],
        places={each.child.digest: each.child.platform for each in found.platforms},
        raw=_raw(found.body),
        open_raw=found.size <= _OPEN_RAW,
        alternate=f"/api/v1/repositories/{name.replace('/', '%2F')}/manifests/{found.digest}",
    )


async def _now(visit: Visit, name: str, tag: str | None, digest: str | None) -> str:
    """Of NAME:TAG@DIGEST, where the tag points now, if that is elsewhere. Raises ManifestUnknown."""
    if not tag or not digest:
        return ""
    pointed = await visit.services.tags.pointed(name, tag)
    return "" if pointed == digest else pointed


async def _missing(visit: Visit, reference: str | None) -> Response:
    """The repository is there, and the tag is not."""
    values = await frame.values_of(visit, "manifest")
    near = await visit.services.tag_lists.near(values["repository"].name, visit.names.get("tag") or "")
    return visit.page(
        "repository/missing.html",
        404,
        **values,
        title=visit.t("manifest.missing.title"),
        missing=reference,
        near=near,
    )


def _shown(found: InspectedManifest) -> Platform | None:
    """The platform of an index that is shown."""
    return next((each for each in found.platforms if found.image and each.child.digest == found.image.digest), None)


def _configuration(visit: Visit, config: ImageConfig) -> list[tuple[str, list[str]]]:
    """What a container of the image runs, as (what, values)."""
    entries = (
        ("entrypoint", [_list(config.entrypoint)]),
        ("cmd", [_list(config.cmd)]),
        ("user", [config.user]),
        ("workdir", [config.working_dir]),
        ("ports", list(config.ports)),
        ("volumes", list(config.volumes)),
        ("stop", [config.stop_signal]),
        ("health", [_list(config.healthcheck)]),
        ("author", [config.author]),
        ("environment", [f"{name}={value}" for name, value in config.env]),
    )
    return [(visit.t(f"config.{name}"), values) for name, values in entries if any(values)]


def _list(words: tuple[str, ...]) -> str:
    """Words as in a Dockerfile."""
    quoted = (word.replace("\\", "\\\\").replace('"', '\\"') for word in words)
    return "[" + ", ".join(f'"{word}"' for word in quoted) + "]" if words else ""


def _raw(body: bytes | None) -> str:
    return "" if body is None or len(body) > _MOST_RAW else body.decode("utf-8", "backslashreplace")


async def download(visit: Visit) -> Response:
    """The bytes of a manifest, as they were pushed."""
    name, digest = visit.names["repository"], visit.names["digest"]
    body = await visit.services.manifests.bytes_of(name, digest)
    return visit.download(body, f"{name.replace('/', '-')}-{digest.partition(':')[2][:12]}.json")


TABLE = (
    Page("/r/{repository}:{tag}", PULLS_REPOSITORY, manifest),
    Page("/r/{repository}@{digest}", PULLS_REPOSITORY, manifest),
    Page("/r/{repository}:{tag}@{digest}", PULLS_REPOSITORY, manifest),
    Page("/r/{repository}@{digest}/-/manifest", PULLS_REPOSITORY, download),
)
