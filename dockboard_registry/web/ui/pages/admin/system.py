"""/admin/system: what runs here, how it is set, and the key that signs logins."""

import platform

from ..... import __version__, commit
from .....config import settings
from .....http.messages import Response
from ....auth.permissions import ADMINISTRATOR
from ... import identity
from ...route import Page
from ...visit import Visit
from ..shared import deeds
from .head import tabs


async def show(visit: Visit) -> Response:
    if deeds.is_again(visit):
        return _preview(visit)
    config, sections = visit.services.config, {}
    for setting in settings(config):
        sections.setdefault(setting.key.partition(".")[0], []).append(setting)
    return visit.page(
        "admin/system.html",
        title=visit.t("admin.system"),
        tabs=tabs(visit),
        facts=[
            ("system.version", f"{__version__} ({commit()})" if commit() else __version__),
            ("system.python", f"{platform.python_implementation()} {platform.python_version()}"),
            ("system.machine", f"{platform.system()} {platform.machine()}"),
            ("system.workers", str(config.workers)),
        ],
        sections=sections,
        alternate="/api/v1/settings",
    )


async def change(visit: Visit) -> Response:
    if not deeds.is_sure(visit):
        return _preview(visit)
    await identity.require_password(visit)
    await visit.services.people.signing_keys.rotate(visit.asker.actor)
    return visit.redirect(visit.url("/admin/system"), "system.rotated")


def _preview(visit: Visit) -> Response:
    return deeds.preview(
        visit,
        deeds.Preview(
            visit.t("system.rotate.title"),
            [visit.t("system.rotate.goes")],
            [visit.t("system.rotate.stays")],
            visit.t("system.rotate.do"),
            {"do": "rotate"},
            visit.url("/admin/system"),
            "",
            True,
        ),
    )


TABLE = (Page("/admin/system", ADMINISTRATOR, show, change, {"rotate": ()}, deeds.FIELDS, private=True),)
