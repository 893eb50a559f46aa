"""The requests of OpenStack Swift.

Parts are objects of their own, below segments/<key>.<upload>/, and a manifest at the object's name puts them together.
A manifest has 1,000 entries at most, so longer ones have manifests of manifests.
"""

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from ....outbound.client import Answer, Client, Request
from ....outbound.errors import OutboundError
from ... import StorageFailed
from ..bucket import Found, Refused, stream
from ..names import BLOBS, key_of, name_of
from ..parts import Parts, size_of
from ..signers import tempurl
from ..signers.forms import Query, encoded_path, encoded_query
from .answers import etag, milliseconds, whole
from .tokens import Access, Tokens

SEGMENTS = "segments/"
_PAGE = 1000
# Manifests are checked entry by entry, and many objects are deleted one by one, while we wait.
_LONG_SECONDS = 300.0
_URL_SECONDS = 20 * 60
_KEY_FIELD = "X-Container-Meta-Temp-URL-Key-2"
_TYPE = {"Content-Type": "application/octet-stream"}
_NO_FIELDS: Mapping[str, str] = {}
_WORDS = {
    401: "the token is not taken",
    403: "the user may not do this: check the user's role in the project, or the rights on the container",
    413: "the project's quota is used up, or the object is too large",
    422: "the bytes that arrived are not those that were sent",
    498: "it asks for fewer requests",
    507: "it has no room",
}


