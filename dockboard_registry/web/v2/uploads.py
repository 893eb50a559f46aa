"""/v2/<name>/blobs/uploads/: every way to bring a blob in (distribution specification 1.1, "Pushing blobs")."""

import re
import time
from collections.abc import Awaitable
from typing import TypeVar

from ...domain.access.rule import PULL, PUSH
from ...domain.uploads import receiving
from ...domain.uploads.open_uploads import share_of
from ...domain.uploads.sessions import Session
from ...domain.uploads.upload_writer import Writer
from ...errors import DigestInvalid, NameInvalid, UploadInvalid, UploadRange
from ...http.messages import Request, Response
from ...names import algorithm as parse_algorithm
from ...names import algorithm_of, is_digest
from ...names import digest as parse_digest
from ...wording import quoted
from ..auth.gate import SLOW_SECONDS, AdmittedPush
from ..endpoint import Endpoint

T = TypeVar("T")
_CONTENT_RANGE = re.compile(r"(\d{1,19})-(\d{1,19})", re.A)


class Uploads(Endpoint):
    """POST: mount, a whole blob at once, or the start of an upload."""

    name = "uploads"
    streams = True

    async def post(self, request: Request, name: str) -> Response:
        push = await self.services.gate.admit_push(request, name)
        principal = push.principal
        mounted, digest = await self._mount(request, push), request.query("digest")
        if mounted is not None:
            return _created(name, mounted)
        share = share_of(principal, request.remote)
        if digest is None:
            algorithm = parse_algorithm(request.query("digest-algorithm") or "sha256")
            await request.body.read_all(0)
            return _state(
                202, await self.services.uploads.start(name, algorithm, principal.account_key, share_of=share)
            )
        algorithm = algorithm_of(parse_digest(digest))
        session = await self.services.uploads.start(
            name, algorithm, principal.account_key, request.content_length() or 0, share
        )
        return await _finish(self, request, push, session, digest, keep=False)

    async def _mount(self, request: Request, push: AdmittedPush) -> str | None:
        """The digest that was mounted. None if no mount is wanted or possible. Then the request starts an upload, as
        the specification says.

        Without `from` any repository may be the source if everybody may read all of them, which is so only without
        accounts.
        """
        digests, sources = request.query_all("mount"), request.query_all("from")
        if len(digests) != 1 or not is_digest(digests[0]) or len(sources) > 1:
            return None
        digest, source = digests[0], sources[0] if sources else None
        if not (push.principal.open if source is None else await self._may_pull(request, source)):
            return None
        return digest if await self.services.blobs.mount(push.repository.name, digest, source, push.actor) else None

    async def _may_pull(self, request: Request, source: str) -> bool:
        """Also False for a text that is not a name of a repository."""
        try:
            return await self.services.gate.may(request, source, PULL)
        except NameInvalid:
            return False


class Upload(Endpoint):
    """One upload session."""

    name = "upload"
    streams = True

    async def get(self, request: Request, name: str, id: str) -> Response:
        return _state(204, await self._session(request, name, id))

    head = get

    async def patch(self, request: Request, name: str, id: str) -> Response:
        _, session = await self._entered(request, name, id)
        return _state(202, await _append(self, request, session))

    async def put(self, request: Request, name: str, id: str) -> Response:
        push, session = await self._entered(request, name, id)
        digest = request.query("digest")
        if digest is None:
            raise DigestInvalid("the query lacks digest", "finish the upload with PUT ?digest=<digest of all bytes>")
        parse_digest(digest)
        return await _finish(self, request, push, session, digest, keep=True)

    async def delete(self, request: Request, name: str, id: str) -> Response:
        await self.services.uploads.cancel(await self._session(request, name, id))
        return Response(204)

    async def _session(self, request: Request, name: str, id: str) -> Session:
        principal = await self.services.gate.admit(request, name, PUSH)
        return await self.services.uploads.find(name, id, principal.account_key)

    async def _entered(self, request: Request, name: str, id: str) -> tuple[AdmittedPush, Session]:
        """The same for a request with bytes, for which the namespace has to have room."""
        push = await self.services.gate.admit_push(request, name)
        return push, await self.services.uploads.enter(
            name, id, push.principal.account_key, request.content_length() or 0
        )


