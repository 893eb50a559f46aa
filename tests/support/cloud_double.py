"""A double of OSS and COS: a server that keeps objects in memory and verifies every signature, digest and time limit.

The vendors' own libraries judge it (tests/contract/test_vendors.py), and then it judges our drivers. Each bucket has a
port of its own, as with a domain that belongs to a bucket.
"""

from __future__ import annotations

import calendar
import ctypes
import functools
import hashlib
import http.server
import itertools
import re
import sys
import threading
import time
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from dockboard_registry.storage.objects.credentials import Credentials
from dockboard_registry.storage.objects.signers import cos, oss
from dockboard_registry.storage.objects.signers.forms import Place, in_base64

BUCKET, REGION = "registry-1250000000", "cn-hangzhou"
KEYS = Credentials("AKIDtests", "secret/+key=for-tests")
_SKEW = 900
# The type of objects, where nobody asks for another one. Our driver of BOS asks for none.
_TYPES = {"oss": "text/plain", "cos": "text/plain", "bos": "application/octet-stream"}
# Entries of a page. It is less than anybody asks for, as servers may do, so that short lists have several pages.
MOST = 7
_LEAST = {"oss": 100 << 10, "cos": 1 << 20, "bos": 100 << 10}


class Failed(Exception):
    def __init__(self, status: int, code: str, message: str = "m"):
        self.status, self.code, self.message = status, code, message


def verify_oss(method: str, place: Place, fields: dict[str, str], now: float) -> None:
    query = dict(place.query)
    if "x-oss-signature" in query:
        signed = tuple(pair for pair in place.query if not pair[0].startswith("x-oss-"))
        at, seconds = _time(query["x-oss-date"]), int(query["x-oss-expires"])
        made = oss.signed_query(method, place._replace(query=signed), BUCKET, KEYS, REGION, seconds, at)
        same(dict(parse_qsl(made))["x-oss-signature"], query["x-oss-signature"])
        return until(at + seconds, now)
    kept = {
        name: value
        for name, value in fields.items()
        if name in ("content-type", "content-md5") or name.startswith("x-oss-")
    }
    at = _time(kept.pop("x-oss-date", ""))
    kept.pop("x-oss-content-sha256", None)
    made = oss.signed_fields(method, place, BUCKET, kept, KEYS, REGION, at)
    # A blank after the comma is allowed.
    same(made["Authorization"], fields.get("authorization", "").replace(", ", ","))
    near(at, now)


def verify_cos(method: str, place: Place, fields: dict[str, str], now: float) -> None:
    query = dict(place.query)
    in_url = "q-signature" in query
    given = query if in_url else dict(parse_qsl(fields.get("authorization", ""), keep_blank_values=True))
    if not given:
        raise Failed(403, "AccessDenied")
    begin, end = (int(each) for each in given["q-sign-time"].split(";"))
    listed = given["q-header-list"].split(";")
    signed = place._replace(query=tuple(pair for pair in place.query if not pair[0].startswith("q-")))
    used = {name: fields[name] for name in listed if name in fields}
    seconds = end - begin - cos.EARLIER
    made = dict(cos.signature(method, signed, used, KEYS, seconds, begin + cos.EARLIER))
    if made["q-signature"] != given["q-signature"]:
        # COS's own library signs the host without its port, which has none on the real service.
        used["host"] = used.get("host", "").partition(":")[0]
        made = dict(cos.signature(method, signed, used, KEYS, seconds, begin + cos.EARLIER))
    same(made["q-signature"], given["q-signature"])
    same(made["q-ak"], given["q-ak"])
    if begin > now + _SKEW:
        raise Failed(403, "RequestTimeTooSkewed")
    until(end, now)


def _time(text: str) -> int:
    try:
        return calendar.timegm(time.strptime(text, "%Y%m%dT%H%M%SZ"))
    except ValueError:
        raise Failed(403, "AccessDenied") from None


def near(at: float, now: float) -> None:
    if abs(now - at) > _SKEW:
        raise Failed(403, "RequestTimeTooSkewed")


def until(end: float, now: float) -> None:
    if now > end:
        raise Failed(403, "AccessDenied", "Request has expired")


def same(ours: str, theirs: str) -> None:
    if ours != theirs:
        raise Failed(403, "SignatureDoesNotMatch")


_VERIFY = {"oss": verify_oss, "cos": verify_cos}


