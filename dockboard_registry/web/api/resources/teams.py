"""/organizations/{organization}/teams: members who hold grants together."""

from typing import Any

from ....domain.accounts.teams import Team
from ...auth.permissions import ORGANIZATION, ORGANIZATION_OWNER
from ..kinds import Record, Whole
from ..operations import NAME, PAGE, Answer, Call, Operation, created, paged
from .pages import after, page, size

_TEAM = Record("", False, "Team", {"name": NAME, "members": Whole("how many there are")})
_WANTED = Record("", False, "TeamWanted", {"name": NAME})
_MEMBER = Record("", False, "TeamMember", {"user": NAME})


def _shown(team: Team) -> dict[str, Any]:
    return {"name": team.name, "members": team.members}


async def _list(call: Call) -> Answer:
    found = await call.people.teams.list(call.path["organization"], after(call), size(call) + 1)
    return page(call, found, _shown, lambda team: team.name)


async def _add(call: Call) -> Answer:
    organization, name = call.path["organization"], call.body["name"]
    await call.people.teams.add(call.actor, organization, name)
    return created(
        _shown(await call.people.teams.get(organization, name)), "organizations", organization, "teams", name
    )


async def _get(call: Call) -> Answer:
    return Answer(200, _shown(await call.people.teams.get(call.path["organization"], call.path["team"])))


async def _delete(call: Call) -> Answer:
    await call.people.teams.delete(call.actor, call.path["organization"], call.path["team"])
    return Answer(204)


async def _members(call: Call) -> Answer:
    found = await call.people.teams.members(call.path["organization"], call.path["team"], after(call), size(call) + 1)
    return page(call, found, lambda user: {"user": user}, str)


async def _join(call: Call) -> Answer:
    await call.people.teams.add_member(call.actor, call.path["organization"], call.path["team"], call.path["user"])
    return Answer(204)


async def _leave(call: Call) -> Answer:
    await call.people.teams.remove_member(call.actor, call.path["organization"], call.path["team"], call.path["user"])
    return Answer(204)


_ALL = "/organizations/{organization}/teams"
_ONE = f"{_ALL}/{{team}}"
_PERSON = f"{_ONE}/members/{{user}}"
OPERATIONS = (
    Operation("GET", _ALL, "listTeams", "List the teams", ORGANIZATION, _list, answer=paged(_TEAM), query=PAGE),
    Operation("POST", _ALL, "addTeam", "Make a team", ORGANIZATION_OWNER, _add, 201, _TEAM, _WANTED, conflicts=True),
    Operation("GET", _ONE, "getTeam", "Show a team", ORGANIZATION, _get, answer=_TEAM),
    Operation("DELETE", _ONE, "deleteTeam", "Delete a team with its grants", ORGANIZATION_OWNER, _delete, 204),
    Operation(
        "GET",
        f"{_ONE}/members",
        "listTeamMembers",
        "List the members of a team",
        ORGANIZATION,
        _members,
        answer=paged(_MEMBER),
        query=PAGE,
    ),
    Operation("PUT", _PERSON, "addTeamMember", "Add a member of the organization", ORGANIZATION_OWNER, _join, 204),
    Operation("DELETE", _PERSON, "removeTeamMember", "Take a user out of the team", ORGANIZATION_OWNER, _leave, 204),
)
