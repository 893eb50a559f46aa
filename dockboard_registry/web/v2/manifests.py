"""/v2/<name>/manifests/<reference>: manifests and indexes, by tag or digest."""

import functools
import time

from ...domain import manifests
from ...domain.access import DELETE, PULL, PUSH
from ...domain.documents import SIZE_LIMIT
from ...domain.facts import Question
from ...errors import BadRequest
from ...names import Reference
from ...names import tag as parse_tag
from ..base import Endpoint
from ..conditions import not_modified
from ..gate import actor
from ..messages import Request, Response

_TAGS = 100
# After a body that took longer it is asked again whether they may.
_LONG_SECONDS = 1.0


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
        }
        if not_modified(request, found.digest):
            return Response(304, headers)
        if request.method == "HEAD":
            return Response(200, headers, length=found.size)
        body = found.body if found.body is not None else await self.services.manifests.body(name, found)
        return Response(200, headers, body)

    head = get

    async def put(self, request: Request, name: str, reference: str) -> Response:
        repository = (await self.services.gate.admit_push(request, name)).repository
        wanted = Reference.parse(reference)
        tags = [parse_tag(text) for value in request.query_all("tag") for text in value.split(",")]
        if len(tags) > _TAGS:
            raise BadRequest(f"more than {_TAGS} tags in one request")
        begun = time.monotonic()
        body = await request.body.read_all(SIZE_LIMIT)
        if time.monotonic() - begun > _LONG_SECONDS:
            # Who is slow enough could keep requests open for an hour, and use a right that has ended since.
            await self.repository(request, name, PUSH)
        stored = await self.services.manifests.put(repository, wanted, body, request.headers.get("Content-Type", ""), tags)
        self.services.metrics.add("uploaded_bytes_total", len(body))
        headers = {"Location": f"/v2/{repository}/manifests/{stored.digest}", "Docker-Content-Digest": stored.digest}
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
