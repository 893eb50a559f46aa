"""The requests of Baidu's BOS: those of S3 with other signatures, and with JSON in place of XML."""

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from ....outbound.client import Answer
from ... import StorageFailed
from ..bucket import Found, Refused
from ..parts import Parts
from ..signers import bos
from ..signers.forms import Query
from . import checksums
from .answers import bare_etag, etag, known_code, milliseconds, whole, words
from .s3 import COMPLETE_SECONDS, PAGE, S3, URL_SECONDS

_JSON = {"Content-Type": "application/json; charset=utf-8"}
_CRC32 = "x-bce-content-crc32"
_BYTES = {"Content-Type": "application/octet-stream"}


class BOS(S3):
    """Objects have their type since they were written, so URLs do not name one."""

    url_query: Query = ()

    def _tag_of_part(self, answer: Answer, body: memoryview) -> str:
        return checksums.with_checksum(bare_etag(answer.headers.get("ETag")), zlib.crc32(body))

    def whole_etag(self, parts: Parts) -> str:
        """BOS does not say how it makes the ETag."""
        found = checksums.of_whole(checksums.CRC32, parts.etags, parts.sizes)
        return "" if found is None else f"crc32 {found}"

    def _tag_of_whole(self, answer: Answer, tag: str) -> str:
        found = answer.headers.get(_CRC32)
        return f"crc32 {found}" if found else tag

    def delete(self, names: list[str]) -> dict[str, str]:
        failed: dict[str, str] = {}
        for first in range(0, len(names), PAGE):
            page = [{"key": self._place.prefix + name} for name in names[first : first + PAGE]]
            body = json.dumps({"objects": page}).encode()
            answer = self.call("POST", None, (("delete", ""),), body, _JSON)
            for error in _parsed(answer).get("errors", []) if answer.body.strip() else []:
                if error.get("code") != "NoSuchKey":
                    failed[str(error.get("key")).removeprefix(self._place.prefix)] = str(error.get("code"))
        return failed

    def objects(self, prefix: str, after: str = "") -> Iterator[list[Found]]:
        wanted = {"prefix": self._place.prefix + prefix, "maxKeys": str(PAGE)}
        marker = self._place.prefix + after if after else ""
        for found in self._pages(wanted, "marker", marker, "contents"):
            yield [
                Found(
                    self._name(entry["key"], False),
                    milliseconds(entry["lastModified"]),
                    size=whole(entry.get("size")),
                )
                for entry in found
            ]

    def uploads(self, prefix: str, after: str = "") -> Iterator[list[Found]]:
        wanted = {"uploads": "", "prefix": self._place.prefix + prefix, "maxUploads": str(PAGE)}
        marker = self._place.prefix + after if after else ""
        for found in self._pages(wanted, "keyMarker", marker, "uploads"):
            yield [
                Found(self._name(entry["key"], False), milliseconds(entry["initiated"]), entry["uploadId"])
                for entry in found
            ]

    def _pages(self, wanted: dict[str, str], name: str, marker: str, entries: str) -> Iterator[list[dict[str, Any]]]:
        """name: of the parameter after which the list goes on. The answer has its next value."""
        following = f"next{name[0].upper()}{name[1:]}"
        while True:
            more = {name: marker} if marker else {}
            found = _parsed(self.call("GET", None, tuple({**wanted, **more}.items())))
            page = found.get(entries) or []
            yield page
            marker = found.get(following) or (page[-1]["key"] if page else "")
            if not found.get("isTruncated") or not marker:
                return

    def begin(self, name: str) -> str:
        found = _parsed(self.call("POST", name, (("uploads", ""),), fields=_BYTES)).get("uploadId")
        if not found:
            raise StorageFailed("the object store's answer has no id of the upload")
        return str(found)

    def complete(self, name: str, upload: str, parts: Parts) -> str:
        """BOS compares the object with the checksum that is sent, and refuses another one."""
        made = [{"partNumber": number, "eTag": tag} for number, tag in enumerate(checksums.etags(parts.etags), 1)]
        body, query = json.dumps({"parts": made}).encode(), (("uploadId", upload),)
        expected = self.whole_etag(parts)
        fields = {**_JSON, _CRC32: expected.removeprefix("crc32 ")} if expected else _JSON
        found = _parsed(self.call("POST", name, query, body, fields, answer=COMPLETE_SECONDS))
        if found.get("code"):
            raise _refused(500, found)
        return expected or etag(found.get("eTag"))

    def _error(self, answer: Answer) -> Refused:
        try:
            return _refused(answer.status, _parsed(answer))
        except StorageFailed:
            return Refused(answer.status, str(answer.status))

    def _verified(self, body: bytes | memoryview) -> Mapping[str, str]:
        return {"x-bce-content-sha256": hashlib.sha256(body).hexdigest()} if body else {}

    def _fields(
        self, method: str, name: str | None, query: Query, fields: Mapping[str, str], length: int | None
    ) -> Mapping[str, str]:
        return bos.signed_fields(method, self._place.of(name, query), fields, length, self._credentials.now())

    def _query(self, name: str, query: Query) -> str:
        return bos.signed_query("GET", self._place.for_clients(name, query), self._credentials.now(), URL_SECONDS)


def _parsed(answer: Answer) -> dict[str, Any]:
    """Raises StorageFailed."""
    try:
        found = json.loads(answer.body)
    except ValueError as error:
        raise StorageFailed("the object store's answer is not JSON") from error
    if not isinstance(found, dict):
        raise StorageFailed("the object store's answer is no JSON object")
    return found


def _refused(status: int, found: dict[str, Any]) -> Refused:
    code = known_code(str(found.get("code", "")), status)
    return Refused(status, code, words(code))
