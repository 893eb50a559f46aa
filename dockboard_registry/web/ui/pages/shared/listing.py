"""Lists as pages show them: what the address asks for, and the links to the pages before and behind."""

from typing import NamedTuple

from .....domain.sorted_list import MOST_COUNTED, Page
from ...visit import Visit

ROWS = (25, 50, 100)


class Asked(NamedTuple):
    """part: of a name. order: what the list is sorted by. key: where the page begins, or ends if `before`."""

    part: str
    order: str
    key: str
    before: bool
    rows: int


class Pager(NamedTuple):
    """Addresses of other pages, empty where there is none. total: how many rows there are, in words."""

    first: str
    earlier: str
    later: str
    total: str


def asked(visit: Visit, order: str = "name") -> Asked:
    """What the address of a list asks for. order: where it names none."""
    before = visit.query("before")
    rows = visit.query("rows")
    return Asked(
        visit.query("q"),
        visit.query("sort", order),
        before or visit.query("after"),
        bool(before),
        int(rows) if rows in map(str, ROWS) else ROWS[1],
    )


def pager(visit: Visit, wanted: Asked, page: Page, total: int | None = None, **query: str) -> Pager:
    """The links of a page of a list. query: further fields of the address."""
    same = {"q": wanted.part, "sort": wanted.order, **query}
    if wanted.rows != ROWS[1]:
        same["rows"] = str(wanted.rows)
    path = visit.request.path
    return Pager(
        visit.url(path, **same) if page.earlier else "",
        visit.url(path, **same, before=page.earlier) if page.earlier else "",
        visit.url(path, **same, after=page.later) if page.later else "",
        counted(visit, total, len(page.items)),
    )


def following(visit: Visit, items: int, after: str, later: str | None, **query: str) -> Pager:
    """The links of a list that is read in one direction only."""
    path = visit.request.path
    return Pager(
        visit.url(path, **query) if after else "",
        "",
        visit.url(path, **query, after=later) if later else "",
        counted(visit, None, items) if later or after else "",
    )


def counted(visit: Visit, total: int | None, shown: int) -> str:
    """How many rows there are: 25 of 1,284."""
    if total is None:
        return f"{shown:,}"
    if total > MOST_COUNTED:
        return visit.t("list.over", shown=f"{shown:,}", most=f"{MOST_COUNTED:,}")
    return visit.t("list.of", shown=f"{shown:,}", total=f"{total:,}")
