"""/organizations: organizations and their members."""

from typing import Any

from ....domain.access import rule
from ....domain.access.rule import ADMIN, PULL, REGISTRY
from ....domain.accounts import account_lists
from ....domain.accounts.account_lists import ListedMember, ListedOrganization
from ....domain.accounts.organizations import MOST_OWNED, MOST_TRIES, ROLES, SECONDS, Organization, TooMany
from ....errors import ChangeRefused, Denied
from ...auth.permissions import ADMINISTRATOR, LOGGED_IN, ORGANIZATION, ORGANIZATION_OWNER, require
from ..kinds import Choice, Kind, ListOf, Record, Text, Whole
from ..operations import MOMENT, NAME, PAGE, Answer, Call, Operation, created, paged
from .pages import after, part, size, sorted_page

ROLE = Choice("owners may do everything in the namespace, members pull from it", False, ROLES)
ORGANIZATION_KIND = Record("", False, "Organization", {"name": NAME, "created_at": MOMENT})
_LISTED = Record("", False, "ListedOrganization", {**ORGANIZATION_KIND.fields, "members": Whole("how many there are")})
_FILTER: dict[str, Kind] = {
    "contains": Text("only organizations whose name contains this", False, 254, 1),
    "sort": Choice(
        "by name, the newest first, or those with most members first", False, tuple(account_lists.ORGANIZATIONS.orders)
    ),
}
_MEMBER = Record(
    "", False, "Member", {"user": NAME, "role": ROLE, "since_at": MOMENT, "teams": ListOf("", False, NAME)}
)
# When somebody was seen last is for owners, so it is no order of this list.
_MEMBER_FILTER: dict[str, Kind] = {
    "contains": Text("only members whose name contains this", False, 254, 1),
    "role": ROLE.said("only owners, or only members"),
    "sort": Choice(
        "by name, owners first, or the newest first",
        False,
        (account_lists.NAME, account_lists.ROLE, account_lists.SINCE),
    ),
}
_WANTED = Record(
    "a new organization; owner: who asks, where it is not given",
    *(False, "OrganizationWanted"),
    {"name": NAME, "owner": NAME},
    ("owner",),
)
_RESTORED = Record("owner: who becomes an owner besides", False, "OrganizationRestored", {"owner": NAME}, ("owner",))
_ROLE = Record("", False, "MemberRole", {"role": ROLE})


def _shown(organization: Organization) -> dict[str, Any]:
    return {"name": organization.name, "created_at": organization.created_at}


def _member_shown(member: ListedMember) -> dict[str, Any]:
    return {"user": member.name, "role": member.role, "since_at": member.since, "teams": list(member.teams)}


async def _list(call: Call) -> Answer:
    """Administrators see all organizations, users their own, and robot accounts none."""
    asked, principal = call.query, call.principal
    everything = rule.decide(principal, ADMIN, REGISTRY).allowed
    if not everything and principal.kind != rule.USER:
        return part(call, [], _listed, None)
    found = await call.people.lists.organizations(
        asked.get("contains", ""),
        asked.get("sort", account_lists.NAME),
        after(call),
        limit=size(call),
        member=None if everything else principal.id,
    )
    seen = [item for item in found.items if rule.decide(principal, PULL, rule.namespace(item.name)).allowed]
    return part(call, seen, _listed, found.later)


def _listed(organization: ListedOrganization) -> dict[str, Any]:
    return organization._asdict()


