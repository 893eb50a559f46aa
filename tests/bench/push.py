"""The ways of clients to push: blobs large and small, and whole images, each over one keep-alive connection."""

from __future__ import annotations

from urllib.parse import urlsplit

from tests.bench.client import Connection
from tests.bench.content import IMAGE, Blob, Image, digest

BINARY = "application/octet-stream"


def start(connection: Connection, repository: str) -> str:
    """POST: the target of the new upload session, as path and query."""
    answer = connection.request("POST", f"/v2/{repository}/blobs/uploads/", expect=202)
    return target(answer.headers["location"])


def target(location: str) -> str:
    """Path and query of a Location, which distribution writes with a host and others without."""
    parts = urlsplit(location)
    return parts.path + ("?" + parts.query if parts.query else "")


def with_digest(location: str, wanted: str) -> str:
    return f"{location}{'&' if '?' in location else '?'}digest={wanted}"


def finish(connection: Connection, location: str, wanted: str) -> None:
    connection.request("PUT", with_digest(location, wanted), expect=201)


def streamed(connection: Connection, repository: str, blob: Blob) -> None:
    """POST, one PATCH with a Content-Length, PUT."""
    location = start(connection, repository)
    _head(connection, "PATCH", location, f"Content-Length: {blob.size}")
    blob.send(connection.socket)
    answer = connection.answer("PATCH", 202)
    finish(connection, target(answer.headers["location"]), blob.digest)


def streamed_chunked(connection: Connection, repository: str, blob: Blob) -> None:
    """POST, one PATCH in chunked transfer encoding (what docker sends), PUT."""
    location = start(connection, repository)
    _head(connection, "PATCH", location, "Transfer-Encoding: chunked")
    blob.send_chunked(connection.socket)
    answer = connection.answer("PATCH", 202)
    finish(connection, target(answer.headers["location"]), blob.digest)


def monolithic(connection: Connection, repository: str, blob: Blob) -> None:
    """POST, one PUT with the digest and the whole body."""
    location = start(connection, repository)
    _head(connection, "PUT", with_digest(location, blob.digest), f"Content-Length: {blob.size}")
    blob.send(connection.socket)
    connection.answer("PUT", 201)


def in_parts(connection: Connection, repository: str, blob: Blob, size: int = 64 << 20) -> None:
    """POST, a PATCH with Content-Range for each part, PUT."""
    location = start(connection, repository)
    for first, end in blob.parts(size):
        _head(connection, "PATCH", location, f"Content-Length: {end - first}", f"Content-Range: {first}-{end - 1}")
        blob.send(connection.socket, first, end)
        location = target(connection.answer("PATCH", 202).headers["location"])
    finish(connection, location, blob.digest)


def _head(connection: Connection, method: str, location: str, *fields: str) -> None:
    lines = [f"{method} {location} HTTP/1.1", "Host: localhost", f"Content-Type: {BINARY}", *fields]
    connection.socket.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")


def small_blob(connection: Connection, repository: str, data: bytes) -> str:
    """What docker does for a layer that is not there: HEAD, POST, PATCH, PUT. Returns the digest."""
    wanted = digest(data)
    connection.request("HEAD", f"/v2/{repository}/blobs/{wanted}", expect=404)
    location = start(connection, repository)
    answer = connection.request("PATCH", location, {"Content-Type": BINARY}, data, expect=202)
    finish(connection, target(answer.headers["location"]), wanted)
    return wanted


def image(connection: Connection, repository: str, tag: str, content: Image) -> None:
    """The layers, the config and then the manifest."""
    for blob in (*content.layers, content.config):
        small_blob(connection, repository, blob)
    manifest(connection, repository, tag, content.manifest)


def manifest(connection: Connection, repository: str, reference: str, document: bytes) -> None:
    connection.request("PUT", f"/v2/{repository}/manifests/{reference}", {"Content-Type": IMAGE}, document, expect=201)
