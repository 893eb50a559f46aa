"""/r/NAME/-/tags: the tags of a repository, and what can be done with several of them."""

import hashlib
from datetime import datetime, timedelta

from ....domain.access.rule import DELETE, OVERWRITE, PUSH
from ....domain.inspection import tag_list
from ....domain.inspection.tag_list import MOST_COUNTED, NAME, OWN, PULLED, PUSHED, SIZE, TagPage, TagQuery
from ....errors import BadRequest, Denied
from ....http.messages import Response
from ....names import Reference
from ....names import tag as tag_name
from ...auth.permissions import PULLS_REPOSITORY
from ..forms import Wrong
from ..parts import Choice
from ..repository import frame
from ..route import Page
from ..visit import Visit
from .shared import deeds, listing
from .shared.listing import Pager

_ROWS = 25
# Tags that one form deletes where it names all that a filter finds: they go in one transaction.
MOST_DELETED = 500
_KINDS = (tag_list.ALL, tag_list.IMAGES, tag_list.CHARTS, tag_list.OTHER, tag_list.TOOLS)
_PLATFORMS = (
    "linux/amd64",
    "linux/arm64",
    "linux/arm/v7",
    "linux/386",
    "linux/ppc64le",
    "linux/s390x",
    "windows/amd64",
)
_ORDERS = (
    (PUSHED, True),
    (PUSHED, False),
    (NAME, False),
    (NAME, True),
    (SIZE, True),
    (SIZE, False),
    (OWN, True),
    (PULLED, True),
    (PULLED, False),
)
# The choice that leads to a page of its own.
_UNTAGGED = "untagged"
_DEEDS = {"compare": (), "copy": (), "delete": ()}
_FIELDS = ("tag", "all", "expected", "name", "digest", "move", *deeds.FIELDS)


async def tags(visit: Visit) -> Response:
    name = visit.names["repository"]
    if visit.query("kind") == _UNTAGGED:
        return visit.redirect(visit.repository_url(name, "untagged"))
    query = _query(visit)
    about, page, details = await visit.services.repository_pages.tags(name, visit.principal, query)
    values = await frame.values_of(visit, "tags", about)
    chosen = visit.form.all("tag") if visit.problem is not None else []
    return visit.page(
        "repository/tags.html",
        **values,
        title=visit.t("tags.title", name=name),
        page=page,
        details=details,
        query=query,
        kinds=[
            Choice(each, visit.t(f"tags.kind.{each}", tools=page.tools))
            for each in (*_KINDS, *([_UNTAGGED] if DELETE in values["may"] else []))
        ],
        platforms=[Choice("", visit.t("tags.any")), *(Choice(each, each) for each in _PLATFORMS)],
        orders=[Choice(_order(*each), visit.t(f"tags.order.{_order(*each)}")) for each in _ORDERS],
        order=_order(query.sort, query.downwards),
        at=visit.query("at"),
        chosen=set(chosen),
        action=_address(visit, query),
        all_found=page.count if page.count is not None and page.count > len(page.tags) else 0,
        pager=_pager(visit, query, page),
        largest=max((tag.facts.size for tag in page.tags if tag.facts and tag.facts.size), default=0),
        can_choose=bool(values["may"] & {PUSH, DELETE}),
        alternate=f"/api/v1/repositories/{name.replace('/', '%2F')}/tags",
    )


def _order(sort: str, down: bool) -> str:
    """As the address names it."""
    return f"{sort}-{'down' if down else 'up'}"


def _query(visit: Visit) -> TagQuery:
    """What the address asks for. Raises BadRequest."""
    order = visit.query("sort", _order(PUSHED, True))
    known = {_order(*each): each for each in _ORDERS}
    kind, rows = visit.query("kind", tag_list.ALL), visit.query("rows", str(_ROWS))
    if order not in known or kind not in _KINDS or rows not in map(str, listing.ROWS):
        raise BadRequest("the list has no such order, kind or number of rows", "choose one of those that it shows")
    sort, down = known[order]
    return TagQuery(
        *(visit.query("q")[:128], kind, visit.query("platform")[:100], sort, down),
        *(visit.query("after")[:600], visit.query("before")[:600], _start(visit, sort, visit.query("at")[:128])),
        int(rows),
    )


def _start(visit: Visit, sort: str, text: str) -> str:
    """Where the list begins: a date, a version or a size in bytes. Raises BadRequest."""
    if not text or sort == NAME:
        return text
    if sort in (SIZE, OWN) and text.isascii() and text.isdigit():
        return text
    try:
        # The whole day counts where the newest come first.
        day = datetime.fromisoformat(text).replace(tzinfo=visit.zone.info) + timedelta(days=len(text) <= 10)
        return str(max(int(day.timestamp() * 1000), 0))
    except (ValueError, OverflowError):
        raise BadRequest(
            "the list does not begin there", "write a date such as 2026-11-28, or a size in bytes"
        ) from None


def _same(query: TagQuery) -> dict[str, object]:
    """The fields of an address that asks for the same list."""
    return {
        "q": query.text,
        "platform": query.platform,
        "sort": "" if (query.sort, query.downwards) == _ORDERS[0] else _order(query.sort, query.downwards),
        "kind": query.kind if query.kind != tag_list.ALL else "",
        "rows": query.limit if query.limit != _ROWS else "",
    }


