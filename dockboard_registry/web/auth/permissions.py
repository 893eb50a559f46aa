"""Who may call an operation of the API, and who may open a page.

The rule of domain/access/rule.py decides, and what is hidden looks like what does not exist.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from ...domain.access import patterns, rule
from ...domain.access.rule import ADMIN, ANONYMOUS, DELETE, PULL, REGISTRY, USER, Object
from ...errors import AccountUnknown, Denied, NameUnknown, RegistryError, Unauthorized
from ...names import namespace_of
from .asker import Asker

# The names in the path of an operation or a page, by what they name: organization, repository and so on.
Names = Mapping[str, str]


class Permission(NamedTuple):
    """check raises the error for those who may not. It may return the object that the rule was asked about. who: who
    may, in words for documents.

    hides: whoever may not see the object gets the same answer as if it did not exist.
    """

    check: Callable[[Asker, Names], Awaitable[Object | None]] | None
    who: str
    hides: bool = False


def require(asker: Asker, action: str, object: Object, hidden: RegistryError | None = None) -> None:
    """Raise Unauthorized, or Denied with the reason.

    Raise `hidden` if the client may not even see the object: that takes the right to pull, or admin.
    """
    decision = rule.decide(asker.principal, action, object)
    if decision.allowed:
        return
    require_login(asker)
    sees = any(rule.decide(asker.principal, each, object).allowed for each in (PULL, ADMIN))
    if sees and action == PULL:
        return
    if sees or hidden is None:
        raise Denied(decision.reason)
    raise hidden


def require_login(asker: Asker, first: bool = False) -> None:
    """Before there are accounts one can only add the first user, on this machine.

    first: this is for that. Raises Unauthorized, Denied.
    """
    if asker.principal.open and not rule.decide(asker.principal, ADMIN, REGISTRY).allowed:
        raise Denied(
            "there are no accounts yet, and only this machine itself may add the first user",
            "add a user on the server's machine",
        )
    if asker.principal.open and not first:
        raise Denied("there are no accounts yet", "add a user first")
    if asker.principal.kind == ANONYMOUS and not asker.principal.open:
        raise Unauthorized()


async def _administrator(asker: Asker, names: Names) -> None:
    require_login(asker)
    require(asker, ADMIN, REGISTRY)


async def _adds_users(asker: Asker, names: Names) -> None:
    require_login(asker, first=True)
    require(asker, ADMIN, REGISTRY)


async def _logged_in(asker: Asker, names: Names) -> None:
    require_login(asker)


async def _oneself(asker: Asker, names: Names) -> None:
    await _logged_in(asker, names)
    if asker.principal.kind != USER:
        raise Denied("robot accounts are managed in their organization", "use an account of a user")
    require(asker, ADMIN, rule.namespace(asker.principal.name))


def require_whole(asker: Asker) -> None:
    """A limited token must not get a secret that allows more, or is valid for longer. Raises Denied."""
    if asker.principal.scopes:
        raise Denied(
            "an access token for some actions or repositories alone gets no secrets, and changes no credentials",
            "log in with the password, or with an access token without limits",
        )


async def _own_tokens(asker: Asker, names: Names) -> None:
    await _oneself(asker, names)
    _require_password(asker)


async def _tokens(asker: Asker, names: Names) -> None:
    await _administrator(asker, names)
    _require_password(asker)


def _require_password(asker: Asker) -> None:
    """What an access token made would still count after the token has expired or was revoked. Raises Denied."""
    if asker.principal.token_id is not None:
        raise Denied("an access token makes no other tokens: these would count for longer", "log in with the password")


async def _organization(asker: Asker, names: Names) -> None:
    _require_organization(asker, names, PULL)


async def _organization_owner(asker: Asker, names: Names) -> None:
    _require_organization(asker, names, ADMIN)


def _require_organization(asker: Asker, names: Names, action: str) -> None:
    require_login(asker)
    name = names["organization"]
    require(asker, action, rule.namespace(name), AccountUnknown(f"there is no organization {name}"))


async def _namespace_owner(asker: Asker, names: Names) -> None:
    require_login(asker)
    name = names["namespace"]
    require(asker, ADMIN, rule.namespace(name), no_such_namespace(name))


def no_such_namespace(namespace: str) -> AccountUnknown:
    """The domain's words for a namespace that does not exist."""
    return AccountUnknown(
        f"nobody holds the namespace {namespace}", "make the user or the organization of that name first"
    )


async def _pulls(asker: Asker, names: Names) -> None:
    name = names["repository"]
    require(asker, PULL, (await asker.services.principals.facts(name)).object, NameUnknown(name=name))


async def _sees_repository(asker: Asker, names: Names) -> None:
    await require_repository(asker, PULL, names["repository"])


async def _pulls_content(asker: Asker, names: Names) -> None:
    require_login(asker)
    await require_content(asker, names["repository"])


