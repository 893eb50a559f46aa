"""The requests of S3 that the registry makes. All of them block, so they are made in threads."""

import hashlib
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from ....errors import StartError
from ....outbound.client import Answer, Client, Request
from ....outbound.errors import OutboundError
from ... import StorageFailed
from ..bucket import Found, Refused, stream
from ..credentials import FileCredentials, FixedCredentials
from ..names import MARKER
from ..parts import Parts, equal_size_of, size_of
from ..signers import sigv4
from ..signers.forms import Place, Query, encoded_path, encoded_query, in_base64
from ..signers.sigv4 import EMPTY_SHA256
from . import checksums
from .answers import Node, bare_etag, completion, deletion, error_of, etag, milliseconds, parsed, whole, words
from .place import S3Place

PAGE = 1000
# A large upload is put together while the client waits. Servers may take minutes for that.
COMPLETE_SECONDS = 300.0
URL_SECONDS = 20 * 60
_NO_FIELDS: Mapping[str, str] = {}


class S3:
    """One bucket, and the objects below the prefix. Names of objects are given without the prefix.

    absent: the fields of a request that writes an object only if there is none. url_query: what URLs for clients ask
    for.
    """

    lists_uploads = True
    absent: Mapping[str, str] = {"If-None-Match": "*"}
    url_query: Query = (("response-content-type", "application/octet-stream"),)

    def __init__(self, place: S3Place, credentials: FixedCredentials | FileCredentials, client: Client):
        self._place, self._credentials, self._client = place, credentials, client
        self._base = place.base(place.endpoint, place.style)

    def call(
        self,
        method: str,
        name: str | None,
        query: Query = (),
        body: bytes | memoryview = b"",
        fields: Mapping[str, str] = _NO_FIELDS,
        stream: bool = False,
        answer: float | None = None,
    ) -> Answer:
        """The answer if its status is 2xx. Raises Refused, StorageFailed."""
        where = self._place.of(name, query)
        given = {**self._verified(body), **fields}

        length = len(body) if body or method in ("PUT", "POST") else None

        def signed() -> Mapping[str, str]:
            return self._fields(method, name, query, given, length)

        request = Request(method, self._base + self._target(where), signed, body, answer=answer)
        try:
            found = self._client.send(request, stream)
        except (OutboundError, StartError) as error:
            raise StorageFailed(f"the object store can't be used: {error}") from error
        if not 200 <= found.status < 300:
            raise self._error(found)
        return found

    def _verified(self, body: bytes | memoryview) -> Mapping[str, str]:
        """The field by which the server checks what arrives."""
        return {sigv4.SHA256: hashlib.sha256(body).hexdigest() if body else EMPTY_SHA256}

    def _target(self, where: Place) -> str:
        """Path and query as they are sent."""
        return encoded_path(where.path) + (f"?{encoded_query(where.query)}" if where.query else "")

    def _error(self, answer: Answer) -> Refused:
        return error_of(answer)

    def _fields(
        self, method: str, name: str | None, query: Query, fields: Mapping[str, str], length: int | None
    ) -> Mapping[str, str]:
        """The fields with those that sign the request. length: what Content-Length will be; None = there is none."""
        where = self._place.of(name, query)
        rest = {key: value for key, value in fields.items() if key != sigv4.SHA256}
        return sigv4.signed_fields(
            method, where, rest, fields[sigv4.SHA256], self._credentials.now(), self._place.region
        )

    def _query(self, name: str, query: Query) -> str:
        """The encoded query with which everybody may fetch the object."""
        where = self._place.for_clients(name, query)
        return sigv4.signed_query("GET", where, self._credentials.now(), self._place.region, URL_SECONDS)

    def require(self) -> None:
        """By a list, which needs no right that is not needed anyway, and whose errors have a code."""
        next(self.objects(MARKER))

    def put(self, name: str, body: bytes | memoryview, if_absent: bool = False) -> str:
        """Returns the ETag. if_absent: raises Refused with status 412 where the object exists, if the server can."""
        fields = {"Content-Type": "application/octet-stream", **(self.absent if if_absent else {})}
        return etag(self.call("PUT", name, body=body, fields=fields).headers.get("ETag"))

    def get(self, name: str, start: int = 0, length: int | None = None) -> Answer:
        """A stream from `start`. Raises Refused."""
        return stream(self.call, name, start, length)

    def size(self, name: str) -> tuple[int, str]:
        """The number of bytes, and the ETag. Raises Refused."""
        found = self.call("HEAD", name)
        return int(found.headers.get("Content-Length", -1)), self._tag_of_whole(found, etag(found.headers.get("ETag")))

    def _tag_of_whole(self, answer: Answer, tag: str) -> str:
        """By what `whole_etag` knows the object of this answer. tag: its ETag."""
        return tag

    def delete(self, names: list[str]) -> dict[str, str]:
        """The names that could not be deleted, with the codes. Names without an object are no error."""
        failed: dict[str, str] = {}
        for first in range(0, len(names), PAGE):
            page = names[first : first + PAGE]
            body = deletion(self._place.prefix + name for name in page)
            fields = {**md5_field(body), "Content-Type": "application/xml"}
            answer = self.call("POST", None, (("delete", ""),), body, fields)
            if not answer.body.strip():
                continue  # OSS says nothing where all went well
            found = parsed(answer.body)
            for error in found.all("Error"):
                if error.get("Code") not in ("NoSuchKey", "NoSuchVersion"):
                    failed[error.get("Key").removeprefix(self._place.prefix)] = error.get("Code")
        return failed

    def objects(self, prefix: str, after: str = "") -> Iterator[list[Found]]:
        """The objects below a prefix whose names are greater, in the order of their names, page by page."""
        wanted = {"prefix": self._place.prefix + prefix, "max-keys": str(PAGE), "encoding-type": "url"}
        more: dict[str, str] | None = self._list_of(after)
        while more is not None:
            found = parsed(self.call("GET", None, tuple({**wanted, **more}.items())).body)
            coded = found.get("EncodingType") == "url"
            page = [
                Found(
                    self._name(entry.get("Key"), coded),
                    milliseconds(entry.get("LastModified")),
                    size=whole(entry.get("Size")),
                )
                for entry in found.all("Contents")
            ]
            yield page
            goes_on = page and found.get("IsTruncated") == "true"
            more = {**more, **self._next_list(found, page[-1].name)} if goes_on else None

    def _list_of(self, after: str) -> dict[str, str]:
        return {"list-type": "2", **({"start-after": self._place.prefix + after} if after else {})}

    def _next_list(self, found: Node, last: str) -> dict[str, str]:
        return {"continuation-token": found.get("NextContinuationToken")}

    def uploads(self, prefix: str, after: str = "") -> Iterator[list[Found]]:
        """The same for uploads under way. MinIO lists those of one object only, whose whole name is the prefix."""
        wanted = {"uploads": "", "prefix": self._place.prefix + prefix, "max-uploads": str(PAGE)}
        markers = {"key-marker": self._place.prefix + after} if after else {}
        while markers is not None:
            found = parsed(self.call("GET", None, tuple({**wanted, **markers}.items())).body)
            yield [
                Found(self._name(entry.get("Key"), False), milliseconds(entry.get("Initiated")), entry.get("UploadId"))
                for entry in found.all("Upload")
            ]
            following = {"key-marker": found.get("NextKeyMarker"), "upload-id-marker": found.get("NextUploadIdMarker")}
            markers = following if found.get("IsTruncated") == "true" else None

    def _name(self, key: str, coded: bool) -> str:
        return (unquote(key) if coded else key).removeprefix(self._place.prefix)

    def part_size(self, number: int) -> int:
        return equal_size_of(number) if self._place.equal_parts else size_of(number)

    def begin(self, name: str) -> str:
        """Begin an upload in parts. Returns its id."""
        found = self.call("POST", name, (("uploads", ""),), fields={"Content-Type": "application/octet-stream"})
        return parsed(found.body).get("UploadId")

    def part(self, name: str, upload: str, number: int, body: memoryview) -> str:
        """Returns the ETag. The same part may be sent again."""
        found = self.call("PUT", name, (("partNumber", str(number)), ("uploadId", upload)), body)
        return self._tag_of_part(found, body)

    def _tag_of_part(self, answer: Answer, body: memoryview) -> str:
        """By what the session's row knows the part of this answer."""
        return etag(answer.headers.get("ETag"))

    def complete(self, name: str, upload: str, parts: Parts) -> str:
        """Returns the ETag of the object. Raises Refused, also for a 200 with an error inside."""
        fields, query = {"Content-Type": "application/xml"}, (("uploadId", upload),)
        body = completion(checksums.etags(parts.etags))
        answer = self.call("POST", name, query, body, fields, answer=COMPLETE_SECONDS)
        found = parsed(answer.body.strip())
        if found.name == "Error":
            raise Refused(500, found.get("Code"), words(found.get("Code")))
        return self._tag_of_whole(answer, etag(found.get("ETag")))

    def etag_of(self, body: bytes | memoryview) -> str:
        return hashlib.md5(body, usedforsecurity=False).hexdigest()

    def whole_etag(self, parts: Parts) -> str:
        return parts.whole_etag()

    def abort(self, name: str, upload: str) -> None:
        """An upload that is not there is no error."""
        try:
            self.call("DELETE", name, (("uploadId", upload),))
        except Refused as error:
            if error.status != 404:
                raise

    def url(self, name: str) -> str:
        """With it everybody may fetch the object for the next 20 minutes. Raises StartError."""
        path = self._place.for_clients(name).path
        base = self._place.base(self._place.redirect_endpoint, self._place.redirect_style)
        return f"{base}{encoded_path(path)}?{self._query(name, self.url_query)}"

    def close(self) -> None:
        self._client.close()


class ChecksumS3(S3):
    """S3 whose answers have the CRC-64 of parts and objects in a field. checksum_field: its name.

    The vendors do not say how they make the ETag of an object of parts.
    """

    checksum_field = ""

    def _tag_of_part(self, answer: Answer, body: memoryview) -> str:
        tag = bare_etag(answer.headers.get("ETag"))
        return checksums.with_checksum(tag, answer.headers.get(self.checksum_field))

    def whole_etag(self, parts: Parts) -> str:
        found = checksums.of_whole(checksums.CRC64, parts.etags, parts.sizes)
        return "" if found is None else f"crc64 {found}"

    def _tag_of_whole(self, answer: Answer, tag: str) -> str:
        found = answer.headers.get(self.checksum_field)
        return f"crc64 {found}" if found else tag

    def _verified(self, body: bytes | memoryview) -> Mapping[str, str]:
        return md5_field(body)


def md5_field(body: bytes | memoryview) -> Mapping[str, str]:
    """For servers that check by it; empty for an empty body."""
    return {"Content-MD5": in_base64(hashlib.md5(body, usedforsecurity=False).digest())} if body else {}
