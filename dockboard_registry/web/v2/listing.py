"""The API's root, the catalog, tag lists and referrers."""

import json

from ...domain.access.rule import CATALOG, PULL
from ...domain.content.documents import OCI_INDEX
from ...http.messages import Request, Response
from ...names import digest as parse_digest
from ..endpoint import Endpoint, asked_again, caching, document, is_personal, next_page, page_size


class Base(Endpoint):
    """/v2/: whether this registry speaks the API, and where clients log in."""

    name = "base"

    async def get(self, request: Request) -> Response:
        await self.services.gate.enter(request)
        return document(200, b"{}", caching(is_personal(request)))

    head = get


class Catalog(Endpoint):
    """/v2/_catalog"""

    name = "catalog"

    async def get(self, request: Request) -> Response:
        await self.services.gate.admit_to_registry(request, CATALOG)
        size = page_size(request)
        names = await self.services.repositories.catalog(request.query("last") or "", size + 1) if size else []
        return _page(request, "repositories", names, size, {}, caching(is_personal(request)))

    head = get


class TagList(Endpoint):
    """/v2/<name>/tags/list"""

    name = "tags"

    async def get(self, request: Request, name: str) -> Response:
        repository = await self.repository(request, name, PULL)
        size = page_size(request)
        names = await self.services.tags.list(repository, request.query("last") or "", size + 1)
        return _page(request, "tags", names, size, {"name": repository}, asked_again(is_personal(request)))

    head = get


def _page(request: Request, key: str, names: list[str], size: int, beside: dict, headers: dict) -> Response:
    """One page of names. The query asked for one more than the page holds."""
    page = names[:size]
    link = next_page(request.path, n=str(size), last=page[-1]) if page and len(names) > size else {}
    return document(200, json.dumps({**beside, key: page}).encode(), {**link, **headers})


class ReferrerList(Endpoint):
    """/v2/<name>/referrers/<digest>"""

    name = "referrers"

    async def get(self, request: Request, name: str, digest: str) -> Response:
        repository = await self.repository(request, name, PULL)
        subject = parse_digest(digest)
        artifact_type = request.query("artifactType") or None
        found, after = await self.services.referrers.list(
            repository, subject, artifact_type, request.query("last") or "", page_size(request) or 1
        )
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
        headers = caching(is_personal(request)) | ({"OCI-Filters-Applied": "artifactType"} if artifact_type else {})
        if after:
            keep = {"artifactType": artifact_type} if artifact_type else {}
            headers |= next_page(request.path, n=str(page_size(request) or 1), last=after, **keep)
        # At most as long as a manifest, because clients read no more than that.
        return document(200, json.dumps(index, ensure_ascii=False, separators=(",", ":")).encode(), headers, OCI_INDEX)

    head = get
