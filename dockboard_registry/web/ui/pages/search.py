"""/search: what fits a word, or the page of a reference that was typed as a whole."""

from urllib.parse import quote

from ....domain.explore import terms
from ....domain.explore.terms import LONGEST, Reference, Term
from ....errors import FieldInvalid
from ....http.messages import Response
from ...auth.permissions import EVERYONE
from ..markup import Markup, escape
from ..route import Page
from ..visit import Visit
from .shared import repositories


async def search(visit: Visit) -> Response:
    typed = visit.query("q")[:LONGEST]
    try:
        term, wrong = terms.parse(typed), ""
    except FieldInvalid as error:
        term, wrong = Term(), error
    if not term.is_empty:
        visit.asker.count_search()
    if term.whole and await visit.services.search.sees(visit.principal, term.whole):
        return Response(302, {"Location": _page_of(visit, term.whole), "Cache-Control": "no-cache"})
    return visit.page(
        "search.html",
        title=visit.t("search.title"),
        term=typed,
        found=await visit.services.search.find(visit.principal, term),
        asked=term,
        wrong=wrong,
        marked=lambda name: _marked(name, term.text),
        short_platforms=repositories.short_platforms,
        layers=repositories.strips(visit),
        alternate="" if term.is_empty else f"/api/v1/search?q={quote(typed, safe='')}",
    )


def _page_of(visit: Visit, wanted: Reference) -> str:
    """The page of the reference, or of its repository while there is none of tags and manifests."""
    rest = f"@{wanted.digest}" if wanted.digest else f":{wanted.tag}" if wanted.tag else ""
    there = {"@": "/r/{repository}@{digest}", ":": "/r/{repository}:{tag}"}.get(rest[:1])
    return visit.url(f"/r/{wanted.name}{rest}") if there in visit.paths else visit.repository_url(wanted.name)


def _marked(name: str, part: str) -> Markup:
    """The name with what was typed marked in it."""
    before, found, after = name.partition(part) if part else (name, "", "")
    return Markup(f"{escape(before)}{f'<mark>{escape(found)}</mark>' if found else ''}{escape(after)}")


TABLE = (Page("/search", EVERYONE, search),)
