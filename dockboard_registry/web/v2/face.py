"""The paths below /v2/, what all answers there say, and how their errors look."""

from ...errors import BodyMalformed, NameInvalid, RegistryError, UploadInvalid
from ...http.messages import Request, Response, SharedFields, decoded
from ..endpoint import Endpoint
from ..face import Face
from .blobs import Blob
from .listing import Base, Catalog, ReferrerList, TagList
from .manifests import Manifest
from .uploads import Upload, Uploads


class Distribution(Face):
    """Names may have any depth, so a path is read from its end."""

    paths = ("/v2", "/v2/")
    fields = SharedFields({"Docker-Distribution-Api-Version": "registry/2.0"})

    def __init__(self, services):
        base = Base(services)
        super().__init__({"/v2": base, "/v2/": base, "/v2/_catalog": Catalog(services)})
        self._manifest, self._blob = Manifest(services), Blob(services)
        self._uploads, self._upload = Uploads(services), Upload(services)
        self._tags, self._referrers = TagList(services), ReferrerList(services)

    def find(self, raw_path: str) -> tuple[Endpoint, tuple[str, ...]]:
        path = decoded(raw_path)
        if raw_path not in self.endpoints and path is not None and path.startswith("/v2/"):
            head, _, last = path[4:].rpartition("/")
            name, _, kind = head.rpartition("/")
            found = self._below(name, kind, last)
            if found is not None:
                return found
        return super().find(raw_path)

    def _below(self, name: str, kind: str, last: str) -> tuple[Endpoint, tuple[str, ...]] | None:
        """
        <name>/manifests/<reference>    <name>/blobs/<digest>           <name>/tags/list
        <name>/referrers/<digest>       <name>/blobs/uploads[/]         <name>/blobs/uploads/<id>
        """
        if kind == "manifests":
            return self._manifest, (name, last)
        if kind == "blobs":
            return (self._uploads, (name,)) if last == "uploads" else (self._blob, (name, last))
        if kind == "uploads" and name.endswith("/blobs"):
            name = name[:-6]
            return (self._upload, (name, last)) if last else (self._uploads, (name,))
        if kind == "tags" and last == "list":
            return self._tags, (name,)
        if kind == "referrers":
            return self._referrers, (name, last)
        return None

    def error(self, error: Exception, request: Request | None = None) -> Response:
        """The specification has a code of its own for the malformed body of an upload."""
        return super().error(UploadInvalid(error.cause) if isinstance(error, BodyMalformed) else error, request)

    def status(self, error: RegistryError, request: Request | None) -> int:
        """The answer to HEAD has no body. A client takes a name that can't exist for one that does not exist, and reads
        the reason in the answer to its next POST.
        """
        head = request is not None and request.method == "HEAD"
        return 404 if head and isinstance(error, NameInvalid) else error.status
