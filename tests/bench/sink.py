"""A store that speaks as much S3 as measurements need, and keeps no bytes: only how many there were.

It can say that it has very many objects. Their keys are spread evenly, so that a list of any part is quickly made.
"""

from __future__ import annotations

import http.server
import threading
import time
from collections import Counter
from urllib.parse import parse_qs, urlsplit

BUCKET = "sink"
PAGE = 1000
_PIECE = 1 << 20


def key(number: int) -> str:
    """Of the number-th of 1,048,576 objects at most, in the order of their keys."""
    return f"{number:05x}{'0' * 35}"


class Sink:
    """count: how many objects a list has. asked: the requests by method."""

    def __init__(self, count: int = 0):
        self.count, self.sizes, self.kept = count, Counter(), {}
        self.asked: Counter[str] = Counter()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.sink, self._server.daemon_threads = self, True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def settings(self) -> dict[str, object]:
        url = f"s3://{BUCKET}?endpoint=http://127.0.0.1:{self.port}"
        return {"storage_url": url, "storage_access_key": "key", "storage_secret_key": "secret"}

    def listed(self, query: dict[str, list[str]]) -> str:
        """A page of the objects below blobs/, or of no uploads."""
        if "uploads" in query:
            return "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"
        first = int(query["continuation-token"][0]) if "continuation-token" in query else 0
        last = min(first + PAGE, self.count) if query["prefix"] == ["blobs/"] else first
        date = "2026-01-01T00:00:00.000Z"
        entries = "".join(
            f"<Contents><Key>blobs/{key(number)[:2]}/{key(number)}</Key><LastModified>{date}</LastModified>"
            f'<ETag>"0"</ETag><Size>1000000</Size></Contents>'
            for number in range(first, last)
        )
        more = f"<NextContinuationToken>{last}</NextContinuationToken>" if last < self.count else ""
        state = f"<IsTruncated>{str(bool(more)).lower()}</IsTruncated>{more}"
        return f"<ListBucketResult>{state}{entries}</ListBucketResult>"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        sink: Sink = self.server.sink  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        query, name = parse_qs(parts.query, keep_blank_values=True), parts.path.removeprefix(f"/{BUCKET}/")
        body = self._drained()
        sink.asked[f"{self.command} {next((each for each in query if each in _KINDS), '')}".rstrip()] += 1
        if self.command == "PUT" and len(body) < _PIECE:
            sink.kept[name] = body
        if self.command in ("PUT", "DELETE"):
            sink.sizes[name] += self._length() if self.command == "PUT" else 0
            return self._say(200 if self.command == "PUT" else 204, b"", {"ETag": '"no-md5"'})
        if self.command == "POST":
            return self._say(200, _posted(query))
        if parts.path.strip("/") == BUCKET:
            return self._say(200, sink.listed(query).encode())
        if self.command == "HEAD" and name in sink.sizes:
            return self._say(200, b"", {"ETag": '"whole"', "Content-Length": str(sink.sizes[name])})
        if name in sink.kept:
            return self._say(200, sink.kept[name])
        return self._say(404, b"<Error><Code>NoSuchKey</Code></Error>")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _serve

    def _length(self) -> int:
        return int(self.headers.get("Content-Length") or 0)

    def _drained(self) -> bytes:
        """Read the body. A short one is returned."""
        left, kept = self._length(), b""
        while left:
            piece = self.rfile.read(min(left, _PIECE))
            kept = piece if left == self._length() and left < _PIECE else b""
            left -= len(piece)
        return kept

    def _say(self, status: int, body: bytes, fields: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(fields or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads these lines."""


_KINDS = ("uploads", "uploadId", "partNumber", "list-type", "delete")


def _posted(query: dict[str, list[str]]) -> bytes:
    if "uploads" in query:
        return b"<Result><UploadId>%d</UploadId></Result>" % time.monotonic_ns()
    return b'<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>'
