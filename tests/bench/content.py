"""What is pushed: random bytes, never the same twice, so that no server can answer from what it already has."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

MIB = 1 << 20
IMAGE = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
FRAME = 32 * 1024  # docker's PATCH has no length; Go's transport writes a chunk for each 32 KiB that it copies
TAIL = 32


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Image(NamedTuple):
    """A small image: its layers, its config and its manifest, as bytes."""

    layers: list[bytes]
    config: bytes
    manifest: bytes


def image(layers: int = 3, size: int = 20_000, below: Sequence[bytes] = ()) -> Image:
    """below: layers that another image has too."""
    blobs = [*below, *(os.urandom(size) for _ in range(layers))]
    history = [{"created_by": "bench"} for _ in blobs]
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "history": history,
            "rootfs": {"type": "layers", "diff_ids": [digest(blob) for blob in blobs]},
        }
    ).encode()
    return Image(blobs, config, manifest(config, blobs))


def manifest(config: bytes, layers: list[bytes], **annotations: str) -> bytes:
    document = {
        "schemaVersion": 2,
        "mediaType": IMAGE,
        "config": descriptor(CONFIG, config),
        "layers": [descriptor(LAYER, blob) for blob in layers],
    }
    return json.dumps({**document, "annotations": annotations} if annotations else document).encode()


def descriptor(media_type: str, data: bytes) -> dict:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


class Reservoir:
    """Random bytes in two files, plain and already framed as chunks, that large bodies are sent from by sendfile.

    Both stay in the page cache, so the client costs what the kernel's copy costs, with and without a Content-Length.
    """

    def __init__(self, directory: Path, size: int):
        if size % FRAME:
            raise ValueError(f"{size} is not a multiple of {FRAME}")
        self.size = size
        self._hash = hashlib.sha256()
        plain, framed = directory / "plain", directory / "framed"
        with plain.open("wb") as out, framed.open("wb") as chunks:
            for _ in range(size // FRAME):
                block = os.urandom(FRAME)
                self._hash.update(block)
                out.write(block)
                chunks.write(frame(block))
        self._plain = plain.open("rb")
        self._framed = framed.open("rb")

    def close(self) -> None:
        for each in (self._plain, self._framed):
            each.close()
            os.unlink(each.name)

    def blob(self, times: int = 1) -> Blob:
        """A new blob: the reservoir, times over, and a random tail.

        Only the last block of its digest is computed anew when times is 1.
        """
        state = self._hash.copy()
        for _ in range(times - 1):
            self._hash_again(state)
        tail = os.urandom(TAIL)
        state.update(tail)
        return Blob(self, times, tail, "sha256:" + state.hexdigest())

    def _hash_again(self, state) -> None:
        self._plain.seek(0)
        while block := self._plain.read(4 * MIB):
            state.update(block)

    def send(self, connection: socket.socket, start: int, stop: int) -> None:
        """The bytes start to stop, where positions beyond the end begin again at 0."""
        while start < stop:
            offset = start % self.size
            start += transmit(connection, self._plain.fileno(), offset, min(stop - start, self.size - offset))

    def send_framed(self, connection: socket.socket) -> None:
        size = os.fstat(self._framed.fileno()).st_size
        sent = 0
        while sent < size:
            sent += transmit(connection, self._framed.fileno(), sent, size - sent)


class Blob(NamedTuple):
    """A large blob whose content is taken from a reservoir."""

    source: Reservoir
    times: int
    tail: bytes
    digest: str

    @property
    def size(self) -> int:
        return self.source.size * self.times + len(self.tail)

    def send(self, connection: socket.socket, start: int = 0, stop: int | None = None) -> None:
        """The bytes start to stop as they are; the socket must be a blocking one."""
        stop = self.size if stop is None else stop
        body_end = self.size - len(self.tail)
        self.source.send(connection, start, min(stop, body_end))
        if stop > body_end:
            connection.sendall(self.tail[max(0, start - body_end) : stop - body_end])

    def send_chunked(self, connection: socket.socket) -> None:
        """The whole blob in chunked transfer encoding."""
        for _ in range(self.times):
            self.source.send_framed(connection)
        connection.sendall(frame(self.tail) + b"0\r\n\r\n")

    def parts(self, size: int) -> Iterator[tuple[int, int]]:
        for start in range(0, self.size, size):
            yield start, min(start + size, self.size)


def transmit(connection: socket.socket, file: int, offset: int, count: int) -> int:
    """Send at most count bytes of the file in the cheapest way that there is; returns how many."""
    if not isinstance(connection, ssl.SSLSocket):
        return os.sendfile(connection.fileno(), file, offset, count)
    data = os.pread(file, min(count, MIB), offset)
    connection.sendall(data)
    return len(data)


def frame(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)
