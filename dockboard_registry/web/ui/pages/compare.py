"""/r/NAME/-/compare: what differs between two images."""

from os.path import commonprefix
from typing import NamedTuple
from urllib.parse import quote, urlencode

from ....domain.inspection import comparison
from ....domain.inspection.comparison import ADDED, CHANGED, Comparison, Difference
from ....domain.inspection.sboms import PackageDifferences
from ....domain.inspection.tag_list import TagQuery
from ....errors import RegistryError
from ....http.messages import Response
from ....wording import sized
from ...auth.permissions import PULLS_REPOSITORY
from ...comparing import LONGEST, Side, common_platforms, compared, packages_compared, read_side
from .. import figures
from ..markup import Markup, escape
from ..parts import Choice
from ..repository import frame
from ..route import Page
from ..visit import Visit

_SECTIONS = ("configuration", "environment", "labels")
# How the table of differences shows each kind of change.
_CLASSES = {CHANGED: "turn", ADDED: "plus", comparison.REMOVED: "minus", comparison.SAME: ""}
# Values of this length are marked as a whole.
_LONG_VALUE = 2000


class Section(NamedTuple):
    """A row: change, what, before, after. same: how many entries are equal. omitted: how many rows are left out."""

    heading: str
    rows: list[tuple]
    same: int
    omitted: int = 0


async def compare(visit: Visit) -> Response:
    values = await frame.values_of(visit, "tags")
    name = values["repository"].name
    texts, platform = [visit.query(each)[:LONGEST] for each in ("from", "to")], visit.query("platform")[:100]
    sides, problem = [], None
    try:
        sides = [await read_side(visit.asker, visit.host, name, text, platform) for text in texts if text]
    except RegistryError as error:
        problem = error
    found = compared(sides) if len(sides) == 2 else None
    packages = await packages_compared(visit.services.attached_packages, sides) if found else None
    listed = await visit.services.tag_lists.page(name, TagQuery(limit=20))
    return visit.page(
        "repository/compare.html",
        404 if problem else 200,
        **values,
        title=visit.t("compare.title", name=name),
        alternate=_in_api(name, texts, platform) if found else "",
        texts=texts,
        unknown=problem,
        sides=sides,
        result=found,
        same=len(sides) == 2 and sides[0].found.digest == sides[1].found.digest,
        platforms=[Choice(each, each) for each in common_platforms(sides)],
        platform=platform,
        tags=[tag.name for tag in listed.tags],
        strips=_strips(visit, sides, found) if found else [],
        sections=[*_sections(visit, found), *_of_packages(visit, packages)] if found else [],
        classes=_CLASSES,
    )


def _in_api(name: str, texts: list[str], platform: str) -> str:
    asked = {"from": texts[0], "to": texts[1]} | ({"platform": platform} if platform else {})
    return f"/api/v1/repositories/{quote(name, safe='')}/comparison?{urlencode(asked)}"


def _strips(visit: Visit, sides: list[Side], found: Comparison) -> list[Markup]:
    """Both to one scale: layers in both, and those in one only."""
    whole = max(found.before_size, found.after_size)
    return [
        figures.strip(
            [(size, "shared" if both else alone) for size, both in comparison.strip_of(side.found.image, found.common)],
            visit.t("compare.strip", name=side.text, n=len(found.common)),
            whole,
            True,
        )
        for side, alone in zip(sides, ("trash", "own"))
    ]


def _of_packages(visit: Visit, found: PackageDifferences | None) -> list[Section]:
    if found is None:
        return []
    rows = [(each.change, each.name, *marked(each)) for each in found.shown]
    return [Section(visit.t("compare.section.packages"), rows, found.same, found.omitted)]


def _sections(visit: Visit, result: Comparison) -> list[Section]:
    found = []
    for name in _SECTIONS:
        differences = getattr(result, name)
        rows = [(each.change, _named(visit, name, each.name), *marked(each)) for each in differences]
        found.append(Section(visit.t(f"compare.section.{name}"), rows, result.same[name]))
    layers = [
        (each.change, each.name, _size(each.before), _size(each.after))
        for each in result.layers
        if each.change != comparison.SAME
    ]
    return [*found, Section(visit.t("compare.section.layers"), layers, result.same["layers"])]


def _named(visit: Visit, section: str, name: str) -> str:
    if section != "configuration":
        return name
    kind, _, rest = name.partition(" ")
    return f"{visit.t('config.' + kind)} {rest}".strip()


def _size(size: int | None) -> str:
    return "" if size is None else sized(size)


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
