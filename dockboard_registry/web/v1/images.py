"""/v1/images/<id>: text, ancestry and bytes of an image, by its id alone.

An id names no repository. A token does, and the id is looked up there. Without one it is looked up in all that the
client may pull. Whichever it is, the gate decides about the repository in which the image was found.
"""

import contextlib
from collections.abc import Iterator

from ...domain.access.rule import PULL
from ...domain.content import blobs
from ...domain.content.blobs import Blob
from ...domain.inspection.image_config import LONGEST
from ...domain.v1 import derived
from ...domain.v1.images import FoundImage
from ...errors import BlobUnknown, ManifestInvalid, NameUnknown, NotFound
from ...http.messages import Request, Response
from ...storage import read_whole
from ..auth import v1_tokens
from ..conditions import byte_ranges
from ..endpoint import Endpoint, is_personal
from ..stored import part
from .answers import answer

_FOR_EVER = "max-age=31536000"


class Image(Endpoint):
    """What all answers about an image begin with."""

    name = "v1"

    async def find(self, request: Request, id: str) -> FoundImage:
        """Raises NotFound, Unauthorized, Denied."""
        if not derived.is_id(id):
            raise NotFound("invalid image id", "an id has 64 lower-case hexadecimal digits")
        if not v1_tokens.is_token(request.authorization):
            return await self.services.v1_images.anywhere(await self.services.gate.admit_somebody(request), id)
        name = unspelled(v1_tokens.read(request.authorization).repository)
        known = self.services.v1_images.known(name, id)
        if known is not None:
            return known
        with _hidden():
            await self.services.gate.admit(request, name, PULL)
        return await self.services.v1_images.within(name, id)

    async def blob(self, request: Request, found: FoundImage, digest: str) -> Blob:
        """A blob of the image, once the gate has decided. Raises NotFound, Unauthorized, Denied."""
        with _hidden():
            told = await self.services.gate.ask(request, found.repository, PULL, blobs.question(digest))
            return blobs.found(digest, told)


class ImageText(Image):
    """The JSON of the image, as the same bytes each time."""

    async def get(self, request: Request, id: str) -> Response:
        found = await self.find(request, id)
        layer = await self.blob(request, found, found.image.layer)
        body = derived.text(found.image, await self._config(request, found))
        headers = {**cached(request), "Content-Type": "application/json", "X-Docker-Size": str(layer.size)}
        return Response(200, headers, body)

    head = get

    async def _config(self, request: Request, found: FoundImage) -> bytes | None:
        digest = found.image.config
        if digest is None:
            return None
        blob = await self.blob(request, found, digest)
        if blob.size > LONGEST:
            raise ManifestInvalid(f"the config of the image has more than {LONGEST} bytes", "pull it by the v2 API")
        source = await self.services.blobs.open(found.repository, digest, blob)
        try:
            return await read_whole(source, 0, source.size)
        finally:
            source.close()


class Ancestry(Image):
    """The ids of the image and of all below it. A pull asks for this once, so it is where pulls are counted."""

    async def get(self, request: Request, id: str) -> Response:
        found = await self.find(request, id)
        await self.blob(request, found, found.image.layer)
        if request.method == "GET":
            self.services.pulls.count(found.repository, None)
        return answer(200, found.ancestry, cached(request))

    head = get


class Layer(Image):
    """The bytes as they were pushed, which are a plain or compressed tar."""

    streams = True

    async def get(self, request: Request, id: str) -> Response:
        found = await self.find(request, id)
        digest = found.image.layer
        blob = await self.blob(request, found, digest)
        headers = {**cached(request), "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        if request.method == "HEAD":
            return Response(200, headers, length=blob.size)
        source = await self.services.blobs.open(found.repository, digest, blob)
        try:
            # docker asks for a range that ends one byte behind the last one.
            wanted = byte_ranges(request, source.size, digest)
            if wanted is None or len(wanted) > 1:
                return await part(200, headers, source, 0, source.size)
            [(start, stop)] = wanted
            headers["Content-Range"] = f"bytes {start}-{stop - 1}/{source.size}"
            return await part(206, headers, source, start, stop)
        except BaseException:
            source.close()
            raise

    head = get


@contextlib.contextmanager
def _hidden() -> Iterator[None]:
    """What somebody may not see looks like what does not exist."""
    try:
        yield
    except (NameUnknown, BlobUnknown) as error:
        raise NotFound("image not found", "take the id from the tags of a repository") from error


def unspelled(name: str) -> str:
    """The repository that a client of v1 means: it may write library/app for app."""
    return name.removeprefix("library/")


def cached(request: Request) -> dict[str, str]:
    """An id never means other bytes. Caches of proxies must not store what is for one user."""
    return {"Cache-Control": f"private, {_FOR_EVER}" if is_personal(request) else _FOR_EVER, "Vary": "Authorization"}
