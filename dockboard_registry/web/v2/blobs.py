"""/v2/<name>/blobs/<digest>: content by digest."""

import functools
from ipaddress import ip_address

from ...domain.access.facts import Question
from ...domain.access.rule import DELETE, PULL
from ...domain.content import blobs
from ...http.messages import Request, Response, SharedFields, Span
from ...names import digest as parse_digest
from ...storage import Source
from ..auth.gate import actor
from ..conditions import byte_ranges, multipart, not_modified
from ..endpoint import Endpoint, is_personal
from ..stored import part

_FOR_EVER = "max-age=31536000, immutable"
# An answer for one user: caches of proxies must not store it. Not all of them look at Authorization.
_FOR_ONE = f"private, {_FOR_EVER}"


class Blob(Endpoint):
    name = "blob"
    streams = True

    async def get(self, request: Request, name: str, digest: str) -> Response:
        blob = blobs.found(digest, await self.services.gate.ask(request, name, PULL, _question(digest)))
        url = self.services.blobs.url(blob)
        if url is not None and not self._comes_from_inside(request):
            return _redirection(request, digest, url)
        source = await self.services.blobs.open(name, digest, blob)
        try:
            return await _answer(request, digest, source)
        except BaseException:
            source.close()
            raise

    def _comes_from_inside(self, request: Request) -> bool:
        """Whether the client is in a network from which it cannot reach the store."""
        networks = self.services.config.storage.no_redirect_networks
        return bool(networks) and any(ip_address(request.remote) in network for network in networks)

    async def head(self, request: Request, name: str, digest: str) -> Response:
        blob = blobs.found(digest, await self.services.gate.ask(request, name, PULL, _question(digest)))
        await self.services.blobs.promise(blob, digest)
        headers = _headers(digest, is_personal(request))
        if not_modified(request, digest):
            return Response(304, headers)
        return Response(200, headers, length=blob.size)

    async def delete(self, request: Request, name: str, digest: str) -> Response:
        who = actor(request, await self.services.gate.admit(request, name, DELETE))
        await self.services.blobs.delete(name, parse_digest(digest), who)
        return Response(202)


def _redirection(request: Request, digest: str, url: str) -> Response:
    if not_modified(request, digest):
        return Response(304, _headers(digest, True))
    return Response(307, _redirection_headers(digest, url))


@functools.lru_cache(256)
def _redirection_headers(digest: str, url: str) -> SharedFields:
    """The URL is for this client, and ends soon. The store may give the same one for a moment."""
    return SharedFields({**_headers(digest, True), "Location": url, "Cache-Control": "no-store"})


@functools.lru_cache(1024)
def _question(digest: str) -> Question:
    """The question for a blob. Raises DigestInvalid."""
    return blobs.question(parse_digest(digest))


@functools.lru_cache(1024)
def _headers(digest: str, personal: bool) -> SharedFields:
    """The headers of an answer with this blob."""
    return SharedFields(
        {
            "Content-Type": "application/octet-stream",
            "Docker-Content-Digest": digest,
            "Etag": f'"{digest}"',
            "Accept-Ranges": "bytes",
            # A shared cache may give its copy only to requests with the same credentials.
            "Vary": "Authorization",
            "Cache-Control": _FOR_ONE if personal else _FOR_EVER,
        }
    )


async def _answer(request: Request, digest: str, source: Source) -> Response:
    status, headers, start, stop = 200, _headers(digest, is_personal(request)), 0, source.size
    if not_modified(request, digest):
        source.close()
        return Response(304, headers)
    ranges = byte_ranges(request, stop, digest)
    if ranges is not None:
        if len(ranges) > 1:
            media_type, pieces = multipart(ranges, stop, digest)
            return Response(206, {**headers, "Content-Type": media_type}, span=Span(source, pieces))
        status, [(start, stop)] = 206, ranges
        headers = {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{source.size}"}
    return await part(status, headers, source, start, stop)
