"""Who may call an operation.

The rule of domain/access/rule.py decides, and what is hidden looks like what does not exist.
"""

from ...domain.access import patterns, rule
from ...domain.access.rule import ADMIN, ANONYMOUS, DELETE, PULL, REGISTRY, USER, Object
from ...errors import AccountUnknown, Denied, NameUnknown, RegistryError, Unauthorized
from .operations import Call, Permission

# With it browsers and curl ask for name and password. The words are fixed, so that no Host header gets into them.
CHALLENGE = {"WWW-Authenticate": 'Basic realm="Dockboard Registry", charset="UTF-8"'}


async def check(call: Call) -> None:
    """Raise the error for a request that is not allowed."""
    await call.operation.permission.check(call)
    if call.operation.needs_whole:
        require_whole(call)


def require(call: Call, action: str, object: Object, hidden: RegistryError | None = None) -> None:
    """Raise Unauthorized, or Denied with the reason.

    Raise `hidden` if the client may not even see the object: that takes the right to pull, or admin.
    """
    decision = rule.decide(call.principal, action, object)
    if decision.allowed:
        return
    require_login(call)
    sees = any(rule.decide(call.principal, each, object).allowed for each in (PULL, ADMIN))
    if sees and action == PULL:
        return
    if sees or hidden is None:
        raise Denied(decision.reason)
    raise hidden


def require_login(call: Call) -> None:
    """Before there are accounts one can only add the first user, on this machine. Raises Unauthorized, Denied."""
    if call.principal.open and not rule.decide(call.principal, ADMIN, REGISTRY).allowed:
        raise Denied(
            "there are no accounts yet, and only this machine itself may add the first user",
            "add a user on the server's machine",
        )
    if call.principal.open and not call.operation.first:
        raise Denied("there are no accounts yet", "add a user first")
    if call.principal.kind == ANONYMOUS and not call.principal.open:
        raise Unauthorized(headers=dict(CHALLENGE))


async def _administrator(call: Call) -> None:
    require_login(call)
    require(call, ADMIN, REGISTRY)


async def _logged_in(call: Call) -> None:
    require_login(call)


async def _oneself(call: Call) -> None:
    await _logged_in(call)
    if call.principal.kind != USER:
        raise Denied("robot accounts are managed in their organization", "use an account of a user")
    require(call, ADMIN, rule.namespace(call.principal.name))


def require_whole(call: Call) -> None:
    """A limited token must not get a secret that allows more, or is valid for longer. Raises Denied."""
    if call.principal.scopes:
        raise Denied(
            "an access token for some actions or repositories alone gets no secrets, and changes no credentials",
            "log in with the password, or with an access token without limits",
        )


async def _own_tokens(call: Call) -> None:
    await _oneself(call)
    _require_password(call)


async def _tokens(call: Call) -> None:
    await _administrator(call)
    _require_password(call)


def _require_password(call: Call) -> None:
    """What an access token made would still count after the token has expired or was revoked. Raises Denied."""
    if call.principal.token_id is not None:
        raise Denied("an access token makes no other tokens: these would count for longer", "log in with the password")


async def _organization(call: Call) -> None:
    _require_organization(call, PULL)


async def _organization_owner(call: Call) -> None:
    _require_organization(call, ADMIN)


def _require_organization(call: Call, action: str) -> None:
    require_login(call)
    name = call.path["organization"]
    require(call, action, rule.namespace(name), AccountUnknown(f"there is no organization {name}"))


async def _namespace_owner(call: Call) -> None:
    require_login(call)
    name = call.path["namespace"]
    require(call, ADMIN, rule.namespace(name), no_such_namespace(name))


def no_such_namespace(namespace: str) -> AccountUnknown:
    """The domain's words for a namespace that does not exist."""
    return AccountUnknown(
        f"nobody holds the namespace {namespace}", "make the user or the organization of that name first"
    )


async def _sees_repository(call: Call) -> None:
    await require_repository(call, PULL, call.path["repository"])


async def _repository_admin(call: Call) -> None:
    await require_repository(call, ADMIN, call.path["repository"])


async def _repository_deletes(call: Call) -> None:
    await require_repository(call, DELETE, call.path["repository"])


async def _repository_goes(call: Call) -> None:
    """Deleting a repository deletes its settings with its content, so it takes the rights to both."""
    await _repository_deletes(call)
    await _repository_admin(call)


async def require_repository(call: Call, action: str, name: str) -> None:
    require_login(call)
    object = (await call.services.principals.facts(name)).object
    require(call, action, object, NameUnknown(name=name))


async def _pattern_admin(call: Call) -> None:
    """A pattern without wildcards names one repository. Any other pattern concerns the whole namespace."""
    require_login(call)
    pattern = patterns.parse(call.path["pattern"])
    if "*" in pattern.text:
        object = rule.namespace(pattern.namespace)
    else:
        object = (await call.services.principals.facts(pattern.text)).object
    require(call, ADMIN, object, no_such_namespace(pattern.namespace))


EVERYONE = Permission(None, "everyone")
LOGGED_IN = Permission(_logged_in, "whoever is logged in")
ONESELF = Permission(_oneself, "users, for themselves")
OWN_TOKENS = Permission(_own_tokens, "users, for themselves, with a password")
ADMINISTRATOR = Permission(_administrator, "administrators of the registry")
TOKENS = Permission(_tokens, "administrators of the registry, with a password")
ORGANIZATION = Permission(_organization, "members of the organization", True)
ORGANIZATION_OWNER = Permission(_organization_owner, "owners of the organization", True)
NAMESPACE_OWNER = Permission(_namespace_owner, "whose the namespace is", True)
SEES_REPOSITORY = Permission(_sees_repository, "whoever may pull the repository", True)
REPOSITORY_ADMIN = Permission(_repository_admin, "whoever has the right admin on the repository", True)
REPOSITORY_DELETES = Permission(
    _repository_deletes, "whoever may delete in the repository, which takes the right admin", True
)
REPOSITORY_GOES = Permission(
    _repository_goes, "whoever has the right admin on the repository; a token needs the actions delete and admin", True
)
PATTERN_ADMIN = Permission(
    _pattern_admin, "whoever has the right admin on the repository; for patterns with *, whose the namespace is", True
)
