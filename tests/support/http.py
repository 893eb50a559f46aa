"""A small registry client for tests: one kept connection, no retries, nothing hidden."""

from __future__ import annotations

import hashlib
import http.client
import json
import select
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
OCI_LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
OCTETS = "application/octet-stream"


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """`sha256:<hex>` of the bytes."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def descriptor(data: bytes, media_type: str, **more: object) -> dict[str, Any]:
    """An OCI descriptor of the bytes."""
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


@dataclass(frozen=True)
class Response:
    """An answer that was read to its end; `headers` looks names up in any case."""

    method: str
    path: str
    status: int
    headers: Message
    body: bytes

    def expect(self, *statuses: int) -> Response:
        """Itself when the status is one of these, else AssertionError with the whole answer."""
        if self.status in statuses:
            return self
        wanted = " or ".join(map(str, statuses))
        raise AssertionError(
            f"{self.method} {self.path}: {self.status}, not {wanted}\n{self.headers}{self.body[:2000]!r}"
        )

    def json(self) -> Any:
        return json.loads(self.body)

    def code(self) -> str:
        """The error code of an error body, such as BLOB_UNKNOWN."""
        return self.json()["errors"][0]["code"]

    @property
    def location(self) -> str:
        """Path and query of the Location header."""
        parts = urlsplit(self.headers["Location"])
        return parts.path + ("?" + parts.query if parts.query else "")


class Client:
    """One connection to `address` ("127.0.0.1:5000"), opened when needed; use one Client for each thread.

    A connection that the server closed while idle is opened again; a request is never sent twice.
    """

    def __init__(self, address: str, *, context: ssl.SSLContext | None = None, timeout: float = 60) -> None:
        self.address = address
        self._context = context
        self._timeout = timeout
        self._connection: http.client.HTTPConnection | None = None

    def request(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | Sequence[tuple[str, str]] = {},
        body: bytes | Iterable[bytes] | None = None,
    ) -> Response:
        """Send one request and read the whole answer.

        Bytes go out with Content-Length (an empty body of POST, PUT and PATCH too), any other iterable chunked. Headers
        may be pairs, where one name has to come twice.
        """
        connection = self._connected()
        pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        try:
            self._send(connection, method, path, pairs, body)
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:
            self.close()
            raise
        if answer.will_close:
            self.close()
        return Response(method, path, answer.status, answer.headers, content)

    @staticmethod
    def _send(
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        pairs: Sequence[tuple[str, str]],
        body: bytes | Iterable[bytes] | None,
    ) -> None:
        given = {name.lower() for name, _ in pairs}
        chunked = body is not None and not isinstance(body, bytes | bytearray | memoryview)
        connection.putrequest(method, path, skip_host="host" in given, skip_accept_encoding=True)
        for name, value in pairs:
            connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif "content-length" not in given and (body is not None or method in ("POST", "PUT", "PATCH")):
            connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body, encode_chunked=chunked)

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is not None and self._was_closed():
            self.close()
        if self._connection is None:
            host, _, port = self.address.rpartition(":")
            self._connection = self._new(host.strip("[]"), int(port))
            self._connection.connect()
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._connection

    def _new(self, host: str, port: int) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(host, port, timeout=self._timeout, context=self._context)
        return http.client.HTTPConnection(host, port, timeout=self._timeout)

    def _was_closed(self) -> bool:
        # A server that speaks on an idle connection has ended it.
        assert self._connection is not None
        sock = self._connection.sock
        return sock is None or bool(select.select([sock], [], [], 0)[0])

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, headers: Mapping[str, str] = {}) -> Response:
        return self.request("GET", path, headers)

    def head(self, path: str, headers: Mapping[str, str] = {}) -> Response:
        return self.request("HEAD", path, headers)

    def delete(self, path: str, headers: Mapping[str, str] = {}) -> Response:
        return self.request("DELETE", path, headers)

    def start_upload(self, repository: str) -> str:
        """Open an upload session; the location to send bytes to."""
        return self.request("POST", f"/v2/{repository}/blobs/uploads/").expect(202).location

    def push_blob(self, repository: str, data: bytes, algorithm: str = "sha256") -> str:
        """POST, then PUT with the bytes; the digest."""
        digest = digest_of(data, algorithm)
        location = self.start_upload(repository)
        self.request("PUT", with_query(location, digest=digest), {"Content-Type": OCTETS}, data).expect(201)
        return digest

    def push_manifest(
        self, repository: str, reference: str, document: Mapping[str, Any] | bytes, media_type: str | None = None
    ) -> str:
        """PUT a manifest under a tag or digest; the digest of what was sent.

        The type defaults to the document's own.
        """
        data = document if isinstance(document, bytes) else json.dumps(document).encode()
        if media_type is None:
            media_type = json.loads(data).get("mediaType", OCI_MANIFEST)
        path = f"/v2/{repository}/manifests/{reference}"
        self.request("PUT", path, {"Content-Type": media_type}, data).expect(201)
        return digest_of(data)

    def push_image(self, repository: str, tag: str, layers: Sequence[bytes] = (b"layer",), **more: Any) -> str:
        """Push the layers, a config naming them and an OCI manifest (with the fields `more`); the manifest's digest."""
        config = image_config(layers)
        for data in [*layers, config]:
            self.push_blob(repository, data)
        return self.push_manifest(repository, tag, image_manifest(config, layers, **more), OCI_MANIFEST)

    def push_index(self, repository: str, reference: str, digests: Sequence[str], **more: Any) -> str:
        """Push an OCI index over manifests that the repository already has; its digest."""
        children = []
        for digest in digests:
            found = self.pull_manifest(repository, digest)
            children.append(descriptor(found.body, found.headers["Content-Type"]))
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children, **more}
        return self.push_manifest(repository, reference, document, OCI_INDEX)

    def pull_manifest(self, repository: str, reference: str) -> Response:
        """GET a manifest, whatever its type; a reference that is a digest is verified."""
        accept = ", ".join([OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST])
        found = self.get(f"/v2/{repository}/manifests/{reference}", {"Accept": accept}).expect(200)
        if ":" in reference:
            verify(found.body, reference)
        return found

    def pull_blob(self, repository: str, digest: str) -> bytes:
        """GET a blob and verify its bytes."""
        data = self.get(f"/v2/{repository}/blobs/{digest}").expect(200).body
        verify(data, digest)
        return data

    def pull_image(self, repository: str, reference: str) -> list[bytes]:
        """Pull a manifest, its config and its layers, all verified; the layers."""
        document = self.pull_manifest(repository, reference).json()
        self.pull_blob(repository, document["config"]["digest"])
        return [self.pull_blob(repository, layer["digest"]) for layer in document["layers"]]


