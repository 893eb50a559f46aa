"""Images, indexes and archives made from nothing, so that no test pulls one from outside.

Everything is deterministic: the same arguments give the same digests.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.http import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_LAYER_GZIP,
    OCI_MANIFEST,
    descriptor,
    digest_of,
)

OCI_LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
REFERENCE_NAME = "org.opencontainers.image.ref.name"
EPOCH = "1970-01-01T00:00:00Z"
ZSTD_MAGIC = 0xFD2FB528
ZSTD_BLOCK = 128 * 1024


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes that no compression makes smaller."""
    return random.Random(seed).randbytes(size)


def layer_tar(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed layer with these files, owned by root and without times."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def gzipped(data: bytes) -> bytes:
    """A gzip stream without a time stamp."""
    return gzip.compress(data, compresslevel=1, mtime=0)


def zstandard(data: bytes) -> bytes:
    """A zstd frame of stored blocks (RFC 8878, 3.1.1): valid for every reader, and needs no compressor."""
    # 0xA0: one segment, so no window; the content size follows in four bytes.
    frame = bytearray(ZSTD_MAGIC.to_bytes(4, "little") + b"\xa0" + len(data).to_bytes(4, "little"))
    blocks = [data[start : start + ZSTD_BLOCK] for start in range(0, len(data), ZSTD_BLOCK)] or [b""]
    for number, block in enumerate(blocks, 1):
        last = number == len(blocks)
        frame += (len(block) << 3 | last).to_bytes(3, "little") + block
    return bytes(frame)


@dataclass(frozen=True)
class Family:
    """The media types that go together in one image."""

    manifest: str
    index: str
    config: str
    layer: str
    layer_gzip: str
    layer_zstd: str


OCI = Family(OCI_MANIFEST, OCI_INDEX, OCI_CONFIG, OCI_LAYER, OCI_LAYER_GZIP, OCI_LAYER_ZSTD)
# Docker's schema 2 knows gzip only; a bare tar has a type that clients read and nobody writes.
DOCKER = Family(DOCKER_MANIFEST, DOCKER_LIST, DOCKER_CONFIG, DOCKER_LAYER.removesuffix(".gzip"), DOCKER_LAYER, "")


class Layout:
    """An OCI image layout (image-spec, image-layout.md) that is being written below `root`."""

    def __init__(self, root: Path, family: Family = OCI) -> None:
        self.root = root
        self.family = family
        self._tagged: list[dict[str, Any]] = []
        (root / "blobs" / "sha256").mkdir(parents=True)
        (root / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def add(self, data: bytes, media_type: str, **more: Any) -> dict[str, Any]:
        """Store a blob; its descriptor."""
        algorithm, _, encoded = digest_of(data).partition(":")
        (self.root / "blobs" / algorithm / encoded).write_bytes(data)
        return descriptor(data, media_type, **more)

    def image(
        self, layers: Sequence[bytes], architecture: str = "amd64", compression: str = "gzip", **more: Any
    ) -> dict[str, Any]:
        """Store an image over uncompressed layers; the descriptor of its manifest, with its platform.

        `compression` is gzip, zstd or empty; `more` are further fields of the manifest.
        """
        config = self.add(image_config(layers, architecture), self.family.config)
        document = {
            "schemaVersion": 2,
            "mediaType": self.family.manifest,
            "config": config,
            "layers": [self._layer(layer, compression) for layer in layers],
            **more,
        }
        platform = {"architecture": architecture, "os": "linux"}
        return self.add(json.dumps(document).encode(), self.family.manifest, platform=platform)

    def _layer(self, data: bytes, compression: str) -> dict[str, Any]:
        if compression == "gzip":
            return self.add(gzipped(data), self.family.layer_gzip)
        if compression == "zstd":
            return self.add(zstandard(data), self.family.layer_zstd)
        return self.add(data, self.family.layer)

    def index(self, children: Sequence[Mapping[str, Any]], **more: Any) -> dict[str, Any]:
        """Store an index (a manifest list in docker's family) of these descriptors; its own descriptor."""
        document = {"schemaVersion": 2, "mediaType": self.family.index, "manifests": list(children), **more}
        return self.add(json.dumps(document).encode(), self.family.index)

    def tag(self, name: str, target: Mapping[str, Any]) -> str:
        """Name a manifest or index in index.json; its digest."""
        self._tagged.append({**target, "annotations": {REFERENCE_NAME: name}})
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": self._tagged}
        (self.root / "index.json").write_text(json.dumps(document))
        return target["digest"]

    def read(self, digest: str) -> bytes:
        """The bytes of a blob that was added."""
        algorithm, _, encoded = digest.partition(":")
        return (self.root / "blobs" / algorithm / encoded).read_bytes()

    def digests(self) -> set[str]:
        """Everything that was added."""
        return {f"sha256:{path.name}" for path in (self.root / "blobs" / "sha256").iterdir()}

    def archive(self, path: Path) -> Path:
        """Write the layout as a tar file."""
        with tarfile.open(path, "w") as archive:
            for name in ("oci-layout", "index.json", "blobs"):
                archive.add(self.root / name, name)
        return path


def image_config(layers: Sequence[bytes], architecture: str = "amd64") -> bytes:
    """The config of an image with these uncompressed layers; with history, which docker wants for each layer."""
    document = {
        "created": EPOCH,
        "architecture": architecture,
        "os": "linux",
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        "history": [{"created": EPOCH, "created_by": f"layer {number}"} for number, _ in enumerate(layers)],
    }
    return json.dumps(document).encode()


def docker_archive(path: Path, name: str, layers: Sequence[bytes]) -> str:
    """Write what `docker load` reads: an image called `name`; its image id (the digest of its config)."""
    config = image_config(layers)
    image_id = digest_of(config)
    config_name = image_id.removeprefix("sha256:") + ".json"
    files = {f"{number}/layer.tar": layer for number, layer in enumerate(layers)}
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": list(files)}]
    path.write_bytes(layer_tar({**files, config_name: config, "manifest.json": json.dumps(manifest).encode()}))
    return image_id


def sparse_file(path: Path, size: int, mark: int = 64 * 1024 * 1024) -> str:
    """Write `size` bytes that are zeros but for a counter every `mark` bytes, as holes where the disk can; the sha256
    digest.
    """
    with open(path, "wb") as out:
        out.truncate(size)
        for offset in range(0, size - 8, mark):
            out.seek(offset)
            out.write((offset + 1).to_bytes(8, "big"))
    with open(path, "rb") as data:
        return "sha256:" + hashlib.file_digest(data, "sha256").hexdigest()


def verify_layout(root: Path) -> set[str]:
    """Read an OCI layout from its index.json down, checking size and digest of each thing; every digest that was seen.

    Raises AssertionError for what is missing or is not what its descriptor says.
    """
    index = json.loads((root / "index.json").read_bytes())
    return {digest for child in index["manifests"] for digest in _verified(root, child)}


def _verified(root: Path, found: Mapping[str, Any]) -> Iterator[str]:
    digest = found["digest"]
    algorithm, _, encoded = digest.partition(":")
    path = root / "blobs" / algorithm / encoded
    assert path.is_file(), f"{root} has no {digest} ({found['mediaType']})"
    assert path.stat().st_size == found["size"], f"{digest} is {path.stat().st_size} bytes, not {found['size']}"
    with open(path, "rb") as data:
        assert hashlib.file_digest(data, algorithm).hexdigest() == encoded, f"{digest} holds other bytes"
    yield digest
    if found["mediaType"] in (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST):
        document = json.loads(path.read_bytes())
        config = [document["config"]] if "config" in document else []
        for child in [*config, *document.get("layers", []), *document.get("manifests", [])]:
            yield from _verified(root, child)