async def _finish(
    endpoint: Endpoint, request: Request, push: AdmittedPush, session: Session, digest: str, keep: bool
) -> Response:
    """Take the body's bytes, if any, and make all of them the blob.

    keep: what came before an accident stays for another try.
    """
    begun, length = time.monotonic(), _chunk(request, session)

    async def bring(writer: Writer) -> None:
        await _receive(endpoint, request, writer, length)
        if time.monotonic() - begun > SLOW_SECONDS:
            await endpoint.services.gate.require_still(request, push)

    coming = request.content_length() or 0
    work = receiving.finish(endpoint.services.uploads, session, bring, coming, digest, push.actor, keep)
    await _with_state(endpoint, session, work)
    return _created(session.repository, digest)


async def _append(endpoint: Endpoint, request: Request, session: Session) -> Session:
    """Take the body's bytes and keep them for the next request; those that came before the client was cut off too."""
    length = _chunk(request, session)

    async def bring(writer: Writer) -> None:
        await _receive(endpoint, request, writer, length)

    work = receiving.append(endpoint.services.uploads, session, bring, request.content_length() or 0)
    return await _with_state(endpoint, session, work)


async def _with_state(endpoint: Endpoint, session: Session, work: Awaitable[T]) -> T:
    """Do the work. If another request was faster, the error has the state from which this one has to go on.

    Raises UploadUnknown if the session is gone, and what the work raises.
    """
    try:
        return await work
    except UploadRange as error:
        found = await endpoint.services.uploads.find(session.repository, session.id, session.owner)
        raise _out_of_range(found, error.cause) from error


async def _receive(endpoint: Endpoint, request: Request, writer: Writer, length: int | None) -> None:
    received = await request.body.copy_to(writer)
    if length is not None and received != length:
        raise UploadInvalid(f"the body has {received} bytes, and Content-Range says {length}")
    endpoint.services.metrics.add("uploaded_bytes_total", received)


def _chunk(request: Request, session: Session) -> int | None:
    """The chunk's length if there is a Content-Range. Raises UploadRange with the upload's state, UploadInvalid."""
    text = request.headers.get("Content-Range")
    if text is None:
        return None
    found = _CONTENT_RANGE.fullmatch(text.strip())
    start, end = (int(found[1]), int(found[2])) if found else (0, -1)
    length = request.content_length()
    if not found or end < start:
        raise _out_of_range(session, f"Content-Range: {quoted(text)} is not <first byte>-<last byte>")
    if start != session.size:
        raise _out_of_range(session, f"the chunk begins at byte {start}, the upload has {session.size} bytes")
    if length is not None and length != end - start + 1:
        raise UploadInvalid(f"Content-Range has {end - start + 1} bytes, and Content-Length says {length}")
    return end - start + 1


def _out_of_range(session: Session, cause: str) -> UploadRange:
    return UploadRange(cause, headers={"Location": _location(session), "Range": _range(session)})


def _location(session: Session) -> str:
    return f"/v2/{session.repository}/blobs/uploads/{session.id}"


def _range(session: Session) -> str:
    """0-<last byte>. Clients expect 0-0 also for an upload without bytes."""
    return f"0-{max(session.size - 1, 0)}"


def _state(status: int, session: Session) -> Response:
    headers = {"Location": _location(session), "Range": _range(session), "Docker-Upload-Uuid": session.id}
    return Response(status, headers)


def _created(repository: str, digest: str) -> Response:
    return Response(201, {"Location": f"/v2/{repository}/blobs/{digest}", "Docker-Content-Digest": digest})
