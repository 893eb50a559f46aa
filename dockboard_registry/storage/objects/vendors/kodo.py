"""The requests of Qiniu's Kodo: to one host each for uploads, for single objects, for lists and for downloads.

Uploads carry a token of their own, downloads a URL with one. Objects are read at the source of the bucket, because a
domain of a content network may remember that an object was missing.
"""

import contextlib
import hashlib
import json
import secrets
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ....errors import StartError
from ....outbound.client import Answer, Client, Request
from ....outbound.errors import OutboundError
from ....outbound.retries import RETRIED
from ... import StorageFailed
from ..bucket import Found, Refused, stream
from ..credentials import FileCredentials, FixedCredentials
from ..names import BLOBS
from ..parts import Parts, size_of
from ..signers import kodo
from ..signers.forms import compact_date, encoded, url_base64
from . import qetag
from .s3 import COMPLETE_SECONDS, PAGE, URL_SECONDS

_TOKEN_SECONDS = 3600
# 573: too many requests for one object. 599: the server failed.
_RETRIED = RETRIED | {573, 599}
# Objects keep the type that they are sent with.
_POLICY: Mapping[str, int] = {"detectMime": -1}
_BYTES = "application/octet-stream"
_FORM = "application/x-www-form-urlencoded"
_NO_FIELDS: Mapping[str, str] = {}
_HEX = "0123456789abcdef"
# Kodo tells errors by statuses of its own, and some by their text. What it calls none of these keeps its status.
_CODES = {
    401: ("SignatureDoesNotMatch", "the signature is wrong: check storage.secret_key and storage.access_key"),
    403: ("AccessDenied", "the access key may not do this: check the rights of the key on the bucket"),
    419: ("AccountFrozen", "the account is frozen"),
    429: ("SlowDown", "it asks for fewer requests"),
    503: ("SlowDown", "it asks for fewer requests"),
    573: ("SlowDown", "it asks for fewer requests"),
    612: ("NoSuchKey", "the object is not there"),
    614: ("FileExists", "the object exists"),
    631: ("NoSuchBucket", "the bucket does not exist: create it, or correct bucket and region in storage.url"),
}
_CLOCKS = "the clocks differ: set the time of this machine"
_TEXTS = {
    "no such uploadId": ("NoSuchUpload", "the upload is gone"),
    "token out of date": ("RequestExpired", _CLOCKS),
    "expired token": ("RequestExpired", _CLOCKS),
    "too skewed": ("RequestTimeTooSkewed", _CLOCKS),
    "incorrect region": ("IncorrectRegion", "the bucket is in another region: set region in storage.url"),
}


class KodoPlace(NamedTuple):
    """Scheme and authority of the URLs for uploads (up), single objects (rs), lists (rsf), for reading (source), and
    for clients. prefix: empty, or it ends with a slash.
    """

    bucket: str
    prefix: str
    up: str
    rs: str
    rsf: str
    source: str
    clients: str

    @classmethod
    def of_url(cls, url) -> "KodoPlace":
        """url: storage.url as the configuration read it."""
        hosts = (url.more["up"], url.endpoint, url.more["rsf"], url.more["source"])
        return cls(url.bucket, url.prefix, *hosts, url.redirect_endpoint)


