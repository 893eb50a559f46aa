"""/v2/<name>/manifests/<reference>: manifests and indexes, by tag or digest."""

import functools
import time

from ...domain.access.facts import ALONE, Question
from ...domain.access.rule import DELETE, PULL
from ...domain.content import manifests
from ...domain.content.documents import SIZE_LIMIT
from ...errors import BadRequest, DigestInvalid, ManifestUnknown, NameUnknown, TagInvalid
from ...http.holding import LARGE_ANSWER
from ...http.messages import Request, Response, SharedFields
from ...names import Reference
from ...names import tag as parse_tag
from ..auth.gate import SLOW_SECONDS, actor
from ..conditions import not_modified
from ..endpoint import Endpoint, asked_again, caching, is_personal

_TAGS = 100
# The answer names the tags in one header line. nginx accepts 4 KiB of header by default; the other fields need up to
# 1.5 KiB.
_TAG_BYTES = 2560


@functools.lru_cache(1024)
def _asked(reference: str) -> tuple[Reference, Question]:
    """The reference, and the question for it. Raises DigestInvalid, TagInvalid."""
    wanted = Reference.parse(reference)
    return wanted, manifests.question(wanted)


@functools.lru_cache(1024)
def _headers(digest: str, media_type: str, by_tag: bool, personal: bool) -> SharedFields:
    """The headers of an answer with this manifest."""
    fields = {"Content-Type": media_type, "Docker-Content-Digest": digest, "Etag": f'"{digest}"'}
    return SharedFields(fields | (asked_again(personal) if by_tag else {"Vary": "Authorization", **caching(personal)}))


class Manifest(Endpoint):
    name = "manifest"

    async def get(self, request: Request, name: str, reference: str) -> Response:
        try:
            wanted, question = _asked(reference)
        except (DigestInvalid, TagInvalid):
            wanted, question = None, ALONE
        try:
            told = await self.services.gate.ask(request, name, PULL, question)
            if wanted is None:
                raise ManifestUnknown("what the path names is neither a tag nor a digest, so no manifest has it")
            found = manifests.found(wanted, told)
        except NameUnknown as error:
            raise _unknown(error) from None
        headers = _headers(found.digest, found.media_type, wanted.tag is not None, is_personal(request))
        if not_modified(request, found.digest):
            return Response(304, headers)
        if request.method == "HEAD":
            return Response(200, headers, length=found.size)
        if found.size > LARGE_ANSWER:
            return Response(200, headers, length=found.size, read=lambda: self._body(name, found, wanted))
        body = found.body if found.body is not None else await self.services.manifests.body(name, found)
        self.services.pulls.count(name, wanted.tag)
        return Response(200, headers, body)

    async def _body(self, name: str, found: manifests.Manifest, wanted: Reference) -> bytes:
        body = await self.services.manifests.body(name, found)
        self.services.pulls.count(name, wanted.tag)
        return body

    head = get

    async def put(self, request: Request, name: str, reference: str) -> Response:
        push = await self.services.gate.admit_push(request, name)
        wanted = Reference.parse(reference)
        tags = _more_tags(request)
        begun = time.monotonic()

        async def require_still() -> None:
            if time.monotonic() - begun > SLOW_SECONDS:
                await self.services.gate.require_still(request, push)

        body = await request.body.read_all(SIZE_LIMIT)
        await require_still()
        media_type = request.headers.get("Content-Type", "")
        stored = await self.services.manifests.put(
            name, wanted, body, media_type, tags, push.may_overwrite_tags, push.actor, require_still
        )
        self.services.metrics.add("uploaded_bytes_total", len(body))
        headers = {"Location": f"/v2/{name}/manifests/{stored.digest}", "Docker-Content-Digest": stored.digest}
        if stored.subject:
            headers["OCI-Subject"] = stored.subject
        if stored.warning:
            headers["Warning"] = f'299 - "{stored.warning}"'
        if tags:
            headers["OCI-Tag"] = ",".join(tags)
        return Response(201, headers)

    async def delete(self, request: Request, name: str, reference: str) -> Response:
        try:
            await self._delete(request, name, reference)
        except NameUnknown as error:
            raise _unknown(error) from None
        return Response(202)

    async def _delete(self, request: Request, name: str, reference: str) -> None:
        who = actor(request, await self.services.gate.admit(request, name, DELETE))
        wanted = Reference.parse(reference)
        if wanted.tag:
            await self.services.tags.delete(name, wanted.tag, who)
        else:
            await self.services.manifests.delete(name, wanted.digest, who)


def _unknown(error: NameUnknown) -> ManifestUnknown:
    """A manifest of an unknown repository has the code of an unknown manifest, as in distribution. skopeo takes only
    this for "no image yet".
    """
    return ManifestUnknown(error.cause, error.next, **error.facts)


def _more_tags(request: Request) -> list[str]:
    """The tags in the query, without repetitions. Raises TagInvalid; BadRequest if they do not fit into the answer."""
    tags = list(dict.fromkeys(parse_tag(text) for value in request.query_all("tag") for text in value.split(",")))
    size = len(",".join(tags))
    if len(tags) > _TAGS or size > _TAG_BYTES:
        raise BadRequest(
            f"the query asks for {len(tags)} tags of {size} bytes together, and one request may ask for {_TAGS} tags"
            f" and {_TAG_BYTES} bytes",
            "ask for the other tags with another push of the same manifest",
        )
    return tags
