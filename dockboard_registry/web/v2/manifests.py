"""/v2/<name>/manifests/<reference>: manifests and indexes, by tag or digest."""

import functools
import time

from ...domain import manifests
from ...domain.access import DELETE, PULL
from ...domain.documents import SIZE_LIMIT
from ...domain.facts import Question
from ...errors import BadRequest
from ...names import Reference
from ...names import tag as parse_tag
from ..base import Endpoint, caching
from ..conditions import not_modified
from ..gate import SLOW_SECONDS, actor
from ..messages import Request, Response

_TAGS = 100


@functools.lru_cache(1024)
def _asked(reference: str) -> tuple[Reference, Question]:
    """What is asked for, and what to ask for it. Raises DigestInvalid, TagInvalid."""
    wanted = Reference.parse(reference)
    return wanted, manifests.question(wanted)


class Manifest(Endpoint):
    name = "manifest"

    async def get(self, request: Request, name: str, reference: str) -> Response:
        wanted, question = _asked(reference)
        found = manifests.found(wanted, await self.services.gate.ask(request, name, PULL, question))
        headers = {
            "Content-Type": found.media_type,
            "Docker-Content-Digest": found.digest,
            "Etag": f'"{found.digest}"',
            **caching(request),
        }
        if not_modified(request, found.digest):
            return Response(304, headers)
        if request.method == "HEAD":
            return Response(200, headers, length=found.size)
        body = found.body if found.body is not None else await self.services.manifests.body(name, found)
        return Response(200, headers, body)

    head = get

    async def put(self, request: Request, name: str, reference: str) -> Response:
        pusher = await self.services.gate.admit_push(request, name)
        wanted = Reference.parse(reference)
        tags = [parse_tag(text) for value in request.query_all("tag") for text in value.split(",")]
        if len(tags) > _TAGS:
            raise BadRequest(f"more than {_TAGS} tags in one request")
        begun = time.monotonic()
        body = await request.body.read_all(SIZE_LIMIT)
        if time.monotonic() - begun > SLOW_SECONDS:
            await self.services.gate.require_still(request, pusher)
        media_type = request.headers.get("Content-Type", "")
        stored = await self.services.manifests.put(name, wanted, body, media_type, tags, pusher.moves_tags, pusher.actor)
        self.services.metrics.add("uploaded_bytes_total", len(body))
        headers = {"Location": f"/v2/{name}/manifests/{stored.digest}", "Docker-Content-Digest": stored.digest}
        if stored.subject:
            headers["OCI-Subject"] = stored.subject
        if tags:
            headers["OCI-Tag"] = tags
        return Response(201, headers)

    async def delete(self, request: Request, name: str, reference: str) -> Response:
        who = actor(request, await self.services.gate.admit(request, name, DELETE))
        wanted = Reference.parse(reference)
        if wanted.tag:
            await self.services.tags.delete(name, wanted.tag, who)
        else:
            await self.services.manifests.delete(name, wanted.digest, who)
        return Response(202)
