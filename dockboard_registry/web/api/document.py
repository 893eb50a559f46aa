"""/api/v1/openapi.json: OpenAPI 3.1, made of the declarations by which requests are routed and checked."""

from collections.abc import Iterable
from http.client import responses
from typing import Any

from ... import __version__
from .kinds import Anything, Kind, ListOf, Record, Text
from .operations import JSON, PATH, PREFIX, Operation

_ERROR = Record(
    "one error",
    *(False, "Error"),
    {
        "code": Text("a word for programs"),
        "message": Text("what happened and what to do next", False, 4000),
        "detail": Anything("facts for programs"),
    },
    ("detail",),
)
_ERRORS = Record(
    "what went wrong, in the form of the distribution specification",
    False,
    "Errors",
    {"errors": ListOf("", False, _ERROR)},
)
_WHAT = """Accounts, organizations and rights of a container registry. Names of repositories, patterns and holders are
one segment of a path, with %2F for each slash: /api/v1/repositories/acme%2Fapp. Lists come in pages: `next` is the
path of the following one. Times are milliseconds since 1970."""
_SCHEMES = {
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "name and password; an access token or the secret of a robot account may be the password",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "an access token or the secret of a robot account itself",
    },
}
_WHOLE = "; not with an access token that is limited to some actions or repositories"
_ERROR_HEADERS = {401: "WWW-Authenticate", 429: "Retry-After"}


def made(operations: Iterable[Operation]) -> dict[str, Any]:
    """The document that describes these operations."""
    paths: dict[str, dict] = {}
    schemas: dict[str, dict] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Dockboard Registry", "version": __version__, "description": _WHAT.replace("\n", " ")},
        "servers": [{"url": PREFIX}],
        "security": [{name: []} for name in _SCHEMES],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


def statuses(operation: Operation) -> list[int]:
    """Every status that the operation may answer with."""
    found = {operation.status, 400, 503, *operation.others}
    if operation.permission.check is not None:
        found |= {401, 403, 429}
    if operation.names or operation.unknown:
        found.add(404)
    if operation.body is not None:
        found |= {413, 415, 422}
    found |= {409} if operation.conflicts else set()
    return sorted(found | ({422} if operation.refuses or {"pattern", "holder"} & {*operation.names} else set()))


def _described(operation: Operation, schemas: dict) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.group.removesuffix(".json")],
        "summary": operation.summary,
        "description": f"For {operation.permission.who}{_WHOLE if operation.needs_whole else ''}.",
        "parameters": _parameters(operation),
        "responses": {str(status): _response(operation, status, schemas) for status in statuses(operation)},
    }
    if operation.permission.check is None:
        found["security"] = []
    if operation.body is not None:
        found["requestBody"] = {"required": True, "content": {JSON: {"schema": _schema(operation.body, schemas)}}}
    return found


def _parameters(operation: Operation) -> list[dict]:
    path = [_parameter(name, "path", PATH[name], True) for name in operation.names]
    return path + [_parameter(name, "query", kind, name in operation.must) for name, kind in operation.query.items()]


def _parameter(name: str, place: str, kind: Kind, required: bool) -> dict[str, Any]:
    schema = kind.schema()
    return {
        "name": name,
        "in": place,
        "required": required,
        "description": schema.pop("description", name),
        "schema": schema,
    }


def _response(operation: Operation, status: int, schemas: dict) -> dict[str, Any]:
    found: dict[str, Any] = {"description": responses[status]}
    if status == 201:
        found["headers"] = {"Location": _header("the path of what was made")}
    if status >= 400:
        found["content"] = {JSON: {"schema": _schema(_ERRORS, schemas)}}
        if status in _ERROR_HEADERS:
            found["headers"] = {
                _ERROR_HEADERS[status]: _header("how to log in" if status == 401 else "seconds to wait")
            }
    elif operation.answer is not None:
        found["content"] = {operation.media: {"schema": _schema(operation.answer, schemas)}}
    return found


def _header(description: str) -> dict[str, Any]:
    return {"description": description, "required": True, "schema": {"type": "string"}}


def _schema(kind: Kind, schemas: dict) -> dict[str, Any]:
    """Records with names stand once, among the components."""
    if isinstance(kind, Record) and kind.name:
        if kind.name not in schemas:
            schemas[kind.name] = {}
            schemas[kind.name] = kind.schema() | {
                "properties": {name: _schema(field, schemas) for name, field in kind.fields.items()}
            }
        return {"$ref": f"#/components/schemas/{kind.name}"}
    if isinstance(kind, ListOf):
        return kind.schema() | {"items": _schema(kind.kind, schemas)}
    return kind.schema()
