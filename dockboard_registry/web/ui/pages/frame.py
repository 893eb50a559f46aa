"""What belongs to every page: the files of the program, and the choice of theme and language."""

from ....http.messages import Response
from ...auth.permissions import EVERYONE
from .. import cookies, language, static
from ..route import Page
from ..visit import THEMES, Visit

# Cookie -> field of the preferences.
_KEPT = {cookies.THEME: "theme", cookies.LANGUAGE: "language"}


async def file(visit: Visit) -> Response:
    return static.answer(visit.request, visit.names["version"], visit.names["file"])


async def icon(visit: Visit) -> Response:
    """Browsers ask for this path by themselves."""
    return Response(302, {"Location": visit.url(static.path("mark.svg")), "Cache-Control": "max-age=86400"})


async def robots(visit: Visit) -> Response:
    """Search engines may read what everybody may see, if there is any (RFC 9309)."""
    rule = "Allow" if visit.principal.everyone in ("pull", "push") else "Disallow"
    return Response(200, {"Content-Type": "text/plain; charset=utf-8"}, f"User-agent: *\n{rule}: /\n".encode())


async def choose(visit: Visit) -> Response:
    """Keep the theme and the language that a button of the footer names: in this browser, and for who is signed in."""
    secure, kept = visit.request.secure, {}
    for name, choices in ((cookies.THEME, THEMES), (cookies.LANGUAGE, language.LANGUAGES)):
        chosen = visit.form.text(name)
        if chosen in choices:
            kept[_KEPT[name]] = chosen
            visit.set_cookies.append(cookies.preference(name, chosen, secure))
    if kept and visit.session is not None:
        await visit.asker.people.preferences.change(visit.asker.actor, visit.principal.name, kept)
    return visit.go_on()


TABLE = (
    Page("/static/{version}/{file}", EVERYONE, file),
    Page("/favicon.ico", EVERYONE, icon),
    Page("/robots.txt", EVERYONE, robots),
    Page("/preferences", EVERYONE, post=choose, deeds={"choose": ()}, fields=("theme", "lang")),
)