class Swift:
    """One container. redirect_endpoint: scheme and authority that clients reach; empty = the same as we. redirects:
    whether a key for temporary URLs is set on the container, so that clients can be sent there. entries: how many a
    manifest has at most.
    """

    lists_uploads = True

    def __init__(
        self,
        container: str,
        prefix: str,
        tokens: Tokens,
        client: Client,
        redirect_endpoint: str = "",
        redirects: bool = True,
        entries: int = 1000,
    ):
        self._container, self._prefix, self._tokens, self._client = container, prefix, tokens, client
        self._redirect_endpoint, self._entries = redirect_endpoint, entries
        self._lock, self._wants_key, self._url_key = threading.Lock(), redirects, ""

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
        """The answer if its status is 2xx; name is None for the container. Raises Refused, StorageFailed."""
        path = f"/{self._container}" + ("" if name is None else f"/{self._prefix}{name}")
        found = self._send(method, path, query, body, fields, stream, answer)
        if 200 <= found.status < 300:
            self._share_url_key()
            return found
        raise self._error(found.status, name)

    def _send(self, method: str, path: str, query: Query, body, fields, stream=False, answer=None) -> Answer:
        """A token that is refused is renewed once."""
        access = self._tokens.now()
        found = self._send_with(access, method, path, query, body, fields, stream, answer)
        if found.status == 401:
            access = self._tokens.now(instead_of=access.token)
            found = self._send_with(access, method, path, query, body, fields, stream, answer)
        return found

    def _send_with(self, access: Access, method, path, query: Query, body, fields, stream, answer) -> Answer:
        url = access.url + encoded_path(path) + (f"?{encoded_query(query)}" if query else "")
        full = {"X-Auth-Token": access.token, **fields}
        try:
            return self._client.send(Request(method, url, lambda: full, body, answer=answer), stream)
        except OutboundError as error:
            raise StorageFailed(f"the object store can't be used: {error}") from error

    def _error(self, status: int, name: str | None) -> Refused:
        """404 says of an object that it is missing, or that the container is. Only asking again tells which."""
        lost = status == 404 and (name is None or self._send("HEAD", f"/{self._container}", (), b"", {}).status == 404)
        if lost:
            return Refused(404, "NoSuchContainer", "the container does not exist: create it, or correct storage.url")
        return Refused(status, str(status), _WORDS.get(status, ""))

    def _share_url_key(self) -> None:
        """Once for each process. All nodes make the same key of the same secret. Who lacks the rights goes without."""
        with self._lock:
            wanted, self._wants_key = self._wants_key, False
        if not wanted:
            return
        secret = self._tokens.credentials().secret_key.encode()
        key = hmac.digest(secret, f"temporary URLs of {self._container}".encode(), "sha256").hex()
        container = f"/{self._container}"
        found = self._send("HEAD", container, (), b"", {})
        if found.headers.get(_KEY_FIELD) != key:
            found = self._send("POST", container, (), b"", {_KEY_FIELD: key})
        if 200 <= found.status < 300:
            self._url_key = key

    def require(self) -> None:
        self.call("HEAD", None)

    def put(self, name: str, body: bytes | memoryview, if_absent: bool = False) -> str:
        fields = {**_TYPE, "ETag": _md5(body), **({"If-None-Match": "*"} if if_absent else {})}
        return etag(self.call("PUT", name, body=body, fields=fields).headers.get("ETag"))

    def get(self, name: str, start: int = 0, length: int | None = None) -> Answer:
        return stream(self.call, name, start, length)

    def size(self, name: str) -> tuple[int, str]:
        found = self.call("HEAD", name)
        return int(found.headers.get("Content-Length", -1)), etag(found.headers.get("ETag"))

    def delete(self, names: list[str]) -> dict[str, str]:
        """The manifests go; their parts are deleted as uploads."""
        failed: dict[str, str] = {}
        for first in range(0, len(names), _PAGE):
            failed.update(self._delete_page(names[first : first + _PAGE]))
        return failed

    def _delete_page(self, names: list[str]) -> dict[str, str]:
        if len(names) == 1:
            return self._delete_one(names[0])
        begin = f"/{self._container}/{self._prefix}"
        body = "\n".join(quote(begin + name) for name in names).encode()
        fields = {"Content-Type": "text/plain", "Accept": "application/json"}
        answer = self._send("POST", "", (("bulk-delete", ""),), body, fields, answer=_LONG_SECONDS)
        try:
            found = json.loads(answer.body)
            failed = {_text(path).removeprefix(begin): str(status)[:3] for path, status in found["Errors"]}
            if found["Response Status"][:3] in ("200", "400") and ("200" in found["Response Status"] or failed):
                return failed
        except (ValueError, KeyError, TypeError):
            pass
        return {name: code for each in names for name, code in self._delete_one(each).items()}

    def _delete_one(self, name: str) -> dict[str, str]:
        try:
            self.call("DELETE", name)
        except Refused as error:
            if error.missing:
                return {}
            if error.status != 404:
                return {name: error.code}
            raise
        return {}

    def objects(self, prefix: str, after: str = "") -> Iterator[list[Found]]:
        for page in self._pages(prefix, after):
            yield [
                Found(
                    self._name(entry["name"]),
                    milliseconds(entry["last_modified"]),
                    size=whole(entry.get("bytes")),
                )
                for entry in page
            ]

    def uploads(self, prefix: str, after: str = "") -> Iterator[list[Found]]:
        """The parts of objects that are finished are among them."""
        wanted = SEGMENTS if prefix == BLOBS else f"{SEGMENTS}{key_of(prefix)}."
        marker = f"{SEGMENTS}{key_of(after)}/" if after else ""
        for page in self._pages(wanted, marker, "/"):
            found = [
                self._name(entry["subdir"]).removeprefix(SEGMENTS).rstrip("/") for entry in page if "subdir" in entry
            ]
            yield [
                Found(name_of(key), _begun_at(upload), upload)
                for key, _, upload in (each.partition(".") for each in found)
            ]

    def _pages(self, prefix: str, after: str = "", delimiter: str = "") -> Iterator[list[dict[str, Any]]]:
        """A page may be short although others follow, so only an empty one is the end."""
        marker = self._prefix + after if after else ""
        while True:
            wanted = {"format": "json", "limit": str(_PAGE), "prefix": self._prefix + prefix}
            wanted |= {"marker": marker} if marker else {}
            wanted |= {"delimiter": delimiter} if delimiter else {}
            answer = self.call("GET", None, tuple(wanted.items()))
            try:
                page = json.loads(answer.body) if answer.body else []
                marker = (page[-1].get("subdir") or page[-1]["name"]) if page else ""
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise StorageFailed("the object store's list is none of Swift's") from error
            if not page:
                return
            yield page

    def _name(self, text: str) -> str:
        return text.removeprefix(self._prefix)

    def part_size(self, number: int) -> int:
        return size_of(number)

    def begin(self, name: str) -> str:
        """The id tells when it was made. Nothing is asked."""
        return f"{int(time.time() * 1000):012x}{secrets.token_hex(8)}"

    def part(self, name: str, upload: str, number: int, body: memoryview) -> str:
        fields = {**_TYPE, "ETag": _md5(body)}
        return etag(self.call("PUT", _segment(name, upload, number), body=body, fields=fields).headers.get("ETag"))

    def complete(self, name: str, upload: str, parts: Parts) -> str:
        entries = [
            self._entry(_segment(name, upload, number), tag, size)
            for number, (tag, size) in enumerate(zip(parts.etags, parts.sizes, strict=True), 1)
        ]
        if len(entries) > self._entries:
            entries = [
                self._group(
                    f"{_segments(name, upload)}group-{first // self._entries:03}",
                    entries[first : first + self._entries],
                )
                for first in range(0, len(entries), self._entries)
            ]
        return self._manifest(name, entries)

    def _entry(self, name: str, tag: str, size: int) -> dict[str, Any]:
        return {"path": f"/{self._container}/{self._prefix}{name}", "etag": tag, "size_bytes": size}

    def _group(self, name: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
        return self._entry(name, self._manifest(name, entries), sum(entry["size_bytes"] for entry in entries))

    def _manifest(self, name: str, entries: list[dict[str, Any]]) -> str:
        """Swift answers 400 where a part is not there or has another tag."""
        try:
            body = json.dumps(entries).encode()
            found = self.call("PUT", name, (("multipart-manifest", "put"),), body, _TYPE, answer=_LONG_SECONDS)
        except Refused as error:
            if error.status == 400:
                raise Refused(400, "InvalidPart") from error
            raise
        return etag(found.headers.get("ETag"))

    def etag_of(self, body: bytes | memoryview) -> str:
        return _md5(body)

    def whole_etag(self, parts: Parts) -> str:
        groups = [parts.etags[first : first + self._entries] for first in range(0, len(parts.etags), self._entries)]
        tags = [_md5("".join(group).encode()) for group in groups]
        return tags[0] if len(tags) == 1 else _md5("".join(tags).encode())

    def abort(self, name: str, upload: str) -> None:
        for page in self.objects(_segments(name, upload)):
            failed = self.delete([found.name for found in page])
            if failed:
                raise StorageFailed(f"the object store answered {', '.join(sorted(set(failed.values())))}")

    def url(self, name: str) -> str | None:
        """None before the first request of this process, and where the key could not be set."""
        access = self._tokens.known
        if access is None or not self._url_key:
            return None
        parts = urlsplit(access.url)
        origin = self._redirect_endpoint or f"{parts.scheme}://{parts.netloc}"
        path = f"{parts.path}/{self._container}/{self._prefix}{name}"
        return tempurl.signed_url(origin, path, self._url_key, int(time.time()) + _URL_SECONDS)

    def close(self) -> None:
        self._client.close()


def _segments(name: str, upload: str) -> str:
    return f"{SEGMENTS}{key_of(name)}.{upload}/"


def _segment(name: str, upload: str, number: int) -> str:
    return f"{_segments(name, upload)}{number:05}"


def _begun_at(upload: str) -> int:
    try:
        return int(upload[:12], 16)
    except ValueError:
        return 0


def _text(path: Any) -> str:
    """A path of an answer to deletions, which may be encoded."""
    return unquote(str(path))


def _md5(data: bytes | memoryview) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