def image_config(layers: Sequence[bytes]) -> bytes:
    """The config of an image with these uncompressed layers."""
    document = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
    }
    return json.dumps(document).encode()


def image_manifest(config: bytes, layers: Sequence[bytes], **more: Any) -> dict[str, Any]:
    """An OCI image manifest over these bytes."""
    return {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(config, OCI_CONFIG),
        "layers": [descriptor(layer, OCI_LAYER) for layer in layers],
        **more,
    }


def with_query(location: str, **parameters: str) -> str:
    """A location with query parameters added as they are; a digest needs no escaping in a query."""
    query = "&".join(f"{name}={value}" for name, value in parameters.items())
    return f"{location}{'&' if '?' in location else '?'}{query}"


def verify(data: bytes, digest: str) -> None:
    """AssertionError unless the bytes have the digest."""
    found = digest_of(data, digest.partition(":")[0])
    if found != digest:
        raise AssertionError(f"{len(data)} bytes have digest {found}, not {digest}")


def raw(address: str, request: bytes, timeout: float = 5) -> bytes:
    """Send bytes as they are; all that comes back until the server closes or is silent for `timeout` seconds."""
    host, _, port = address.rpartition(":")
    received = bytearray()
    with socket.create_connection((host.strip("[]"), int(port)), timeout) as sock:
        try:
            sock.sendall(request)
            while data := sock.recv(65536):
                received += data
        except (TimeoutError, ConnectionError):
            pass
    return bytes(received)
