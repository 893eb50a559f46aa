"""/v2/<name>/blobs/<digest>: content by digest."""

from ...domain import blobs
from ...domain.access import DELETE, PULL
from ...names import digest as parse_digest
from ..base import Endpoint
from ..conditions import byte_range, not_modified
from ..gate import actor
from ..messages import Request, Response, Span

_SMALL = 64 << 10
_FOR_EVER = "max-age=31536000, immutable"
# What somebody in particular may have: caches of proxies keep it for nobody else. Not all of them look at Authorization by themselves.
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
        start, stop = 0, source.size
        status = 200
        if (part := byte_range(request, source.size, digest)) is not None:
            start, stop = part
            status = 206
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{source.size}"
        if stop - start > _SMALL:
            return Response(status, headers, span=Span(source, start, stop))
        body = source.read_now(start, stop - start)
        if body is None:
            body = await source.read(start, stop - start)
        source.close()
        return Response(status, headers, body)

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


def _headers(request: Request, digest: str) -> dict:
    return {
        "Content-Type": "application/octet-stream",
        "Docker-Content-Digest": digest,
        "Etag": f'"{digest}"',
        "Accept-Ranges": "bytes",
        # A shared cache gives what it kept only to those who show what the first one showed.
        "Vary": "Authorization",
        "Cache-Control": _FOR_ONE if "Authorization" in request.headers else _FOR_EVER,
    }