class Double:
    """One bucket. Used by the threads of its server, one at a time. ahead: seconds by which its clock is ahead."""

    def __init__(self, vendor: str, ahead: float = 0):
        self.ahead = ahead
        self.vendor, self.lock, self.is_there = vendor, threading.Lock(), True
        self.objects: dict[str, tuple[bytes, float]] = {}
        self.uploads: dict[str, tuple[str, float, dict[int, bytes]]] = {}
        self._ids = itertools.count(1)
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.double, self._server.daemon_threads = self, True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def handle(self, method: str, target: str, fields: dict[str, str], body: bytes) -> Any:
        """Status, fields and body. target: path and query as they came."""
        parts = urlsplit(target)
        # OSS's own library names the bucket in the path, where the host is an address.
        path = unquote(parts.path).removeprefix(f"/{BUCKET}") or "/"
        place = Place(fields["host"], path, tuple(parse_qsl(parts.query, keep_blank_values=True)))
        self.verify(method, place, fields)
        with self.lock:
            return self.answer(method, place.path[1:], dict(place.query), fields, body)

    def verify(self, method: str, place: Place, fields: dict[str, str]) -> None:
        _VERIFY[self.vendor](method, place, fields, self.now())

    def now(self) -> float:
        return time.time() + self.ahead

    def refusal(self, failed: Failed) -> tuple[int, dict[str, str], bytes]:
        code = f"<Error><Code>{failed.code}</Code><Message>{failed.message}</Message><Resource>r</Resource>"
        code += "<RequestId>1</RequestId><TraceId>t</TraceId></Error>"
        return failed.status, {"Content-Type": "application/xml"}, code.encode()

    def answer(self, method: str, name: str, query: dict[str, str], fields: dict[str, str], body: bytes) -> Any:
        """Status, fields and body."""
        if not self.is_there:
            raise Failed(404, "NoSuchBucket")
        if "content-md5" in fields and fields["content-md5"] != in_base64(hashlib.md5(body).digest()):
            raise Failed(400, "InvalidDigest")
        kind = next((each for each in ("delete", "uploads", "partNumber", "uploadId") if each in query), "")
        if not name:
            return self._of_bucket(method, kind, query, fields, body)
        if kind in ("uploads", "partNumber", "uploadId"):
            return self._of_upload(method, kind, name, query, body)
        return self._of_object(method, name, query, fields, body)

    def _of_bucket(self, method, kind, query, fields, body):
        if method == "DELETE":
            self.is_there = False
            return 204, {}, b""
        if kind == "delete":
            if "content-md5" not in fields:
                raise Failed(400, "MissingArgument")
            for name in re.findall(r"<Key>(.*?)</Key>", body.decode()):
                self.objects.pop(ElementTree.fromstring(f"<a>{name}</a>").text or "", None)
            return 200, {}, b"" if self.vendor == "oss" else b"<DeleteResult/>"
        if kind == "uploads":
            return self._listed_uploads(query)
        return self._listed(query)

    def _listed(self, query):
        prefix, most = query.get("prefix", ""), min(int(query.get("max-keys") or MOST), MOST)
        marker = query.get("continuation-token") or query.get("start-after") or query.get("marker") or ""
        coded = (lambda text: quote(text, safe="")) if query.get("encoding-type") == "url" else escape
        names = sorted(name for name in self.objects if name.startswith(prefix) and name > marker)
        page = names[:most]
        entries = "".join(
            f"<Contents><Key>{coded(name)}</Key><LastModified>{date(self.objects[name][1])}</LastModified>"
            f'<ETag>"{_md5(self.objects[name][0])}"</ETag><Size>{len(self.objects[name][0])}</Size>'
            "<StorageClass>Standard</StorageClass><Type>Normal</Type></Contents>"
            for name in page
        )
        more = len(names) > most
        following = f"<NextMarker>{coded(page[-1])}</NextMarker>" if more else ""
        following += f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        kind = "<EncodingType>url</EncodingType>" if query.get("encoding-type") else ""
        head = f"{kind}<Prefix>{coded(prefix)}</Prefix><IsTruncated>{str(more).lower()}</IsTruncated>"
        return 200, {}, f"<ListBucketResult>{head}{following}{entries}</ListBucketResult>".encode()

    def _listed_uploads(self, query):
        after = query.get("key-marker", ""), query.get("upload-id-marker") or "~"
        found = sorted((name, id) for id, (name, _, _) in self.uploads.items())
        found = [each for each in found if each[0].startswith(query.get("prefix", "")) and each > after]
        most = min(int(query.get("max-uploads") or MOST), MOST)
        page, more = found[:most], len(found) > most
        coded = (lambda text: quote(text, safe="")) if query.get("encoding-type") == "url" else escape
        entries = "".join(
            f"<Upload><Key>{coded(name)}</Key><UploadId>{id}</UploadId>"
            f"<Initiated>{date(self.uploads[id][1])}</Initiated></Upload>"
            for name, id in page
        )
        last = page[-1] if more else ("", "")
        head = f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        head += f"<NextKeyMarker>{coded(last[0])}</NextKeyMarker><NextUploadIdMarker>{last[1]}</NextUploadIdMarker>"
        head += "<EncodingType>url</EncodingType>" if query.get("encoding-type") else ""
        return 200, {}, f"<ListMultipartUploadsResult>{head}{entries}</ListMultipartUploadsResult>".encode()

    def _of_upload(self, method, kind, name, query, body):
        if kind == "uploads":
            id = f"{next(self._ids):032X}"
            self.uploads[id] = name, time.time(), {}
            inside = f"<Bucket>{BUCKET}</Bucket><Key>{escape(name)}</Key><UploadId>{id}</UploadId>"
            return 200, {}, f"<InitiateMultipartUploadResult>{inside}</InitiateMultipartUploadResult>".encode()
        if self.uploads.get(query["uploadId"], ("",))[0] != name:
            raise Failed(404, "NoSuchUpload")
        parts = self.uploads[query["uploadId"]][2]
        if method == "PUT":
            parts[int(query["partNumber"])] = body
            return 200, {"ETag": f'"{_md5(body)}"', **self.checksum(body)}, b""
        if method == "DELETE":
            del self.uploads[query["uploadId"]]
            return 204, {}, b""
        return self._completed(name, query["uploadId"], parts, body)

    def _completed(self, name, id, parts, body):
        root = ElementTree.fromstring(body)
        tag = self.join(
            name, id, [(each.findtext("PartNumber") or "", each.findtext("ETag") or "") for each in root.iter("Part")]
        )
        inside = f"<Location>x</Location><Bucket>{BUCKET}</Bucket><Key>{escape(name)}</Key><ETag>{tag}</ETag>"
        made = f"<CompleteMultipartUploadResult>{inside}</CompleteMultipartUploadResult>"
        return 200, self.checksum(self.objects[name][0]), made.encode()

    def join(self, name: str, id: str, wanted: list[tuple[str, str]]) -> str:
        """wanted: number and ETag of each part. Returns the ETag of the object."""
        pieces, parts = [], self.uploads[id][2]
        for number, tag in wanted:
            piece = parts.get(int(number))
            if piece is None or _md5(piece) != tag.strip('"'):
                raise Failed(400, "InvalidPart")
            pieces.append(piece)
        if any(len(piece) < _LEAST[self.vendor] for piece in pieces[:-1]):
            raise Failed(400, "EntityTooSmall")
        self.objects[name] = b"".join(pieces), time.time()
        del self.uploads[id]
        return f'"{_md5(self.objects[name][0])}-{len(pieces)}"'

    def _of_object(self, method, name, query, fields, body):
        if method == "PUT":
            if fields.get(f"x-{self.vendor}-forbid-overwrite") == "true" and name in self.objects:
                raise Failed(409, "FileAlreadyExists")
            self.objects[name] = body, time.time()
            return 200, {"ETag": f'"{_md5(body)}"', **self.checksum(body)}, b""
        if method == "DELETE":
            self.objects.pop(name, None)
            return 204, {}, b""
        if name not in self.objects:
            raise Failed(404, "NoSuchKey")
        data = self.objects[name][0]
        kind = query.get("response-content-type", _TYPES.get(self.vendor, ""))
        about = {"ETag": f'"{_md5(data)}"', "Content-Type": kind, **self.checksum(data)}
        return self.ranged(data, about, fields)

    def checksum(self, data: bytes) -> dict[str, str]:
        """The field with the checksum of parts and objects."""
        return {f"x-{self.vendor}-hash-crc64ecma": str(_crc64(data))}

    @staticmethod
    def ranged(data: bytes, about: dict[str, str], fields: dict[str, str]) -> Any:
        """The bytes that the field Range asks for."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", fields.get("range", ""))
        if not wanted:
            return 200, about, data
        start, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        if start > last:
            raise Failed(416, "InvalidRange")
        return 206, {**about, "Content-Range": f"bytes {start}-{last}/{len(data)}"}, data[start : last + 1]


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Connections that break are part of the tests."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, disable_nagle_algorithm = "HTTP/1.1", True

    def _serve(self) -> None:
        double: Double = self.server.double  # type: ignore[attr-defined]
        fields = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(fields.get("content-length", 0)))
        try:
            answer = double.handle(self.command, self.path, fields, body)
        except Failed as failed:
            answer = double.refusal(failed)
        self._say(*answer)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    def _say(self, status: int, fields: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in {
            **fields,
            "x-oss-request-id": "1",
            "x-cos-request-id": "1",
            "x-bce-request-id": "1",
            "X-Reqid": "1",
        }.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads these lines."""


@functools.cache
def _liblzma() -> ctypes.CDLL:
    found = ctypes.CDLL("liblzma.so.5")
    found.lzma_crc64.restype = ctypes.c_uint64
    found.lzma_crc64.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint64]
    return found


def _crc64(data: bytes) -> int:
    """XZ has the same checksum."""
    return _liblzma().lzma_crc64(data, len(data), 0)


def _md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest().upper()


def date(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at))
