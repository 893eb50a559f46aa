"""Who asks, and may they? Every request that concerns content comes through here, and the refusals are made here too.

Each request reads the facts about the repository and the access version. What is remembered about the one who asks
counts only at that access version. So every change is effective with the next request, at every worker and node.
"""

import functools
import re
from collections.abc import Awaitable
from ipaddress import ip_address
from typing import NamedTuple, NoReturn
from urllib.parse import urlsplit

from ...clients import count_for
from ...config.kinds import is_loopback
from ...domain.access import rule
from ...domain.access.facts import ALONE, Facts, Question, ask
from ...domain.access.rule import (
    ANONYMOUS,
    CATALOG,
    DELETE,
    OVERWRITE,
    PULL,
    PUSH,
    REGISTRY,
    SEARCH,
    Object,
    Principal,
)
from ...domain.audit import Actor
from ...errors import BadRequest, Denied, NameUnknown, Unauthorized
from ...http.messages import Request
from ...names import is_repository_name, repository_name

# The audience of tokens if no external_url gives the registry a name.
_SERVICE = "dockboard-registry"
# A host that may stand in a header to which clients go. framing.py allows more.
_HOST = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?", re.A
)
# Headers that proxies add besides X-Forwarded-*. A request with one is not from this machine, whatever the connection
# says.
_PROXIED = frozenset(
    "forwarded via x-real-ip x-client-ip x-cluster-client-ip true-client-ip cf-connecting-ip"
    " x-original-forwarded-for".split()
)
_UNSET = (
    "ask from this machine as localhost and through no proxy, or let the operator add accounts, or say in"
    " auth.anonymous what everyone may do"
)
_CHALLENGED = {PULL: "pull", PUSH: "pull,push", DELETE: "delete"}
# Names that no public name server answers for: RFC 6761, RFC 6762, RFC 9476, ICANN's resolution on .internal. Docker
# Desktop has host.docker.internal.
_PRIVATE_NAMES = (".localhost", ".local", ".internal", ".test", ".home.arpa")
# Seconds. After a body that took longer the rights are asked for again. Otherwise a slow client could use a right that
# ended an hour ago.
SLOW_SECONDS = 1.0
# Permissions that are remembered of one caller. A client asks for few repositories with one token.
_ALLOWED = 16
_is_near = functools.lru_cache(256)(is_loopback)


class Caller(NamedTuple):
    """A principal, with what is found out once for many of its requests.

    log_name: that of the principal. allowed: pairs (action, object) that the rule has allowed; None: these are not
    remembered.
    """

    principal: Principal
    log_name: str = "-"
    allowed: set[tuple[str, Object]] | None = None


class AdmittedPush(NamedTuple):
    """A push that is allowed: who pushes, and to which repository. actor: for the audit."""

    principal: Principal
    repository: Object
    actor: Actor | None

    @property
    def may_overwrite_tags(self) -> bool:
        return rule.decide(self.principal, OVERWRITE, self.repository).allowed


