"""A layer of 1 GiB goes in and out whole, and the registry's memory does not grow with it."""

from __future__ import annotations

import json
import os
import shutil
import threading

import pytest

from tests.support.http import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST
from tests.support.images import Layout, image_config, sparse_file, verify_layout

GIB = 1 << 30
# The bar for an upload of any size, over what the idle process tree has.
GROWTH = 64 << 20


class PeakMemory:
    """Samples the memory of the registry's process tree while the block runs; `growth` is the peak over the start, in
    bytes.
    """

    def __init__(self, registry) -> None:
        self._registry = registry
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._start = self._peak = 0

    def _sample(self) -> None:
        while not self._ended.wait(0.05):
            self._peak = max(self._peak, self._registry.pss())

    @property
    def growth(self) -> int:
        return self._peak - self._start

    def __enter__(self) -> PeakMemory:
        self._start = self._peak = self._registry.pss()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


@pytest.fixture
def large(tmp_path):
    """A layout whose image has one uncompressed layer of 1 GiB; the layout and the image's descriptor."""
    layout = Layout(tmp_path / "large")
    digest = sparse_file(tmp_path / "layer", GIB)
    os.rename(tmp_path / "layer", layout.root / "blobs" / "sha256" / digest.partition(":")[2])
    config = json.loads(image_config([]))
    config["rootfs"]["diff_ids"] = [digest]
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": layout.add(json.dumps(config).encode(), OCI_CONFIG),
        "layers": [{"mediaType": OCI_LAYER, "digest": digest, "size": GIB}],
    }
    found = layout.add(json.dumps(manifest).encode(), OCI_MANIFEST)
    layout.tag("v1", found)
    yield layout, found
    shutil.rmtree(layout.root)


@pytest.mark.slow
def test_a_layer_of_a_gibibyte(crane, tmp_path, registry, client, repository, target, large):
    layout, image = large
    client.get("/v2/").expect(200)
    with PeakMemory(registry) as pushing:
        crane("push", layout.root, f"{target}:v1")
    with PeakMemory(registry) as pulling:
        crane("pull", "--format", "oci", f"{target}:v1", tmp_path / "pulled")
    assert verify_layout(tmp_path / "pulled") == layout.digests()
    shutil.rmtree(tmp_path / "pulled")
    assert pushing.growth <= GROWTH, f"the push added {pushing.growth >> 20} MiB"
    assert pulling.growth <= GROWTH, f"the pull added {pulling.growth >> 20} MiB"
