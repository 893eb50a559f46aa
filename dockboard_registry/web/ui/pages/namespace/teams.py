"""/@ORGANIZATION/teams and /teams/TEAM: groups of members who hold grants together."""

from .....http.messages import Response
from ....auth.permissions import ORGANIZATION, ORGANIZATION_OWNER
from ...route import Page
from ...visit import Visit
from ..shared import deeds, listing
from . import head

_ROWS = 50


async def show(visit: Visit) -> Response:
    organization, after = visit.names["organization"], visit.query("after")
    found = await visit.services.people.teams.list(organization, after, _ROWS + 1)
    later = found[_ROWS - 1].name if len(found) > _ROWS else None
    return visit.page(
        "namespace/teams.html",
        title=visit.t("teams.title", name=organization),
        head=head.head(visit, organization, head.ORGANIZATION),
        owner=head.owns(visit, organization),
        teams=found[:_ROWS],
        pager=listing.following(visit, len(found[:_ROWS]), after, later),
        alternate=f"/api/v1/organizations/{organization}/teams",
    )


async def make(visit: Visit) -> Response:
    organization, team = visit.names["organization"], visit.form.text("team")
    with visit.checking("team"):
        await visit.services.people.teams.add(visit.asker.actor, organization, team)
    return visit.redirect(_team(visit, team), "teams.made", name=team)


async def show_one(visit: Visit) -> Response:
    if deeds.is_again(visit):
        return await _preview(visit)
    organization, team, after = visit.names["organization"], visit.names["team"], visit.query("after")
    teams = visit.services.people.teams
    members = await teams.members(organization, team, after, _ROWS + 1)
    later = members[_ROWS - 1] if len(members) > _ROWS else None
    return visit.page(
        "namespace/team.html",
        title=visit.t("team.title", name=f"{organization}/{team}"),
        head=head.head(visit, organization, head.ORGANIZATION),
        owner=head.owns(visit, organization),
        team=await teams.get(organization, team),
        members=members[:_ROWS],
        grants=await visit.services.people.grants.held(f"team:{organization}/{team}"),
        pager=listing.following(visit, len(members[:_ROWS]), after, later),
        alternate=f"/api/v1/organizations/{organization}/teams/{team}",
    )


async def change_one(visit: Visit) -> Response:
    organization, team, deed = visit.names["organization"], visit.names["team"], visit.form.text("do")
    if deed == "delete":
        return await _delete(visit) if deeds.is_sure(visit) else await _preview(visit)
    user, teams = visit.form.text("user"), visit.services.people.teams
    work = teams.remove_member if deed == "remove" else teams.add_member
    with deeds.about(visit, "user"):
        await work(visit.asker.actor, organization, team, user)
    return visit.redirect(_team(visit, team), "team.removed" if deed == "remove" else "team.added", name=user)


async def _preview(visit: Visit) -> Response:
    organization, name = visit.names["organization"], visit.names["team"]
    team = await visit.services.people.teams.get(organization, name)
    grants = await visit.services.people.grants.held(f"team:{organization}/{name}")
    return deeds.preview(
        visit,
        deeds.Preview(
            visit.t("team.delete.title", name=str(team)),
            [visit.t("team.goes", name=str(team)), visit.t("team.goes.grants", n=len(grants))],
            [visit.t("team.stays", n=team.members)],
            visit.t("team.delete.do", name=str(team)),
            {"do": "delete"},
            _team(visit, name),
        ),
    )


async def _delete(visit: Visit) -> Response:
    organization, team = visit.names["organization"], visit.names["team"]
    await visit.services.people.teams.delete(visit.asker.actor, organization, team)
    return visit.redirect(visit.url(f"/@{organization}/teams"), "team.deleted", name=team)


def _team(visit: Visit, team: str) -> str:
    return visit.url(f"/@{visit.names['organization']}/teams/{team}")


TABLE = (
    Page(
        "/@{organization}/teams", ORGANIZATION, show, make, {"make": ("team",)}, private=True, sends=ORGANIZATION_OWNER
    ),
    Page(
        "/@{organization}/teams/{team}",
        ORGANIZATION,
        show_one,
        change_one,
        {"add": ("user",), "remove": ("user",), "delete": ()},
        deeds.FIELDS,
        private=True,
        sends=ORGANIZATION_OWNER,
    ),
)
