"""Why somebody may do something, or may not, as far as the one who asks may know it."""

from ...errors import AccountUnknown
from ..access import rule
from ..access.rule import ACTIVE, ADMIN, REGISTRY, ROBOT, USER, Explanation, Object, Principal
from .grants import TEAM
from .principals import TOKEN, Principals, holder_of


async def explain(principals: Principals, asks: Principal, who: str, action: str, object: Object) -> Explanation:
    """The steps of the rule for somebody, told to the principal who asks. That it may ask is checked before.

    who: as `Principals.named` takes it. Raises FieldInvalid, AccountUnknown.
    """
    if who.startswith(TOKEN):
        _require_token_known(asks, who)
    else:
        require_known(asks, holder_of(who))
    found = await principals.named(who)
    if found is None:
        raise AccountUnknown(f"there is no account {who}")
    return rule.explain(_as_seen_by(asks, found), action, object)


def require_known(asks: Principal, holder: str) -> None:
    """Teams and robots are hidden from those outside their organization.

    holder: as grants name it. Raises AccountUnknown, as for one that does not exist.
    """
    kind, _, name = holder.partition(":")
    if kind in (TEAM, ROBOT) and not _administers(asks) and name.partition("/")[0] not in asks.memberships:
        raise AccountUnknown(f"there is no {kind} {name}")


def _require_token_known(asks: Principal, who: str) -> None:
    """Others must not learn which tokens a user has. Raises AccountUnknown, as for a token that does not exist."""
    name = who.removeprefix(TOKEN)
    if not (_administers(asks) or _is(asks, name.partition("/")[0])):
        raise AccountUnknown(f"there is no token {name}")


def _administers(principal: Principal) -> bool:
    return rule.decide(principal, ADMIN, REGISTRY).allowed


def _is(principal: Principal, user: str) -> bool:
    """Whether the principal is this user, with the password or with a token without limits."""
    return principal.kind == USER and principal.name == user and not principal.scopes


def _as_seen_by(asks: Principal, principal: Principal) -> Principal:
    """Only administrators see who administers the registry and which accounts are disabled.

    Others see the rights that were granted here.
    """
    if _administers(asks) or _is(asks, principal.name):
        return principal
    return principal._replace(administrator=False, state=ACTIVE)
