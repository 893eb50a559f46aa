"""One request of the API: find the operation, find out who asks, check the permission and the input, call, answer."""

import json
from collections.abc import Mapping
from urllib.parse import unquote_to_bytes

from ...clients import count_for, network_of
from ...domain.access.rule import Principal
from ...domain.content import documents, json_limits
from ...domain.credentials.access_tokens import is_secret
from ...errors import (
    BadRequest,
    ManifestInvalid,
    MediaUnsupported,
    NotFound,
    Unauthorized,
    Unsupported,
)
from ...http.messages import Request, Response
from ...wording import quoted
from ..auth import permissions
from ..auth.asker import Asker, asker_of
from ..auth.sites import refuse_other_sites
from ..endpoint import NO_STORE
from . import table
from .kinds import Kind, Wrong
from .operations import JSON, PATH, PREFIX, Answer, Call, Operation

_SAFE = ("GET", "HEAD")


async def answer(services, request: Request) -> Response:
    """The response. Raises RegistryError."""
    operation, path = find(request)
    if request.method not in _SAFE:
        refuse_other_sites(request)
    call = Call(Asker(services, request.remote), request, operation, path)
    if operation.permission.check is not None:
        await _admit(call)
    await _read(call)
    return _response(operation, await operation.work(call))


async def _admit(call: Call) -> None:
    """Find out who asks, and check the permission. Raises Unauthorized, Denied and other errors."""
    call.asker = await _asker(call)
    count_for(call.principal.account_key or network_of(call.request.remote))
    await call.operation.permission.check(call.asker, call.path)
    if call.operation.needs_whole:
        permissions.require_whole(call.asker)
    if call.operation.method not in _SAFE:
        call.asker.count_change()


async def _asker(call: Call) -> Asker:
    principal, access_version = await authenticate(call.services, call.request)
    return asker_of(call.services, call.request.remote, principal, access_version)


def find(request: Request) -> tuple[Operation, Mapping[str, str]]:
    """The operation, and the names in its path. Raises NotFound; Unsupported, which names the methods of the path."""
    methods, path = _route(request.path)
    method = "GET" if request.method == "HEAD" else request.method
    if method not in methods:
        allowed = [*methods, *(["HEAD"] if "GET" in methods else [])]
        raise Unsupported(f"this resource has no method {request.method[:16]!a}", headers={"Allow": ", ".join(allowed)})
    return methods[method], path


def _route(raw_path: str) -> tuple[Mapping[str, Operation], Mapping[str, str]]:
    nowhere = NotFound("there is nothing of the API at this path", f"see {PREFIX}/openapi.json for what there is")
    if not raw_path.startswith(PREFIX + "/"):
        raise nowhere
    node, path = table.tree(), {}
    try:
        for segment in (unquote_to_bytes(part).decode() for part in raw_path[len(PREFIX) + 1 :].split("/")):
            if segment in node.fixed:
                node = node.fixed[segment]
            elif node.named is not None:
                path[node.name] = PATH[node.name].check(segment)
                node = node.named
            else:
                raise nowhere
    except (UnicodeDecodeError, Wrong):
        raise nowhere from None
    if not node.methods:
        raise nowhere
    return node.methods, path


async def authenticate(services, request: Request) -> tuple[Principal, int]:
    """Who asks, and the access version at which that was found out. Raises Unauthorized, TooManyRequests."""
    shown = request.authorization
    while True:
        access_version = await services.principals.access_version()
        if shown is None or access_version == 0:
            return services.gate.anonymous(request, access_version), access_version
        principal = await _principal(services.credentials, shown, request.remote, access_version)
        # None: a password was checked just now. That takes time, and rights may have changed meanwhile.
        if principal is not None:
            request.who = principal.log_name
            return principal, access_version


async def _principal(credentials, shown: str, address: str, access_version: int) -> Principal | None:
    """Basic as everywhere; or an access token or a robot's secret as Bearer. Tokens of /token are for images only."""
    scheme, _, text = shown.partition(" ")
    if scheme.lower() != "bearer":
        return await credentials.by_basic(shown, address, access_version)
    if not is_secret(text.strip()):
        raise Unauthorized(
            "this is no access token; what the token server signs is for images alone",
            "show an access token, or name and password",
        )
    return await credentials.by_refresh_token(text.strip(), address, access_version)


async def _read(call: Call) -> None:
    """Query and body, checked. Raises BadRequest, MediaUnsupported, SizeInvalid."""
    operation, request = call.operation, call.request
    for name in request.query_fields():
        if name not in operation.query:
            raise BadRequest(
                f"the query has an unknown field {quoted(name)}",
                "look it up in the document of the API",
            )
    for name, kind in operation.query.items():
        _read_field(call, name, kind, request.query(name))
    if operation.body is None:
        if await request.body.read_all(operation.longest):
            raise BadRequest("the request has a body, and this operation takes none", "send it without a body")
        return
    if request.headers.get("Content-Type", "").partition(";")[0].strip().lower() != JSON:
        raise MediaUnsupported("the Content-Type of the body is not JSON", "send Content-Type: application/json")
    try:
        call.body = operation.body.check(
            await json_limits.apart(_document, await request.body.read_all(operation.longest))
        )
    except Wrong as error:
        raise BadRequest(f"the body {error}", "correct it; the document of the API says what it may be") from None


def _read_field(call: Call, name: str, kind: Kind, text: str | None) -> None:
    if text is None:
        default = getattr(kind, "default", None)
        if default is not None:
            call.query[name] = default
        elif name in call.operation.must:
            raise BadRequest(f"the query lacks {name}", "add it; the document of the API says what it may be")
        return
    try:
        call.query[name] = kind.of_text(text)
    except Wrong as error:
        raise BadRequest(f"the query has a field {name} that {error}", "correct it") from None


def _document(body: bytes) -> object:
    """JSON that all readers understand alike. Raises BadRequest."""
    try:
        return documents.load(body)
    except ManifestInvalid as error:
        raise BadRequest(error.cause, "send one JSON object in UTF-8") from None


def _response(operation: Operation, found: Answer) -> Response:
    # Answers tell who has an account and what they may do, and some hold secrets.
    headers = {**NO_STORE, **found.headers}
    if found.content is None:
        return Response(found.status, headers)
    headers["Content-Type"] = operation.media
    return Response(
        found.status, headers, found.content if isinstance(found.content, bytes) else json.dumps(found.content).encode()
    )