def _address(visit: Visit, query: TagQuery) -> str:
    """Where the form of the list is sent: to the list itself, with its filter."""
    return visit.url(visit.request.path, **_same(query), after=query.after, before=query.before)


def _pager(visit: Visit, query: TagQuery, page: TagPage) -> Pager:
    same, path = _same(query), visit.request.path
    shown = f"{len(page.tags):,}"
    total = (
        visit.t("list.of", shown=shown, total=f"{page.count:,}")
        if page.count is not None
        else visit.t("list.over", shown=shown, most=f"{MOST_COUNTED:,}")
    )
    return Pager(
        visit.url(path, **same) if page.before else "",
        visit.url(path, **same, before=page.before) if page.before else "",
        visit.url(path, **same, after=page.after) if page.after else "",
        total,
    )


async def change(visit: Visit) -> Response:
    """What a button above the list asks for."""
    deed, chosen = visit.form.text("do"), visit.form.all("tag")
    for each in chosen:
        tag_name(each)
    if deed == "compare":
        return _compare(visit, chosen)
    if deed == "copy":
        return await _copy(visit, chosen)
    return await _delete(visit, chosen)


def _compare(visit: Visit, chosen: list[str]) -> Response:
    if len(chosen) != 2:
        raise Wrong("tags.compare.two", n=len(chosen))
    # The list has the newest first, so the second one is the older one.
    return visit.redirect(
        visit.repository_url(visit.names["repository"], "compare", **{"from": chosen[1], "to": chosen[0]})
    )


async def _copy(visit: Visit, chosen: list[str]) -> Response:
    """Give the chosen tag's manifest another tag: first a form, then the deed."""
    name = visit.names["repository"]
    values = await frame.values_of(visit, "tags")
    if PUSH not in values["may"]:
        raise Denied("the right to push is missing", "ask somebody with the right admin for the right write")
    if len(chosen) != 1:
        raise Wrong("tags.copy.one", n=len(chosen))
    new, digest = visit.form.text("name"), visit.form.text("digest")
    if not new:
        found = await visit.services.inspector.inspect(name, Reference(chosen[0], None))
        return visit.page(
            "repository/copy.html",
            **values,
            title=visit.t("tags.copy.title", tag=chosen[0]),
            old=chosen[0],
            target=found.digest,
            can_move=OVERWRITE in values["may"],
        )
    moves = visit.form.has("move") and OVERWRITE in values["may"]
    await visit.services.manifests.tag(
        name, Reference.parse(digest).digest or "", tag_name(new), moves, visit.asker.actor if visit.signed_in else None
    )
    return visit.redirect(visit.repository_url(name, "tags"), "tags.copied", old=chosen[0], tag=new)


async def _delete(visit: Visit, chosen: list[str]) -> Response:
    """First what will go, then the deed, if that is still so."""
    name = visit.names["repository"]
    values = await frame.values_of(visit, "tags")
    if DELETE not in values["may"]:
        raise Denied("deleting needs the right admin", "ask somebody with the right admin")
    digests = await _to_delete(visit, name, chosen)
    if deeds.is_sure(visit) and visit.form.text("expected") == _fingerprint(digests):
        await visit.services.tags.delete_all(name, digests, visit.asker.actor if visit.signed_in else None)
        return visit.redirect(visit.repository_url(name, "tags"), "tags.deleted", n=len(digests))
    shown = dict(list(digests.items())[: tag_list.MOST_ROWS])
    others = await visit.services.tag_lists.names(name, sorted(set(shown.values())))
    return visit.page(
        "repository/delete.html",
        **values,
        title=visit.t("tags.delete.title", n=len(digests)),
        digests=digests,
        shown=shown,
        whole=visit.form.has("all"),
        action=_address(visit, _query(visit)),
        kept={digest: [each for each in names if each not in digests] for digest, names in others.items()},
        expected=_fingerprint(digests),
        moved=deeds.is_sure(visit),
    )


async def _to_delete(visit: Visit, name: str, chosen: list[str]) -> dict[str, str]:
    """Names and digests of the chosen tags, or of all that the filter of the address finds. Raises Wrong."""
    if visit.form.has("all"):
        found = await visit.services.tag_lists.found(name, _query(visit), MOST_DELETED)
        if not found:
            raise Wrong("tags.delete.nothing" if found == {} else "tags.delete.most", most=MOST_DELETED)
        return found
    chosen = list(dict.fromkeys(chosen))
    if not chosen or len(chosen) > tag_list.MOST_ROWS:
        raise Wrong("tags.delete.some", n=len(chosen))
    return await visit.services.tags.digests(name, chosen)


def _fingerprint(digests: dict[str, str]) -> str:
    """A digest over what the page shows: if a tag moves meanwhile, it is another one."""
    return hashlib.sha256(repr(sorted(digests.items())).encode()).hexdigest()


TABLE = (Page("/r/{repository}/-/tags", PULLS_REPOSITORY, tags, change, _DEEDS, _FIELDS),)