class Kodo:
    """One bucket, and the objects below the prefix. Names of objects are given without the prefix."""

    lists_uploads = False

    def __init__(self, place: KodoPlace, credentials: FixedCredentials | FileCredentials, client: Client):
        self.place, self._credentials, self._client = place, credentials, client

    def _send(self, request: Request, stream: bool = False) -> Answer:
        """The answer if its status is 2xx. Raises Refused, StorageFailed."""
        try:
            found = self._client.send(request, stream)
        except (OutboundError, StartError) as error:
            raise StorageFailed(f"the object store can't be used: {error}") from error
        if not 200 <= found.status < 300:
            raise _refused(found)
        return found

    def manage(self, method: str, url: str, body: bytes = b"") -> Any:
        """What a request says that is signed as those are that manage objects. Raises Refused, StorageFailed."""

        def signed() -> Mapping[str, str]:
            made = {"Content-Type": _FORM, "X-Qiniu-Date": compact_date(None)}
            token = kodo.request_token(method, url, made, body, self._credentials.now())
            return {**made, "Authorization": f"Qiniu {token}"}

        return _parsed(self._send(Request(method, url, signed, body, retried=_RETRIED)))

    def _entry(self, name: str) -> str:
        return kodo.entry(self.place.bucket, self.place.prefix + name)

    def _token(self, name: str, policy: Mapping[str, int] = _POLICY) -> str:
        until, inside = int(time.time()) + _TOKEN_SECONDS, self.place.prefix + name
        return kodo.upload_token(self.place.bucket, inside, self._credentials.now(), until, policy)

    def require(self) -> None:
        self._page(self.place.prefix, "", 1)

    def put(self, name: str, body: bytes | memoryview, if_absent: bool = False) -> str:
        """Returns the hash. if_absent: raises Refused with status 409 where the object exists with other bytes."""
        try:
            fields = {"token": self._token(name, {**_POLICY, "insertOnly": 1} if if_absent else _POLICY)}
        except StartError as error:
            raise StorageFailed(str(error)) from error
        fields |= {"key": self.place.prefix + name, "crc32": str(zlib.crc32(body))}
        boundary = secrets.token_hex(16)
        before, after = _form(fields, boundary)
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        request = Request("POST", f"{self.place.up}/", lambda: kind, body, before=before, after=after, retried=_RETRIED)
        try:
            return _hash(self._send(request))
        except Refused as error:
            if error.code == "FileExists":
                raise Refused(409, error.code, "the object exists") from error
            raise

    def get(self, name: str, start: int = 0, length: int | None = None) -> Answer:
        """A stream from `start`. Whether object or bucket is missing, only the next question tells."""
        try:
            return stream(self._read, name, start, length)
        except Refused as error:
            if error.status != 404:
                raise
        self.size(name)
        raise StorageFailed("the object store does not give an object that it has")

    def _read(self, method: str, name: str, fields: Mapping[str, str] = _NO_FIELDS, stream: bool = False) -> Answer:
        try:
            url = self._url(self.place.source, name)
        except StartError as error:
            raise StorageFailed(str(error)) from error
        return self._send(Request(method, url, lambda: fields, retried=_RETRIED), stream)

    def size(self, name: str) -> tuple[int, str]:
        found = self.manage("POST", f"{self.place.rs}/stat/{self._entry(name)}")
        with _understanding():
            return int(found["fsize"]), str(found["hash"])

    def delete(self, names: list[str]) -> dict[str, str]:
        failed: dict[str, str] = {}
        for first in range(0, len(names), PAGE):
            page = names[first : first + PAGE]
            body = "&".join(f"op={encoded(f'/delete/{self._entry(name)}')}" for name in page).encode()
            answers = self.manage("POST", f"{self.place.rs}/batch", body)
            with _understanding():
                codes = {name: str(answer["code"]) for name, answer in zip(page, answers, strict=True)}
            failed |= {name: code for name, code in codes.items() if code not in ("200", "612")}
        return failed

    def objects(self, prefix: str, after: str = "") -> Iterator[list[Found]]:
        for beginning in _beginnings(prefix, after):
            marker: str | None = ""
            while marker is not None:
                found = self._page(self.place.prefix + beginning, marker, PAGE)
                with _understanding():
                    page = [self._found(entry) for entry in found.get("items") or []]
                    marker = found.get("marker") or None
                yield [entry for entry in page if entry.name > after]

    def _found(self, entry: dict[str, Any]) -> Found:
        """Times are told in tenths of microseconds."""
        name = str(entry["key"]).removeprefix(self.place.prefix)
        return Found(name, entry["putTime"] // 10_000, size=int(entry["fsize"]))

    def _page(self, prefix: str, marker: str, most: int) -> dict[str, Any]:
        query = {"bucket": self.place.bucket, "limit": str(most), "prefix": prefix}
        query |= {"marker": marker} if marker else {}
        text = "&".join(f"{name}={encoded(value)}" for name, value in query.items())
        return self.manage("GET", f"{self.place.rsf}/list?{text}")

    def uploads(self, prefix: str, after: str = "") -> Iterator[list[Found]]:
        """None: Kodo does not list them. It drops them itself after 7 days."""
        return iter(())

    def part_size(self, number: int) -> int:
        return size_of(number)

    def begin(self, name: str) -> str:
        found = _parsed(self._upload("POST", name, "")).get("uploadId")
        if not found:
            raise StorageFailed("the object store's answer has no id of the upload")
        return str(found)

    def part(self, name: str, upload: str, number: int, body: memoryview) -> str:
        md5 = hashlib.md5(body, usedforsecurity=False).hexdigest()
        fields = {"Content-Type": _BYTES, "Content-MD5": md5}
        return _hash(self._upload("PUT", name, f"/{encoded(upload)}/{number}", body, fields), "etag")

    def complete(self, name: str, upload: str, parts: Parts) -> str:
        """400 says that a part is not there or has another tag."""
        made = [{"etag": tag, "partNumber": number} for number, tag in enumerate(parts.etags, 1)]
        body = json.dumps({"parts": made, "mimeType": _BYTES}).encode()
        fields = {"Content-Type": "application/json"}
        try:
            return _hash(self._upload("POST", name, f"/{encoded(upload)}", body, fields, COMPLETE_SECONDS))
        except Refused as error:
            if error.code == "400":
                raise Refused(400, "InvalidPart") from error
            raise

    def _upload(
        self,
        method: str,
        name: str,
        path: str,
        body: bytes | memoryview = b"",
        fields: Mapping[str, str] = _NO_FIELDS,
        answer: float | None = None,
    ) -> Answer:
        """A request of an upload in parts."""
        coded = url_base64(f"{self.place.prefix}{name}".encode())
        url = f"{self.place.up}/buckets/{self.place.bucket}/objects/{coded}/uploads{path}"

        def signed() -> Mapping[str, str]:
            return {**fields, "Authorization": f"UpToken {self._token(name)}"}

        return self._send(Request(method, url, signed, body, answer=answer, retried=_RETRIED))

    def etag_of(self, body: bytes | memoryview) -> str:
        return qetag.of_bytes(body)

    def whole_etag(self, parts: Parts) -> str:
        return qetag.of_parts(parts.etags)

    def abort(self, name: str, upload: str) -> None:
        try:
            self._upload("DELETE", name, f"/{encoded(upload)}")
        except Refused as error:
            if error.status not in (404, 612):
                raise

    def url(self, name: str) -> str:
        """With it everybody may fetch the object for the next 20 minutes. Raises StartError."""
        return self._url(self.place.clients, name)

    def _url(self, domain: str, name: str) -> str:
        until = int(time.time()) + URL_SECONDS
        return kodo.download_url(domain, self.place.prefix + name, self._credentials.now(), until)

    def close(self) -> None:
        self._client.close()


def _form(fields: Mapping[str, str], boundary: str) -> tuple[bytes, bytes]:
    """What comes before and after the bytes of the file."""
    begin = f"--{boundary}\r\nContent-Disposition: form-data; name="
    lines = [f'{begin}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    lines.append(f'{begin}"file"; filename="blob"\r\nContent-Type: {_BYTES}\r\n\r\n')
    return "".join(lines).encode(), f"\r\n--{boundary}--\r\n".encode()


def _beginnings(prefix: str, after: str) -> list[str]:
    """Prefixes that together have all names after this one. A list goes on only from where another one ended, so the
    names of blobs, which are hex, are listed by their first two digits.
    """
    rest = after.removeprefix(prefix)
    if prefix != BLOBS or not after.startswith(prefix) or len(rest) < 2:
        return [prefix]
    second = [f"{prefix}{rest[0]}{digit}" for digit in _HEX if digit > rest[1]]
    return [f"{prefix}{rest[:2]}", *second, *(f"{prefix}{digit}" for digit in _HEX if digit > rest[0])]


@contextlib.contextmanager
def _understanding() -> Iterator[None]:
    """Raises StorageFailed where an answer has another form than Kodo's."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StorageFailed("the object store's answer is none of Kodo's") from error


def _parsed(answer: Answer) -> Any:
    """Raises StorageFailed."""
    try:
        return json.loads(answer.body) if answer.body.strip() else {}
    except ValueError as error:
        raise StorageFailed("the object store's answer is not JSON") from error


def _hash(answer: Answer, name: str = "hash") -> str:
    """Raises Refused, also for a 200 with an error inside."""
    found = _parsed(answer)
    if not isinstance(found, dict) or "error" in found:
        raise Refused(500, "500", "an answer that is no error says that there was one")
    return str(found.get(name) or "")


def _refused(answer: Answer) -> Refused:
    try:
        text = str(json.loads(answer.body)["error"])
    except (ValueError, KeyError, TypeError):
        text = ""
    found = next((named for part, named in _TEXTS.items() if part in text), None)
    return Refused(answer.status, *(found or _CODES.get(answer.status, (str(answer.status), ""))))