class Gate:
    """external_url: where clients reach the registry, or empty. setting: auth.anonymous."""

    def __init__(self, services, external_url: str, setting: str):
        self._services = services
        self._external_url = external_url
        self._unset = not setting
        self._host = urlsplit(external_url).netloc
        self.service = self._host or _SERVICE
        # Stands before the path of each link to a page.
        self.prefix = urlsplit(external_url).path
        # Whether the operator gave the registry a name.
        self.is_named = bool(external_url)
        self._everyone = functools.lru_cache(8)(self._anonymous)
        self._may_all = functools.lru_cache(1024)(self._anonymous_may)

    async def admit(self, request: Request, name: str, action: str) -> Principal:
        """Require that whoever asks may do this to the repository.

        Raises NameInvalid, Unauthorized, Denied, NameUnknown, TooManyRequests.
        """
        caller, facts = await self._asked(request, repository_name(name), action, ALONE)
        return self._permit(request, caller, action, facts.object)

    async def admit_push(self, request: Request, name: str) -> AdmittedPush:
        """The same for a push."""
        caller, facts = await self._asked(request, repository_name(name), PUSH, ALONE)
        principal = self._permit(request, caller, PUSH, facts.object)
        return AdmittedPush(principal, facts.object, actor(request, principal))

    async def require_still(self, request: Request, push: AdmittedPush) -> None:
        """Require that the push is still allowed. A signed token may have expired meanwhile, because bodies take longer
        than these live.

        Raises what `admit` raises.
        """
        facts = await self._facts(push.repository.name, ALONE)
        principal = self.anonymous(request, facts.access_version)
        if facts.access_version and request.authorization is not None:
            try:
                principal = await self._services.credentials.renewed(push.principal, facts.access_version)
            except Unauthorized as error:
                error.headers |= self._challenge(request, _scope(request, push.repository.name, PUSH), "invalid_token")
                raise
        self._permit(request, Caller(principal), PUSH, facts.object)

    async def ask(self, request: Request, name: str, action: str, question: Question) -> Facts:
        """Like `admit`; also the answer to the question about the repository, as of the moment of the decision."""
        facts = await ask(self._services.db, repository_name(name), question)
        # Most requests need no rights of an account.
        open = facts.access_version == 0
        if (open or request.authorization is None) and self._may_all(
            open, open and self._unset and self._is_local(request), action, facts.object
        ):
            return facts
        caller, facts = await self._identified(request, name, action, question, facts)
        self._permit(request, caller, action, facts.object)
        return facts

    async def admit_to_registry(self, request: Request, action: str) -> Principal:
        """The same for what concerns no single repository."""
        caller, _ = await self._asked(request, None, action, ALONE)
        return self._permit(request, caller, action, REGISTRY)

    def _permit(self, request: Request, caller: Caller, action: str, object: Object) -> Principal:
        allowed = caller.allowed
        if action != PULL and caller.principal.kind != ANONYMOUS:
            count_for(caller.principal.account_key)
        if allowed is not None and (action, object) in allowed:
            return caller.principal
        if not rule.decide(caller.principal, action, object).allowed:
            self._refuse(request, caller.principal, action, object)
        if allowed is not None and len(allowed) < _ALLOWED:
            allowed.add((action, object))
        return caller.principal

    async def enter(self, request: Request) -> None:
        """For /v2/: if there are accounts, clients learn here that they have to log in, or to ask for a token as
        nobody.

        Raises Unauthorized.
        """
        caller, _ = await self._asked(request, None, None, ALONE)
        principal = caller.principal
        if principal.kind == ANONYMOUS and not principal.open:
            if principal.everyone == "none" or request.authorization is None:
                raise self._not_logged_in(request, "")

    async def who(self, request: Request) -> Principal:
        """Who asks. Raises Unauthorized, TooManyRequests."""
        caller, _ = await self._asked(request, None, None, ALONE)
        return caller.principal

    async def admit_somebody(self, request: Request) -> Principal:
        """Who asks, where they may pull something at all: an account, or anybody where everyone may pull.

        Raises Unauthorized, TooManyRequests; Denied where nobody has an account yet and nobody may pull.
        """
        principal = await self.who(request)
        if principal.kind == ANONYMOUS and principal.everyone == "none":
            if principal.open:
                cause = "anonymous access to this registry includes neither pulling nor searching"
                raise Denied(cause, _UNSET if self._unset else "")
            raise self._not_logged_in(request, "registry:catalog:search")
        return principal

    async def admit_to_search(self, request: Request) -> Principal:
        """Who looks for what they may pull. A signed token for searching leaves them all their rights to find.

        Raises what `admit_somebody` raises.
        """
        principal = await self.admit_somebody(request)
        if principal.asked is not None and any(SEARCH in entry.actions for entry in principal.asked):
            return principal._replace(asked=None)
        return principal

    async def may(self, request: Request, name: str, action: str) -> bool:
        """Whether they may. For requests that go on another way if not. Raises NameInvalid, Unauthorized."""
        caller, facts = await self._asked(request, repository_name(name), action, ALONE)
        return rule.decide(caller.principal, action, facts.object).allowed

    async def _asked(
        self, request: Request, name: str | None, action: str | None, question: Question
    ) -> tuple[Caller, Facts]:
        """Who asks, and the repository as it is now, or the registry. Raises Unauthorized, TooManyRequests."""
        return await self._identified(request, name, action, question, await self._facts(name, question))

    async def _identified(
        self, request: Request, name: str | None, action: str | None, question: Question, facts: Facts
    ) -> tuple[Caller, Facts]:
        """The same with facts that were just read.

        If a password had to be checked, they are read again, because that takes time.
        """
        shown = request.authorization
        while shown is not None and facts.access_version != 0:
            try:
                caller = await self._services.credentials.authenticate(shown, request.remote, facts.access_version)
            except Unauthorized as error:
                error.headers |= self._challenge(request, _scope(request, name, action), "invalid_token")
                raise
            if caller is not None:
                request.who = caller.log_name
                return caller, facts
            facts = await self._facts(name, question)
        return self._anonymous_caller(request, facts.access_version), facts

    def _facts(self, name: str | None, question: Question) -> Awaitable[Facts]:
        return self._facts_of_registry() if name is None else ask(self._services.db, name, question)

    async def _facts_of_registry(self) -> Facts:
        return Facts(await self._services.principals.access_version(), REGISTRY, ())

    def anonymous(self, request: Request, access_version: int) -> Principal:
        """The principal of a request without credentials, at this access version."""
        return self._anonymous_caller(request, access_version).principal

    def _anonymous_caller(self, request: Request, access_version: int) -> Caller:
        open = access_version == 0
        return self._everyone(open, open and self._unset and self._is_local(request))

    def _anonymous(self, open: bool, local: bool) -> Caller:
        return Caller(self._services.principals.anonymous(0 if open else 1, local))

    def _anonymous_may(self, open: bool, local: bool, action: str, object: Object) -> bool:
        return rule.decide(self._everyone(open, local).principal, action, object).allowed

    def _refuse(self, request: Request, principal: Principal, action: str, object: Object) -> NoReturn:
        """Refuse, and tell nothing that the client may not know: a repository that it may not see looks like one that
        does not exist.

        The client may exchange a signed token for another one, so the scope of a signed token does not count here.
        """
        principal = principal._replace(asked=None)
        decision = rule.decide(principal, action, object)
        if principal.open:
            raise Denied(decision.reason, _UNSET if self._unset else "", name=object.name, action=action)
        scope = _scope(request, None if object is REGISTRY else object.name, action)
        if decision.allowed:
            raise Unauthorized(
                "the token is not for this",
                "ask the token server for one with the scope that the challenge names",
                headers=self._challenge(request, scope, "insufficient_scope"),
                name=object.name,
                action=action,
            )
        if principal.kind == ANONYMOUS:
            raise self._not_logged_in(request, scope, name=object.name, action=action)
        if action == CATALOG or rule.decide(principal, PULL, object).allowed:
            raise Denied(decision.reason, name=object.name, action=action)
        if action == PUSH:
            raise Denied(f"{principal} has no right to push to {object.name}", name=object.name, action=action)
        raise NameUnknown(name=object.name)

    def _not_logged_in(self, request: Request, scope: str, **facts: str) -> Unauthorized:
        """For anonymous requests, also with an anonymous token.

        Only a token that was shown can be insufficient (RFC 6750 section 3.1).
        """
        if request.authorization is None:
            return Unauthorized(headers=self._challenge(request, scope), **facts)
        return Unauthorized(
            "the token is nobody's, and this takes a login",
            headers=self._challenge(request, scope, "insufficient_scope"),
            **facts,
        )

    def _challenge(self, request: Request, scope: str, error: str = "") -> dict[str, str]:
        """Where to get a token, and for what (distribution's "Token Authentication Specification"; RFC 6750)."""
        parts = [f'realm="{self.realm(request)}"', f'service="{self.service}"']
        parts += [f'{name}="{value}"' for name, value in (("scope", scope), ("error", error)) if value]
        return {"WWW-Authenticate": "Bearer " + ",".join(parts)}

    def realm(self, request: Request) -> str:
        """The URL of the token server. Raises BadRequest."""
        return f"{self.base(request)}/token"

    def base(self, request: Request) -> str:
        """The URL of this registry, without a slash at its end: the configured address, or the host that the client
        asked for.

        Raises BadRequest.
        """
        if self._external_url:
            return self._external_url
        host = request.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            raise BadRequest(
                "the Host header does not name a host, so there is no place to log in", "ask by the registry's name"
            )
        return f"{'https' if request.secure else 'http'}://{host}"

    def host(self, request: Request) -> str:
        """The name by which clients reach the registry, with its port: the configured one, or the one that was asked
        for. Raises BadRequest.
        """
        host = self._host or request.headers.get("Host", "")
        if not _HOST.fullmatch(host):
            raise BadRequest("the Host header does not name a host", "ask by the registry's name")
        return host

    def _is_local(self, request: Request) -> bool:
        """From this machine, through no proxy as far as it shows, and by no web page from elsewhere.

        Proxies show by the headers that they add, by HTTP/1.0 (nginx before 1.29.7 where nothing is set), or by the
        public name that they pass on, so external_url is none of our names here. One that does none of this, as nginx
        from 1.29.7 on where nothing is set, nothing tells apart.
        """
        if not _is_near(request.remote):
            return False
        direct = request.known.get("direct")
        if direct is None:
            direct = request.known["direct"] = self._is_direct(request)
        return direct

    def _is_direct(self, request: Request) -> bool:
        """The same, as far as the headers tell."""
        headers = request.headers
        if request.version != "HTTP/1.1" or not _PROXIED.isdisjoint(headers) or "x-forwarded-" in " ".join(headers):
            return False
        host = headers.get("Host", "")
        return _is_ours(host) and ("Origin" not in headers or headers["Origin"].partition("://")[2] == host)


def actor(request: Request, principal: Principal) -> Actor | None:
    """The actor in the audit for what this request changes.

    None if there are no accounts, and so nobody who could read the audit.
    """
    return None if principal.open else Actor(str(principal), request.remote)


@functools.lru_cache(256)
def _is_ours(host: str) -> bool:
    """Whether this Host header names an address, or what only this machine or its network can give a meaning to.

    A page of evil.example may let that name point to 127.0.0.1, and its browser then sends it along (DNS rebinding).
    """
    try:
        name = (urlsplit(f"//{host}").hostname or "") if _HOST.fullmatch(host) else ""
        return bool(name) and ("." not in name or name.endswith(_PRIVATE_NAMES) or bool(ip_address(name)))
    except ValueError:
        return False


def _scope(request: Request, name: str | None, action: str | None) -> str:
    """The scope that a token needs, in the token protocol's words; empty for /v2/.

    A mount also needs pull on its source.
    """
    if name is None:
        return "registry:catalog:*" if action == CATALOG else ""
    scope = f"repository:{name}:{_CHALLENGED[action]}"
    source = request.query("from") if action == PUSH and request.method == "POST" else None
    return scope if source in (None, name) or not is_repository_name(source) else f"{scope} repository:{source}:pull"
