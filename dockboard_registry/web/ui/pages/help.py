"""/help: how to log in with each client, the keyboard, and what words mean."""

from ....http.messages import Response
from ...auth.permissions import EVERYONE
from ..route import Page
from ..visit import Visit
from .shared import clients

_WORDS = ("repository", "tag", "digest", "manifest", "index", "layer", "own", "pull", "token", "robot", "grant")
_KEYS = (("/", "help.key.search"), ("Esc", "help.key.close"), ("Tab", "help.key.next"))


async def show(visit: Visit) -> Response:
    name = visit.principal.name or "NAME"
    return visit.page(
        "help.html",
        title=visit.t("help.title"),
        commands=clients.logins(visit.host, name, visit.request.secure),
        more=clients.all_logins(visit.host, name, visit.request.secure)[7:],
        insecure="" if visit.request.secure else clients.insecure_docker(visit.host),
        words=[(visit.t(f"help.word.{word}"), visit.t(f"help.word.{word}.what")) for word in _WORDS],
        keys=[(key, visit.t(id)) for key, id in _KEYS],
    )


TABLE = (Page("/help", EVERYONE, show),)
