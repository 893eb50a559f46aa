"""A double of Qiniu's Kodo. All its hosts are one port, and the paths tell them apart."""

from __future__ import annotations

import base64
import calendar
import hashlib
import hmac
import json
import time
import zlib
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dockboard_registry.storage.objects.signers import kodo
from dockboard_registry.storage.objects.signers.forms import url_base64
from dockboard_registry.storage.objects.vendors import qetag
from tests.support.cloud_double import BUCKET, KEYS, MOST, Double, Failed, near
from tests.support.older_signatures import qbox_token

_LEAST = 1 << 20
_MANAGED = ("stat", "delete", "batch", "list", "drop")


class KodoDouble(Double):
    """objects: the bytes and when they were written. about: the hash and the type of each."""

    def __init__(self, vendor: str, ahead: float = 0):
        super().__init__(vendor, ahead)
        self.about: dict[str, tuple[str, str]] = {}

    def refusal(self, failed: Failed) -> tuple[int, dict[str, str], bytes]:
        return _json({"error": failed.code}, failed.status)

    def handle(self, method: str, target: str, fields: dict[str, str], body: bytes) -> Any:
        steps = urlsplit(target).path.split("/")[1:]
        with self.lock:
            if steps == [""] and method == "POST":
                return self._form(fields, body)
            if steps[0] == "buckets":
                return self._part_of_upload(method, steps, fields, body)
            if steps[0] in _MANAGED:
                self._verify_managed(method, target, fields, body)
                return self._managed(steps, parse_qs(urlsplit(target).query), body)
            return self._download(target, fields)

    def _require_bucket(self) -> None:
        if not self.is_there:
            raise Failed(631, "no such bucket")

    def _form(self, fields: dict[str, str], body: bytes) -> Any:
        given, kind = _parsed_form(fields["content-type"].partition("boundary=")[2], body)
        name, data = given["key"].decode(), given["file"]
        policy = self._verify_upload(given["token"].decode(), name)
        if "crc32" in given and int(given["crc32"]) != zlib.crc32(data):
            raise Failed(406, "crc32 is not matched")
        made = self._stored(name, data, qetag.of_bytes(data), kind, policy)
        return _json({"hash": made, "key": name})

    def _verify_upload(self, token: str, name: str) -> dict[str, Any]:
        """The policy of the token."""
        key, signature, coded = (token.split(":") + ["", ""])[:3]
        made = url_base64(hmac.digest(KEYS.secret_key.encode(), coded.encode(), "sha1"))
        if key != KEYS.access_key or signature != made:
            raise Failed(401, "bad token")
        policy = json.loads(base64.urlsafe_b64decode(coded))
        if policy["deadline"] < self.now():
            raise Failed(401, "expired token")
        bucket, _, scope = policy["scope"].partition(":")
        self._require_bucket()
        if bucket != BUCKET:
            raise Failed(631, "no such bucket")
        if scope and scope != name:
            raise Failed(403, "key doesn't match with scope")
        return policy

    def _stored(self, name: str, data: bytes, tag: str, kind: str, policy: dict[str, Any]) -> str:
        must_be_new = policy.get("insertOnly") or ":" not in policy["scope"]
        if must_be_new and name in self.objects and self.about[name][0] != tag:
            raise Failed(614, "file exists")
        kept = kind if policy.get("detectMime") == -1 else "text/plain"
        self.objects[name], self.about[name] = (data, time.time()), (tag, kept)
        return tag

    def _part_of_upload(self, method: str, steps: list[str], fields: dict[str, str], body: bytes) -> Any:
        """/buckets/BUCKET/objects/NAME/uploads[/UPLOAD[/NUMBER]]"""
        name = base64.urlsafe_b64decode(steps[3]).decode()
        scheme, _, token = fields.get("authorization", "").partition(" ")
        if scheme != "UpToken":
            raise Failed(401, "token not specified")
        policy = self._verify_upload(token, name)
        if len(steps) == 5:
            upload = f"{next(self._ids):016x}"
            self.uploads[upload] = name, time.time(), {}
            return _json({"uploadId": upload, "expireAt": int(time.time()) + 7 * 86400})
        upload = unquote(steps[5])
        if self.uploads.get(upload, ("",))[0] != name:
            raise Failed(612, "no such uploadId")
        if method == "DELETE":
            del self.uploads[upload]
            return _json({})
        if method == "PUT":
            return self._put_part(self.uploads[upload][2], int(steps[6]), fields, body)
        return self._joined(name, upload, json.loads(body), policy)

    def _put_part(self, parts: dict[int, bytes], number: int, fields: dict[str, str], body: bytes) -> Any:
        md5 = hashlib.md5(body).hexdigest()
        if fields.get("content-md5", md5) != md5:
            raise Failed(400, "unmatched checksum")
        parts[number] = body
        return _json({"etag": qetag.of_bytes(body), "md5": md5})

    def _joined(self, name: str, upload: str, wanted: dict[str, Any], policy: dict[str, Any]) -> Any:
        parts, listed = self.uploads[upload][2], wanted["parts"]
        numbers = [each["partNumber"] for each in listed]
        pieces = [parts.get(number) for number in numbers]
        if numbers != sorted(set(numbers)) or None in pieces:
            raise Failed(400, "invalid parts")
        tags = tuple(qetag.of_bytes(piece) for piece in pieces)
        if [each["etag"] for each in listed] != list(tags):
            raise Failed(400, "invalid parts")
        if any(len(piece) < _LEAST for piece in pieces[:-1]):
            raise Failed(400, "a part is too small")
        data = b"".join(pieces)
        # Nobody says which hash an object of a single part gets, so it gets one here that nobody expects.
        whole = all(len(piece) == 4 << 20 for piece in pieces[:-1]) and len(pieces[-1]) <= 4 << 20
        tag = qetag.of_bytes(data) if whole else qetag.of_parts(tags) or f"{qetag.of_bytes(data)[:-1]}="
        made = self._stored(name, data, tag, wanted.get("mimeType") or "", policy)
        del self.uploads[upload]
        return _json({"hash": made, "key": name})

    def _verify_managed(self, method: str, target: str, fields: dict[str, str], body: bytes) -> None:
        url, (scheme, _, token) = f"http://{fields['host']}{target}", fields.get("authorization", "").partition(" ")
        kept = {name: text for name, text in fields.items() if name == "content-type" or name.startswith("x-qiniu-")}
        if scheme == "Qiniu":
            made = kodo.request_token(method, url, kept, body, KEYS)
        else:
            made = qbox_token(url, fields.get("content-type", ""), body, KEYS)
        if token != made:
            raise Failed(401, "bad token")
        if "x-qiniu-date" in fields:
            try:
                near(calendar.timegm(time.strptime(fields["x-qiniu-date"], "%Y%m%dT%H%M%SZ")), self.now())
            except Failed:
                raise Failed(403, "request time is too skewed") from None

    def _managed(self, steps: list[str], query: dict[str, list[str]], body: bytes) -> Any:
        self._require_bucket()
        if steps[0] == "list":
            return self._listed({name: values[0] for name, values in query.items()})
        if steps[0] == "drop":
            self.is_there = False
            return _json({})
        if steps[0] == "batch":
            made = [self._deed(each.strip("/").split("/")) for each in parse_qs(body.decode())["op"]]
            codes = {each["code"] for each in made}
            return _json(made, 200 if codes <= {200} else 298)
        found = self._deed(steps)
        return _json(found.get("data", {}), found["code"])

    def _deed(self, steps: list[str]) -> dict[str, Any]:
        bucket, _, name = base64.urlsafe_b64decode(steps[1]).decode().partition(":")
        if bucket != BUCKET:
            return {"code": 631, "data": {"error": "no such bucket"}}
        if name not in self.objects:
            return {"code": 612, "data": {"error": "no such file or directory"}}
        if steps[0] == "stat":
            return {"code": 200, "data": self._entry(name)}
        del self.objects[name]
        return {"code": 200}

    def _entry(self, name: str) -> dict[str, Any]:
        data, at = self.objects[name]
        tag, kind = self.about[name]
        return {"fsize": len(data), "hash": tag, "mimeType": kind, "putTime": int(at * 10_000_000), "type": 0}

    def _listed(self, query: dict[str, str]) -> Any:
        """A page may be empty although others follow. The first one is."""
        if query.get("bucket") != BUCKET:
            raise Failed(631, "no such bucket")
        after, most = "", min(int(query.get("limit", MOST)), MOST)
        if "marker" not in query:
            return _json({"items": [], "marker": _marker(""), "commonPrefixes": []})
        try:
            after = json.loads(base64.urlsafe_b64decode(query["marker"]))["k"]
        except (ValueError, KeyError):
            raise Failed(640, "invalid marker") from None
        names = sorted(name for name in self.objects if name.startswith(query.get("prefix", "")) and name > after)
        page = names[:most]
        items = [{"key": name, **self._entry(name)} for name in page]
        return _json({"items": items, "marker": _marker(page[-1]) if len(names) > most else ""})

    def _download(self, target: str, fields: dict[str, str]) -> Any:
        signed, _, token = target.partition("&token=")
        made = hmac.digest(KEYS.secret_key.encode(), f"http://{fields['host']}{signed}".encode(), "sha1")
        if unquote(token) != f"{KEYS.access_key}:{url_base64(made)}":
            raise Failed(401, "bad token")
        if int(parse_qs(urlsplit(signed).query)["e"][0]) < self.now():
            raise Failed(401, "token out of date")
        name = unquote(urlsplit(signed).path)[1:]
        if not self.is_there or name not in self.objects:
            raise Failed(404, "Document not found")
        tag, kind = self.about[name]
        return self.ranged(self.objects[name][0], {"ETag": f'"{tag}"', "Content-Type": kind}, fields)


def _marker(name: str) -> str:
    return url_base64(json.dumps({"c": 0, "k": name}).encode())


def _parsed_form(boundary: str, body: bytes) -> tuple[dict[str, bytes], str]:
    """The fields, and the type of the file."""
    found, kind = {}, ""
    for piece in body.split(f"--{boundary}".encode())[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        lines = [line.decode() for line in head.split(b"\r\n")]
        name = next(line for line in lines if "name=" in line).partition(' name="')[2].partition('"')[0]
        found[name] = content.removesuffix(b"\r\n")
        if name == "file":
            kind = next((line.partition(": ")[2] for line in lines if line.lower().startswith("content-type")), "")
    return found, kind


def _json(found: Any, status: int = 200) -> tuple[int, dict[str, str], bytes]:
    return status, {"Content-Type": "application/json"}, json.dumps(found).encode()
