"""/r/NAME/-/compare: what differs between two images."""

from os.path import commonprefix
from typing import NamedTuple

from ....domain.access.rule import PULL
from ....domain.inspection import comparison, kinds
from ....domain.inspection.comparison import ADDED, CHANGED, Comparison, Difference
from ....domain.inspection.inspector import InspectedManifest
from ....domain.inspection.tag_list import TagQuery
from ....errors import BadRequest, NameUnknown, RegistryError
from ....http.messages import Response
from ....names import Reference, is_digest, repository_name
from ....names import tag as tag_name
from ...auth.permissions import PULLS_REPOSITORY, require
from .. import figures
from ..markup import Markup, escape
from ..parts import Choice
from ..repository import frame
from ..route import Page
from ..visit import Visit

_LONGEST = 520
_COMMANDS = ("docker pull ", "podman pull ")
_SECTIONS = ("configuration", "environment", "labels")
# How the table of differences shows each kind of change.
_CLASSES = {CHANGED: "turn", ADDED: "plus", comparison.REMOVED: "minus", comparison.SAME: ""}
# Values of this length are marked as a whole.
_LONG_VALUE = 2000


class Side(NamedTuple):
    """One of the two. text: as it was typed."""

    text: str
    name: str
    found: InspectedManifest


async def compare(visit: Visit) -> Response:
    values = await frame.values_of(visit, "tags")
    name = values["repository"].name
    texts = [visit.query(side)[:_LONGEST] for side in ("from", "to")]
    sides, problem = [], None
    try:
        sides = [await _side(visit, name, text) for text in texts if text]
    except RegistryError as error:
        problem = error
    result = _result(sides) if len(sides) == 2 else None
    listed = await visit.services.tag_lists.page(name, TagQuery(limit=20))
    return visit.page(
        "repository/compare.html",
        404 if problem else 200,
        **values,
        title=visit.t("compare.title", name=name),
        texts=texts,
        unknown=problem,
        sides=sides,
        result=result,
        same=len(sides) == 2 and sides[0].found.digest == sides[1].found.digest,
        platforms=[Choice(each, each) for each in _platforms(sides)],
        platform=visit.query("platform"),
        tags=[tag.name for tag in listed.tags],
        strips=_strips(visit, sides, result) if result else [],
        sections=_sections(visit, result) if result else [],
        classes=_CLASSES,
    )


async def _side(visit: Visit, name: str, text: str) -> Side:
    """Raises BadRequest, NameUnknown, ManifestUnknown."""
    repository, reference = _parsed(text.removeprefix(f"{visit.host}/"), name)
    if repository != name:
        object = (await visit.services.principals.facts(repository)).object
        try:
            require(visit.asker, PULL, object, NameUnknown(name=repository))
        except RegistryError as error:
            raise NameUnknown(name=repository) from error
    found = await visit.services.inspector.inspect(repository, reference, visit.query("platform")[:100])
    return Side(text, repository, found)


def _parsed(text: str, name: str) -> tuple[str, Reference]:
    """Repository and reference of a tag, a digest or a whole reference. Raises RegistryError."""
    for command in _COMMANDS:
        text = text.removeprefix(command)
    if is_digest(text):
        return name, Reference(None, text)
    whole, _, digest = text.partition("@")
    if "/" not in whole and ":" not in whole and not digest:
        return name, Reference(tag_name(whole), None)
    repository, colon, tag = whole.partition(":")
    if not digest and not colon:
        raise BadRequest("this is no tag, no digest and no whole reference", "write one as NAME:TAG or NAME@DIGEST")
    return repository_name(repository or name), Reference(None, digest) if digest else Reference(tag_name(tag), None)


def _result(sides: list[Side]) -> Comparison | None:
    """None if one of them is no image."""
    images = [side.found.image for side in sides]
    if any(image is None or image.content.kind not in (kinds.IMAGE,) for image in images):
        return None
    return comparison.compare(*images)


def _platforms(sides: list[Side]) -> list[str]:
    """Those that both have."""
    each = [[platform.child.platform for platform in side.found.platforms] for side in sides]
    return [name for name in each[0] if name and name in each[1]] if len(each) == 2 else []


def _strips(visit: Visit, sides: list[Side], result: Comparison) -> list[Markup]:
    """Both to one scale: layers in both, and those in one only."""
    whole = max(result.before_size, result.after_size)
    return [
        figures.strip(
            [
                (size, "shared" if both else alone)
                for size, both in comparison.strip_of(side.found.image, result.common)
            ],
            visit.t("compare.strip", name=side.text, n=len(result.common)),
            whole,
            True,
        )
        for side, alone in zip(sides, ("trash", "own"))
    ]


def _sections(visit: Visit, result: Comparison) -> list[tuple[str, list[tuple], int]]:
    """Title, rows and the number of equal entries. A row: change, what, before, after."""
    found = []
    for name in _SECTIONS:
        differences = getattr(result, name)
        rows = [(each.change, _named(visit, name, each.name), *marked(each)) for each in differences]
        found.append((visit.t(f"compare.section.{name}"), rows, result.same[name]))
    layers = [
        (each.change, each.name, _size(each.before), _size(each.after))
        for each in result.layers
        if each.change != comparison.SAME
    ]
    return [*found, (visit.t("compare.section.layers"), layers, result.same["layers"])]


def _named(visit: Visit, section: str, name: str) -> str:
    if section != "configuration":
        return name
    kind, _, rest = name.partition(" ")
    return f"{visit.t('config.' + kind)} {rest}".strip()


def _size(size: int | None) -> str:
    return "" if size is None else figures.size(size)


def marked(difference: Difference) -> tuple[Markup, Markup]:
    """Both values, with the part that differs marked."""
    before, after = difference.before or "", difference.after or ""
    if difference.change != CHANGED or max(len(before), len(after)) > _LONG_VALUE:
        return Markup(escape(before)), Markup(escape(after))
    start = len(commonprefix([before, after]))
    end = min(len(commonprefix([before[start:][::-1], after[start:][::-1]])), len(before) - start, len(after) - start)
    return _marked(before, start, end, "del"), _marked(after, start, end, "ins")


def _marked(text: str, start: int, end: int, tag: str) -> Markup:
    middle = text[start : len(text) - end]
    inside = f"<{tag}>{escape(middle)}</{tag}>" if middle else ""
    return Markup(f"{escape(text[:start])}{inside}{escape(text[len(text) - end :])}")


TABLE = (Page("/r/{repository}/-/compare", PULLS_REPOSITORY, compare),)
