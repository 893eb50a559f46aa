"""/token: signed tokens for a password, an access token, a refresh token, or for nobody.

Distribution's "Token Authentication Specification" and "OAuth2 Token Authentication". A token is for that part of what
was asked for which is allowed now. Each request that shows it decides again whether it still is.
"""

import json
import re
import time
from urllib.parse import parse_qs

from ..domain.access.facts import ask, objects
from ..domain.access.rule import DELETE, PULL, PUSH, REGISTRY, SEARCH, Object, Principal, decide
from ..domain.credentials.signed_tokens import (
    ACCESS,
    ACCESS_SECONDS,
    LONGEST,
    MOST_ENTRIES,
    OF_CATALOG,
    REFRESH,
    REPOSITORY,
    ResourceActions,
    make,
)
from ..domain.credentials.signed_tokens import REGISTRY as THE_REGISTRY
from ..errors import BadRequest, Unauthorized
from ..http.messages import Request, Response
from ..names import is_repository_name
from ..wording import quoted
from .endpoint import NO_STORE, Endpoint, document
from .face import Face

_MOST_BODY, _MOST_FIELDS, _MOST_NAMES = 16 << 10, 100, 5000
_ACTIONS = {"pull": PULL, "push": PUSH, "delete": DELETE}
# docker names a class for plugins: repository(plugin). It tells what the repository holds, not who may use it.
_WITH_CLASS = re.compile(r"repository\([a-z0-9]+\)", re.A)

Scopes = dict[tuple[str, str], set[str]]


class Token(Endpoint):
    name = "token"

    async def get(self, request: Request) -> Response:
        """With Basic credentials, or as nobody."""
        return await self._by_header(request, {})

    async def _by_header(self, request: Request, form: dict[str, str]) -> Response:
        """A token for the account in the Authorization header.

        The wanted scope is in the query, or in a form without grant_type.
        """
        wanted = scopes([*request.query_all("scope"), form.get("scope", "")])
        self._require_own_service(request.query("service") or form.get("service"))
        header, offline = request.authorization, request.query("offline_token") in ("true", "1")

        async def authenticate(access_version: int) -> Principal | None:
            return await self.services.credentials.by_basic(header, request.remote, access_version)

        return await self._answer(request, authenticate if header is not None else None, wanted, offline)

    async def post(self, request: Request) -> Response:
        """OAuth2, with grant_type password or refresh_token.

        Some clients send only the header, with an empty form or none.
        """
        form = _form(await request.body.read_all(_MOST_BODY))
        if "grant_type" not in form and "Authorization" in request.headers:
            return await self._by_header(request, form)
        wanted = scopes([form.get("scope", "")])
        self._require_own_service(form.get("service"))
        names = {"password": ("username", "password"), "refresh_token": ("refresh_token",)}.get(
            form.get("grant_type", ""), ("",)
        )
        if not all(name in form for name in names):
            raise BadRequest(
                f"the form lacks {' or '.join(names) if names != ('',) else 'a known grant_type'}",
                "send grant_type=password with username and password, or grant_type=refresh_token with it",
            )
        shown = [form[name] for name in names]

        async def authenticate(access_version: int) -> Principal | None:
            credentials = self.services.credentials
            return await (credentials.by_password if len(shown) == 2 else credentials.by_refresh_token)(
                *shown, request.remote, access_version
            )

        nobody = shown == ["", ""]
        return await self._answer(
            request,
            None if nobody else authenticate,
            wanted,
            form.get("access_type") == "offline",
            form.get("refresh_token", ""),
        )

    def _require_own_service(self, service: str | None) -> None:
        """Tokens are for this registry only. A client that asks for another service is told so. Raises BadRequest."""
        if service not in (None, "", self.services.gate.service):
            raise BadRequest(
                "this token server makes no tokens for that service",
                f"ask for the service {self.services.gate.service}",
            )

    async def _answer(
        self, request: Request, authenticate, wanted: Scopes, offline: bool, refresh: str = ""
    ) -> Response:
        principal, access_version = None, 0
        while principal is None:
            access_version = await self.services.principals.access_version()
            if authenticate is None or access_version == 0:
                principal = self.services.gate.anonymous(request, access_version)
                break
            try:
                principal = await authenticate(access_version)
            except Unauthorized as error:
                error.headers["WWW-Authenticate"] = f'Basic realm="{self.services.gate.realm(request)}"'
                raise
        request.who = principal.log_name
        granted = await self._granted(principal, wanted)
        key = await self.services.people.signing_keys.newest(access_version)
        if offline and principal.id and not refresh:
            refresh = make(key, self.services.gate.service, REFRESH, principal.identity, [])
        token = make(key, self.services.gate.service, ACCESS, principal.identity, granted)
        if len(token) > LONGEST:
            raise _too_much()
        return _token_response(token, granted, refresh if offline else "")

    async def _granted(self, principal: Principal, wanted: Scopes) -> list[ResourceActions]:
        """The part of the wanted scope that is allowed."""
        names = [name for kind, name in wanted if kind == REPOSITORY]
        known = (
            await objects(self.services.db, names)
            if len(names) > 1
            else {name: (await ask(self.services.db, name)).object for name in names}
        )
        granted = []
        for (kind, name), wanted_actions in wanted.items():
            if kind == THE_REGISTRY:
                actions = _of_catalog(principal, wanted_actions) if name == "catalog" else ()
            else:
                allowed = (word for word, action in _ACTIONS.items() if _may(principal, action, known[name]))
                actions = tuple(word for word in allowed if word in wanted_actions or "*" in wanted_actions)
            if actions:
                granted.append(ResourceActions(kind, name, actions))
        return granted


