"""/v2/<name>/blobs/<digest>: content by digest."""

from ...domain.access.rule import DELETE, PULL
from ...domain.content import blobs
from ...http.messages import Piece, Request, Response, Span
from ...names import digest as parse_digest
from ...storage import Source
from ..auth.gate import actor
from ..conditions import byte_ranges, multipart, not_modified
from ..endpoint import Endpoint

_SMALL = 64 << 10
_FOR_EVER = "max-age=31536000, immutable"
# What somebody in particular may have: caches of proxies keep it for nobody else. Not all of them look at Authorization
# by themselves.
_FOR_ONE = f"private, {_FOR_EVER}"


class Blob(Endpoint):
    name = "blob"
    streams = True

    async def get(self, request: Request, name: str, digest: str) -> Response:
        blob = await self._find(request, name, digest)
        source = await self.services.blobs.open(name, digest, blob)
        try:
            return await self._answer(request, digest, source)
        except BaseException:
            source.close()
            raise

    async def _answer(self, request: Request, digest: str, source) -> Response:
        headers = _headers(request, digest)
        if not_modified(request, digest):
            source.close()
            return Response(304, headers)
        ranges = byte_ranges(request, source.size, digest)
        if ranges is None:
            return await _one_piece(200, headers, source, 0, source.size)
        if len(ranges) > 1:
            headers["Content-Type"], pieces = multipart(ranges, source.size, digest)
            return await _several_pieces(headers, Span(source, pieces))
        [(start, stop)] = ranges
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{source.size}"
        return await _one_piece(206, headers, source, start, stop)

    async def head(self, request: Request, name: str, digest: str) -> Response:
        blob = await self._find(request, name, digest)
        await self.services.blobs.promise(blob, digest)
        if not_modified(request, digest):
            return Response(304, _headers(request, digest))
        return Response(200, _headers(request, digest), length=blob.size)

    async def _find(self, request: Request, name: str, digest: str) -> blobs.Blob:
        question = blobs.question(parse_digest(digest))
        return blobs.found(digest, await self.services.gate.ask(request, name, PULL, question))

    async def delete(self, request: Request, name: str, digest: str) -> Response:
        who = actor(request, await self.services.gate.admit(request, name, DELETE))
        await self.services.blobs.delete(name, parse_digest(digest), who)
        return Response(202)


async def _one_piece(status: int, headers: dict, source: Source, start: int, stop: int) -> Response:
    if stop - start > _SMALL:
        return Response(status, headers, span=Span(source, (Piece(start, stop),)))
    body = source.read_now(start, stop - start)
    if body is None:
        body = await source.read(start, stop - start)
    source.close()
    return Response(status, headers, body)


async def _several_pieces(headers: dict, span: Span) -> Response:
    """Bytes in memory are sent at once.

    Pieces of a file are never read here, because a thousand of them may lie all over a slow disk.
    """
    if span.source.fileno() is not None:
        return Response(206, headers, span=span)
    body = b"".join([before + await span.source.read(start, stop - start) for start, stop, before in span.pieces])
    span.source.close()
    return Response(206, headers, body)


def _headers(request: Request, digest: str) -> dict:
    return {
        "Content-Type": "application/octet-stream",
        "Docker-Content-Digest": digest,
        "Etag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        # A shared cache may give its copy only to requests with the same credentials.
        "Vary": "Authorization",
        "Cache-Control": _FOR_ONE if "Authorization" in request.headers else _FOR_EVER,
    }
