"""/r/NAME/-/settings: what a repository is, who may see it, and its end."""

import re

from ....domain.access.rule import PUBLIC
from ....domain.accounts.namespaces import VISIBILITIES
from ....domain.social import categories, deprecation
from ....http.messages import Response
from ...auth.permissions import REPOSITORY_ADMIN, REPOSITORY_GOES
from .. import identity
from ..forms import Wrong
from ..parts import Choice
from ..repository import frame
from ..route import Page
from ..visit import Visit
from .shared import deeds

# Short transactions that the visitor waits for, as in the API.
_PIECES = 200
_DEEDS = {
    "describe": ("description", "categories", "notice", "replacement"),
    "visibility": ("visibility",),
    "delete": (),
}
_FIELDS = ("expected", *deeds.FIELDS)


async def show(visit: Visit) -> Response:
    if deeds.is_again(visit):
        return await (_preview_deletion(visit) if visit.form.text("do") == "delete" else _preview_visibility(visit))
    values = await frame.values_of(visit, "settings")
    name = values["repository"].name
    return visit.page(
        "repository/settings.html",
        **values,
        title=visit.t("repository.settings.title", name=name),
        choices=[Choice(each, visit.t(f"repository.settings.{each}")) for each in VISIBILITIES],
        longest=deprecation.LONGEST,
        alternate=f"/api/v1/repositories/{name.replace('/', '%2F')}",
    )


async def change(visit: Visit) -> Response:
    deed = visit.form.text("do")
    if deed == "delete":
        await REPOSITORY_GOES.check(visit.asker, visit.names)
        return await _delete(visit) if deeds.is_sure(visit) else await _preview_deletion(visit)
    if deed == "visibility":
        return await _set_visibility(visit) if deeds.is_sure(visit) else await _preview_visibility(visit)
    return await _describe(visit)


async def _describe(visit: Visit) -> Response:
    form, name = visit.form, visit.names["repository"]
    with visit.checking("categories"):
        names = categories.checked(re.findall(r"[^\s,，、]+", form.text("categories")))
    with visit.checking("notice"):
        deprecation.checked(form.text("notice"))
    with visit.checking("replacement"):
        notice = deprecation.checked(form.text("notice"), form.text("replacement") or None)
    with visit.checking("description"):
        await visit.services.people.repository_settings.set(
            visit.asker.actor, name, description=form.text("description"), names=names, notice=notice
        )
    return visit.redirect(visit.repository_url(name, "settings"), "repository.settings.saved")


def _wanted(visit: Visit) -> str:
    """The visibility that was chosen. Raises Wrong."""
    wanted = visit.form.text("visibility")
    if wanted not in VISIBILITIES:
        raise Wrong("repository.settings.visibility.which")
    return wanted


async def _preview_visibility(visit: Visit) -> Response:
    name, wanted = visit.names["repository"], _wanted(visit)
    kind = "public" if wanted == PUBLIC else "private"
    return deeds.preview(
        visit,
        deeds.Preview(
            visit.t(f"repository.settings.to.{kind}.title", name=name),
            [visit.t(f"repository.settings.to.{kind}.goes")],
            [visit.t(f"repository.settings.to.{kind}.stays")],
            visit.t(f"repository.settings.to.{kind}.do"),
            {"do": "visibility", "visibility": wanted},
            visit.repository_url(name, "settings"),
        ),
    )


async def _set_visibility(visit: Visit) -> Response:
    name = visit.names["repository"]
    await visit.services.people.repository_settings.set_visibility(visit.asker.actor, name, _wanted(visit))
    return visit.redirect(visit.repository_url(name, "settings"), "repository.settings.saved")


async def _preview_deletion(visit: Visit) -> Response:
    name, services = visit.names["repository"], visit.services
    held = await services.repository_deletion.holds(name)
    shown = (await frame.values_of(visit, "settings"))["repository"]
    return deeds.preview(
        visit,
        deeds.Preview(
            visit.t("repository.settings.delete.title", name=name),
            [
                visit.t("repository.settings.goes.tags", n=held.tags),
                visit.t("repository.settings.goes.manifests", n=held.manifests),
                visit.t("repository.settings.goes.added", stars=shown.stars, comments=shown.comments),
            ],
            [visit.t("repository.settings.stays.shared"), visit.t("repository.settings.stays.rights")],
            visit.t("repository.settings.delete.do", name=name),
            {"do": "delete", "expected": f"{held.tags}-{held.manifests}"},
            visit.repository_url(name, "settings"),
            name,
            True,
        ),
    )


async def _delete(visit: Visit) -> Response:
    name, services = visit.names["repository"], visit.services
    deeds.require_typed(visit, name)
    await identity.require_password(visit)
    held = await services.repository_deletion.holds(name)
    with visit.checking("typed"):
        if visit.form.text("expected") != f"{held.tags}-{held.manifests}":
            raise Wrong("repository.settings.changed")
    await services.repository_deletion.delete(visit.asker.actor, name, _PIECES)
    return visit.redirect(visit.url("/"), "repository.settings.deleted", name=name)


TABLE = (Page("/r/{repository}/-/settings", REPOSITORY_ADMIN, show, change, _DEEDS, _FIELDS, private=True),)
