"""A face: paths that are answered in one way, the form of their errors, and the header fields of all their answers."""

import json
from collections.abc import Mapping

from ..db import DatabaseBusy, DatabaseFailed, DatabaseFull, NoRoom
from ..errors import InsufficientStorage, NotFound, RegistryError, Unavailable
from ..http.messages import Request, Response, SharedFields
from ..storage import StorageError, StorageFull
from .endpoint import Endpoint


class Face:
    """Base of all faces, and the face of paths that have none.

    paths: those that are the face's; one that ends with a slash stands for all that begin with it. fields: of every
    answer; error_fields: of every error. nowhere: the cause where a path has no endpoint. Errors have the form of the
    distribution specification, section "Error Codes".
    """

    paths: tuple[str, ...] = ()
    fields = SharedFields({})
    error_fields: Mapping[str, str] = {}
    nowhere = "no route of this registry has this path"
    _beginnings: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        cls._beginnings = tuple(path for path in cls.paths if path.endswith("/"))

    def __init__(self, endpoints: Mapping[str, Endpoint] = {}):
        """endpoints: by their paths."""
        self.endpoints = endpoints

    def has(self, path: str) -> bool:
        """Whether the path belongs to this face. Each request asks."""
        return path in self.paths or path.startswith(self._beginnings)

    def find(self, raw_path: str) -> tuple[Endpoint, tuple[str, ...]]:
        """The endpoint and its path arguments, not yet checked. Raises NotFound."""
        found = self.endpoints.get(raw_path)
        if found is None:
            raise NotFound(self.nowhere)
        return found, ()

    def error(self, error: Exception, request: Request | None = None) -> Response:
        """The answer to a request that failed; to a connection that is refused before it had one, where it is None."""
        known = as_registry_error(error)
        if request is not None and known.status >= 500:
            known.facts["request_id"] = request.id
        headers = {"Content-Type": "application/json", **self.error_fields, **known.headers}
        return Response(self.status(known, request), headers, _document(known))

    def status(self, error: RegistryError, request: Request | None) -> int:
        """The status of the answer to an error."""
        return error.status


def _document(error: RegistryError) -> bytes:
    """detail has facts only, because crane, oras and helm print it after the message."""
    told = {"code": error.code, "message": error.message} | ({"detail": error.facts} if error.facts else {})
    return json.dumps({"errors": [told]}).encode()


def as_registry_error(error: Exception) -> RegistryError:
    """What the client is told. The cause of a failure inside is for the log."""
    if isinstance(error, RegistryError):
        return error
    if isinstance(error, (NoRoom, StorageFull)):
        return InsufficientStorage()
    if isinstance(error, DatabaseFull):
        return InsufficientStorage(
            "the disk of the registry's database is full", "let the operator free room there, then send it again"
        )
    if isinstance(error, DatabaseBusy):
        return Unavailable("the database is busy", headers={"Retry-After": "2"})
    if isinstance(error, DatabaseFailed):
        return Unavailable("the database failed", headers={"Retry-After": "5"})
    if isinstance(error, StorageError):
        return Unavailable("the storage failed", headers={"Retry-After": "5"})
    return RegistryError()
