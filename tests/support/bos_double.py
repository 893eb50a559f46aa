"""A double of Baidu's BOS. It is that of OSS and COS with other signatures, and with JSON in place of XML."""

from __future__ import annotations

import calendar
import hashlib
import itertools
import json
import time
import zlib

from dockboard_registry.storage.objects.signers import bos
from dockboard_registry.storage.objects.signers.forms import Place
from tests.support.cloud_double import KEYS, MOST, Double, Failed, date, near, same, until


class BOSDouble(Double):
    def verify(self, method: str, place: Place, fields: dict[str, str]) -> None:
        query = dict(place.query)
        given = query.get("authorization") or fields.get("authorization", "")
        try:
            _, key, when, seconds, listed, _ = given.split("/")
            at = calendar.timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%SZ"))
        except ValueError:
            raise Failed(403, "AccessDenied") from None
        signed = place._replace(query=tuple(pair for pair in place.query if pair[0] != "authorization"))
        names = listed.split(";") if listed else None
        taken = {"host": place.host} if "authorization" in query and not listed else fields
        used = {name: value for name, value in taken.items() if names is None or name in names}
        made = bos.authorization(method, signed, used, KEYS, int(seconds), when)
        same(made.rpartition("/")[2], given.rpartition("/")[2])
        same(key, KEYS.access_key)
        if "authorization" in query:
            return until(at + int(seconds), self.now())
        return near(at, self.now())

    def refusal(self, failed: Failed) -> tuple[int, dict[str, str], bytes]:
        return _json({"code": failed.code, "message": failed.message, "requestId": "1"}, failed.status)

    def answer(self, method, name, query, fields, body):
        digest = fields.get("x-bce-content-sha256")
        if digest and digest != hashlib.sha256(body).hexdigest():
            raise Failed(400, "BadDigest")
        self.wanted = fields.get("x-bce-content-crc32")
        if method == "PUT" and fields.get("if-none-match") == "*" and name in self.objects:
            raise Failed(412, "PreconditionFailed")
        return super().answer(method, name, query, fields, body)

    def _of_bucket(self, method, kind, query, fields, body):
        if kind != "delete":
            return super()._of_bucket(method, kind, query, fields, body)
        missing = [each["key"] for each in json.loads(body)["objects"] if not self.objects.pop(each["key"], None)]
        return _json({"errors": [{"key": name, "code": "NoSuchKey", "message": "m"} for name in missing]})

    def _listed(self, query):
        prefix, marker = query.get("prefix", ""), query.get("marker", "")
        names = sorted(name for name in self.objects if name.startswith(prefix) and name > marker)
        page = names[: min(int(query.get("maxKeys") or MOST), MOST)]
        made = [
            {"key": name, "size": len(self.objects[name][0]), "lastModified": _second(self.objects[name][1])}
            for name in page
        ]
        more = {"nextMarker": page[-1]} if len(names) > len(page) else {}
        return _json({"contents": made, "isTruncated": bool(more), "name": "bucket", "prefix": prefix, **more})

    def _listed_uploads(self, query):
        prefix, marker = query.get("prefix", ""), query.get("keyMarker", "")
        found = sorted((name, id) for id, (name, _, _) in self.uploads.items() if name > marker)
        found = [each for each in found if each[0].startswith(prefix)]
        page = list(itertools.islice(found, min(int(query.get("maxUploads") or MOST), MOST)))
        made = [{"key": name, "uploadId": id, "initiated": _second(self.uploads[id][1])} for name, id in page]
        more = {"nextKeyMarker": page[-1][0]} if len(found) > len(page) else {}
        return _json({"uploads": made, "isTruncated": bool(more), **more})

    def _of_upload(self, method, kind, name, query, body):
        answer = super()._of_upload(method, kind, name, query, body)
        return _json({"bucket": "bucket", "key": name, "uploadId": max(self.uploads)}) if kind == "uploads" else answer

    def checksum(self, data: bytes) -> dict[str, str]:
        return {"x-bce-content-crc32": str(zlib.crc32(data))}

    def _completed(self, name, id, parts, body):
        wanted = [(str(each["partNumber"]), each["eTag"]) for each in json.loads(body)["parts"]]
        made = {"location": "x", "bucket": "bucket", "key": name, "eTag": self.join(name, id, wanted)}
        if self.wanted and int(self.wanted) != zlib.crc32(self.objects[name][0]):
            del self.objects[name]
            raise Failed(400, "BadDigest")
        return _json(made)


def _second(at: float) -> str:
    return date(at).replace(".000Z", "Z")


def _json(found: dict, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(found).encode()