async def _repository_admin(asker: Asker, names: Names) -> None:
    await require_repository(asker, ADMIN, names["repository"])


async def _repository_deletes(asker: Asker, names: Names) -> None:
    await require_repository(asker, DELETE, names["repository"])


async def _sees_untagged(asker: Asker, names: Names) -> None:
    await _pulls_content(asker, names)
    await _repository_deletes(asker, names)


async def _repository_goes(asker: Asker, names: Names) -> None:
    """Deleting a repository deletes its settings with its content, so it takes the rights to both."""
    await _repository_deletes(asker, names)
    await _repository_admin(asker, names)


async def _pulls_repository(asker: Asker, names: Names) -> Object:
    """Pages need no login for what everybody may pull."""
    object = (await asker.services.principals.facts(names["repository"])).object
    require(asker, PULL, object, NameUnknown(name=names["repository"]))
    return object


async def _user_pulls(asker: Asker, names: Names) -> None:
    """What a user does here as a person: a token that is for content alone does not do it for them."""
    await _oneself(asker, names)
    await _sees_repository(asker, names)


async def _removes_comments(asker: Asker, names: Names) -> None:
    """Users may be the authors of the comment. That is asked when it is removed."""
    require_login(asker)
    object = (await asker.services.principals.facts(names["repository"])).object
    if not rule.decide(asker.principal, ADMIN, object).allowed:
        await _user_pulls(asker, names)


def sees_people(asker: Asker, repository: str) -> bool:
    """Whether the asker sees who pushed to the repository: members of its namespace and administrators do."""
    space = rule.namespace(namespace_of(repository))
    return any(
        rule.decide(asker.principal, action, object).allowed for action, object in ((PULL, space), (ADMIN, REGISTRY))
    )


async def require_repository(asker: Asker, action: str, name: str) -> None:
    """Raise Unauthorized, Denied, or NameUnknown where the client may not see the repository."""
    require_login(asker)
    object = (await asker.services.principals.facts(name)).object
    require(asker, action, object, NameUnknown(name=name))


async def require_content(asker: Asker, name: str) -> None:
    """The same for the content of a repository. A token to the action admin alone shows nothing of it."""
    object = (await asker.services.principals.facts(name)).object
    require(asker, PULL, object, NameUnknown(name=name))
    decision = rule.decide(asker.principal, PULL, object)
    if not decision.allowed:
        raise Denied(decision.reason)


async def _pattern_admin(asker: Asker, names: Names) -> None:
    """A pattern without wildcards names one repository. Any other pattern concerns the whole namespace."""
    require_login(asker)
    pattern = patterns.parse(names["pattern"])
    if "*" in pattern.text:
        object = rule.namespace(pattern.namespace)
    else:
        object = (await asker.services.principals.facts(pattern.text)).object
    require(asker, ADMIN, object, no_such_namespace(pattern.namespace))


EVERYONE = Permission(None, "everyone")
LOGGED_IN = Permission(_logged_in, "whoever is logged in")
ONESELF = Permission(_oneself, "users, for themselves")
OWN_TOKENS = Permission(_own_tokens, "users, for themselves, with a password")
ADMINISTRATOR = Permission(_administrator, "administrators of the registry")
ADDS_USERS = Permission(_adds_users, "administrators of the registry")
TOKENS = Permission(_tokens, "administrators of the registry, with a password")
ORGANIZATION = Permission(_organization, "members of the organization", True)
ORGANIZATION_OWNER = Permission(_organization_owner, "owners of the organization", True)
NAMESPACE_OWNER = Permission(_namespace_owner, "whose the namespace is", True)
PULLS = Permission(_pulls, "whoever may pull the repository, also without a login", True)
PULLS_REPOSITORY = Permission(_pulls_repository, "whoever may pull the repository", True)
SEES_REPOSITORY = Permission(_sees_repository, "whoever may pull the repository", True)
PULLS_CONTENT = Permission(_pulls_content, "whoever may pull the repository; a token needs the action pull", True)
USER_PULLS = Permission(_user_pulls, "users who may pull the repository, for themselves", True)
REMOVES_COMMENTS = Permission(
    _removes_comments, "the author of the comment, and whoever has the right admin on the repository", True
)
REPOSITORY_ADMIN = Permission(_repository_admin, "whoever has the right admin on the repository", True)
REPOSITORY_DELETES = Permission(
    _repository_deletes, "whoever may delete in the repository, which takes the right admin", True
)
SEES_UNTAGGED = Permission(
    _sees_untagged, "whoever may delete in the repository; a token needs the actions pull and delete", True
)
REPOSITORY_GOES = Permission(
    _repository_goes, "whoever has the right admin on the repository; a token needs the actions delete and admin", True
)
PATTERN_ADMIN = Permission(
    _pattern_admin, "whoever has the right admin on the repository; for patterns with *, whose the namespace is", True
)
