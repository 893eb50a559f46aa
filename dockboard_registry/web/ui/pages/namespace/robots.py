"""/@ORGANIZATION/robots and /robots/ROBOT: accounts for programs."""

from .....domain.access.rule import ACTIVE, ROBOT
from .....durations import duration, in_future
from .....http.messages import Response
from ....auth.permissions import ORGANIZATION_OWNER
from ... import identity
from ...parts import Choice, Parts
from ...route import Page
from ...visit import Visit
from ..shared import clients, deeds, listing
from . import head

# How long a secret lives, and how long the old ones go on working: what the forms offer.
LIVES, OVERLAPS = ("30d", "90d", "365d", ""), ("24h", "7d", "0s")


async def show(visit: Visit) -> Response:
    organization, asked = visit.names["organization"], listing.asked(visit)
    found = await visit.services.people.lists.robots(organization, asked.part, asked.key, asked.before, asked.rows)
    return visit.page(
        "namespace/robots.html",
        title=visit.t("robots.title", name=organization),
        head=head.head(visit, organization, head.ORGANIZATION),
        robots=found.items,
        asked=asked,
        pager=listing.pager(visit, asked, found),
        lives=_choices(visit, LIVES),
        alternate=f"/api/v1/organizations/{organization}/robots",
    )


async def make(visit: Visit) -> Response:
    await identity.require_password(visit)
    name = f"{visit.names['organization']}/{visit.form.text('robot')}"
    until = in_future(_chosen(visit, "expires", LIVES) or None)
    with visit.checking("robot"):
        secret = await visit.services.people.robots.add(visit.asker.actor, name, until)
    return _told(visit, name, secret, visit.t("robots.made", name=name))


async def show_one(visit: Visit) -> Response:
    if deeds.is_again(visit):
        return await _preview(visit)
    name = _name(visit)
    robots = visit.services.people.robots
    return visit.page(
        "namespace/robot.html",
        title=name,
        head=head.head(visit, visit.names["organization"], head.ORGANIZATION),
        robot=await robots.get(name),
        secrets=(await robots.secrets(name))[::-1],
        grants=await visit.services.people.grants.held(f"{ROBOT}:{name}"),
        lives=_choices(visit, LIVES),
        overlaps=_choices(visit, OVERLAPS),
        alternate=f"/api/v1/organizations/{visit.names['organization']}/robots/{visit.names['robot']}",
    )


async def change_one(visit: Visit) -> Response:
    robots, name, deed = visit.services.people.robots, _name(visit), visit.form.text("do")
    if deed == "rotate":
        await identity.require_password(visit)
        overlap, until = (
            duration(_chosen(visit, "overlap", OVERLAPS)),
            in_future(_chosen(visit, "expires", LIVES) or None),
        )
        secret = await robots.rotate(visit.asker.actor, name, overlap, until)
        return _told(visit, name, secret, visit.t("robots.rotated", name=name))
    if deed == "enable":
        await robots.set_state(visit.asker.actor, name, True)
        return visit.redirect(visit.url(visit.request.path), "robots.enabled", name=name)
    if not deeds.is_sure(visit):
        return await _preview(visit)
    if deed == "delete":
        await robots.delete(visit.asker.actor, name)
        return visit.redirect(visit.url(f"/@{visit.names['organization']}/robots"), "robots.deleted", name=name)
    await robots.set_state(visit.asker.actor, name, False)
    return visit.redirect(visit.url(visit.request.path), "robots.disabled", name=name)


async def _preview(visit: Visit) -> Response:
    """Before a robot account is disabled or deleted: what stops working."""
    name = _name(visit)
    deed = "disable" if visit.form.text("do") == "disable" else "delete"
    secrets = await visit.services.people.robots.secrets(name)
    grants = await visit.services.people.grants.held(f"{ROBOT}:{name}")
    count = sum(secret.state == ACTIVE for secret in secrets)
    goes = [visit.t(f"robots.{deed}.goes", name=name), visit.t("robots.goes.secrets", n=count)]
    goes += [visit.t("robots.goes.grants", n=len(grants))] if deed == "delete" else []
    used = max((secret.last_used_at for secret in secrets if secret.last_used_at), default=None)
    goes += [visit.t("robots.goes.used", when=Parts(visit).when(used))] if used else []
    stays = [visit.t("robots.disable.stays" if deed == "disable" else "robots.delete.stays")]
    return deeds.preview(
        visit,
        deeds.Preview(
            visit.t(f"robots.{deed}.title", name=name),
            *(goes, stays),
            visit.t(f"robots.{deed}.do", name=name),
            {"do": deed},
            visit.url(visit.request.path),
        ),
    )


def _told(visit: Visit, name: str, secret: str, said: str) -> Response:
    """The page that shows a secret. It is an answer to the form, so no address shows it again."""
    return visit.page(
        "secret.html",
        title=said,
        secret=secret,
        file=f"{name.rpartition('/')[2]}.secret",
        commands=clients.logins(visit.host, name, visit.request.secure, f"{name.rpartition('/')[2]}.secret"),
        back=visit.url(f"/@{name.partition('/')[0]}/robots/{name.partition('/')[2]}"),
        name=name,
    )


def _choices(visit: Visit, values: tuple[str, ...]) -> list[Choice]:
    return [Choice(value, visit.t(f"duration.{value or 'never'}")) for value in values]


def _chosen(visit: Visit, field: str, values: tuple[str, ...]) -> str:
    """One of the choices of a field, the first one where anything else was sent."""
    sent = visit.form.text(field)
    return sent if sent in values else values[0]


def _name(visit: Visit) -> str:
    return f"{visit.names['organization']}/{visit.names['robot']}"


TABLE = (
    Page(
        "/@{organization}/robots",
        ORGANIZATION_OWNER,
        show,
        make,
        {"make": ("robot", "expires")},
        ("password",),
        private=True,
    ),
    Page(
        "/@{organization}/robots/{robot}",
        ORGANIZATION_OWNER,
        show_one,
        change_one,
        {"rotate": ("expires", "overlap"), "enable": (), "disable": (), "delete": ()},
        deeds.FIELDS,
        private=True,
    ),
)