class TokenServer(Face):
    """The path that the challenges of /v2/ name."""

    paths = ("/token",)

    def __init__(self, services):
        super().__init__({"/token": Token(services)})


def _of_catalog(principal: Principal, wanted: set[str]) -> tuple[str, ...]:
    """Everybody may search: docker asks for this when it has a refresh token. What is found is what they may pull."""
    return tuple(
        word
        for word, action in OF_CATALOG.items()
        if word in wanted and (action == SEARCH or _may(principal, action, REGISTRY))
    )


def _may(principal: Principal, action: str, object: Object) -> bool:
    return decide(principal, action, object).allowed


def _token_response(token: str, granted: list[ResourceActions], refresh: str) -> Response:
    fields = {
        "token": token,
        "access_token": token,
        "expires_in": ACCESS_SECONDS,
        "issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "scope": " ".join(f"{kind}:{name}:{','.join(actions)}" for kind, name, actions in granted),
    }
    if refresh:
        fields["refresh_token"] = refresh
    return document(200, json.dumps(fields).encode(), NO_STORE)


def scopes(texts: list[str]) -> Scopes:
    """The wanted scope by kind and name, without names for which nothing can be granted.

    Raises BadRequest if it is too long.
    """
    found: Scopes = {}
    for text in " ".join(texts).split():
        kind, _, rest = text.partition(":")
        name, _, actions = rest.rpartition(":")
        if _WITH_CLASS.fullmatch(kind):
            kind = REPOSITORY
        if kind == THE_REGISTRY or (kind == REPOSITORY and is_repository_name(name)):
            found.setdefault((kind, name), set()).update(actions.split(","))
    if len(found) > MOST_ENTRIES or sum(len(name) for _, name in found) > _MOST_NAMES:
        raise _too_much()
    return found


def _too_much() -> BadRequest:
    return BadRequest("too many scopes for one token", "ask for fewer repositories at once")


def _form(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises BadRequest if it can't be read, or has a field twice."""
    try:
        fields = parse_qs(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError as error:
        raise BadRequest("the body is not a form that can be read", "send application/x-www-form-urlencoded") from error
    if twice := [name for name, values in fields.items() if len(values) > 1]:
        raise BadRequest(f"the form has the field {quoted(twice[0])} more than once", "send it once")
    return {name: value for name, (value,) in fields.items()}
