"""Access tokens of a user, the same for the user and for administrators."""

from ....durations import in_future
from ..operations import Answer, Call, created
from .pages import after, page, size
from .people import token_shown


async def listed(call: Call, user: str) -> Answer:
    found = await call.people.tokens.by_name(user, after(call), size(call) + 1)
    return page(call, found, token_shown, lambda token: token.name)


async def added(call: Call, user: str, *place: str) -> Answer:
    """place: the segments of the path below which tokens of this user are."""
    body = call.body
    secret = await call.people.tokens.add(
        call.actor, user, body["name"], body.get("repositories"), body.get("actions"), in_future(body.get("expires"))
    )
    made = next(token for token in await call.people.tokens.list(user) if token.name == body["name"])
    return created({**token_shown(made), "secret": secret}, *place, "tokens", made.name)


async def revoked(call: Call, user: str) -> Answer:
    await call.people.tokens.revoke(call.actor, user, call.path["token"])
    return Answer(204)