async def _add(call: Call) -> Answer:
    """Administrators make organizations for anybody.

    Users make their own if auth.organizations allows it, and then never over repositories that exist.
    """
    name, owner = call.body["name"], call.body.get("owner", call.principal.name)
    administrator = rule.decide(call.principal, ADMIN, REGISTRY).allowed
    if not administrator:
        if not call.people.users_add_organizations:
            require(call.asker, ADMIN, REGISTRY)
        require(call.asker, ADMIN, rule.namespace(call.principal.name))
        if call.principal.kind != rule.USER or owner != call.principal.name:
            raise Denied("who makes an organization is its owner", "leave out the owner, or name yourself")
        await call.people.throttle.spend(f"organization {call.principal.id}", MOST_TRIES, SECONDS)
    try:
        most = None if administrator else MOST_OWNED
        await call.people.organizations.add(call.actor, name, owner, adopt=administrator, most=most)
    except ChangeRefused as refused:
        if administrator or isinstance(refused, TooMany):
            raise
        # The user learns only that the name is not free: it may be taken, given up lately, or have repositories that
        # the user may not see.
        raise ChangeRefused(f"the name {name} is not free", "choose another name") from None
    return created(_shown(await call.people.organizations.get(name)), "organizations", name)


async def _get(call: Call) -> Answer:
    return Answer(200, _shown(await call.people.organizations.get(call.path["organization"])))


async def _delete(call: Call) -> Answer:
    await call.people.organizations.delete(call.actor, call.path["organization"])
    return Answer(204)


async def _restore(call: Call) -> Answer:
    await call.people.organizations.restore(call.actor, call.path["organization"], call.body.get("owner"))
    return await _get(call)


async def _members(call: Call) -> Answer:
    asked = call.query
    found = await call.people.lists.members(
        call.path["organization"],
        asked.get("contains", ""),
        asked.get("role", ""),
        asked.get("sort", account_lists.NAME),
        after(call),
        limit=size(call),
    )
    return sorted_page(call, found, _member_shown)


async def _set_member(call: Call) -> Answer:
    await call.people.organizations.set_member(
        call.actor, call.path["organization"], call.path["user"], call.body["role"]
    )
    return Answer(204)


async def _remove_member(call: Call) -> Answer:
    await call.people.organizations.remove_member(call.actor, call.path["organization"], call.path["user"])
    return Answer(204)


_ONE = "/organizations/{organization}"
_PERSON = f"{_ONE}/members/{{user}}"
OPERATIONS = (
    Operation(
        "GET",
        "/organizations",
        "listOrganizations",
        "List organizations: the own ones, or all; keys of a list that is not sorted by name come from `next`",
        LOGGED_IN,
        _list,
        answer=paged(_LISTED),
        query={**_FILTER, **PAGE},
        refuses=True,
    ),
    Operation(
        *(
            "POST",
            "/organizations",
            "addOrganization",
            "Make an organization",
            LOGGED_IN,
            _add,
            201,
            ORGANIZATION_KIND,
            _WANTED,
        ),
        **{"conflicts": True, "unknown": True},
    ),
    Operation("GET", _ONE, "getOrganization", "Show an organization", ORGANIZATION, _get, answer=ORGANIZATION_KIND),
    Operation(
        "DELETE",
        _ONE,
        "deleteOrganization",
        "Delete it with teams, robots and grants; repositories stay",
        ORGANIZATION_OWNER,
        _delete,
        204,
    ),
    Operation(
        "POST",
        f"{_ONE}/restore",
        "restoreOrganization",
        "Undo the deletion",
        ADMINISTRATOR,
        _restore,
        200,
        ORGANIZATION_KIND,
        _RESTORED,
        conflicts=True,
    ),
    Operation(
        "GET",
        f"{_ONE}/members",
        "listMembers",
        "List the members with their roles; keys of a list that is not sorted by name come from `next`",
        ORGANIZATION,
        _members,
        answer=paged(_MEMBER),
        query={**_MEMBER_FILTER, **PAGE},
        refuses=True,
    ),
    Operation(
        "PUT",
        _PERSON,
        "setMember",
        "Add a member, or give another role",
        ORGANIZATION_OWNER,
        _set_member,
        204,
        body=_ROLE,
        conflicts=True,
    ),
    Operation(
        "DELETE",
        _PERSON,
        "removeMember",
        "Remove a member, from the teams too",
        ORGANIZATION_OWNER,
        _remove_member,
        204,
        conflicts=True,
    ),
)
