"""Each client over a registry whose blobs are in an object store: by signed URLs of S3 and of Swift, and through the
registry.

The layers are longer than what lies in the database, and one needs several parts.
"""

from __future__ import annotations

import json
import zlib

import pytest

from tests.clients.programs import forget_images
from tests.support import object_stores, swift
from tests.support.images import docker_archive, layer_tar, noise, verify_layout
from tests.support.server import Registry

pytestmark = pytest.mark.edge
INSECURE = "--tls-verify=false"
SKOPEO = ("--src-tls-verify=false", "--dest-tls-verify=false")


@pytest.fixture(scope="module", params=["by the store", "by the registry", "by Swift"])
def registry(request, tmp_path_factory):
    redirects = request.param != "by the registry"
    store = swift.shared() if request.param == "by Swift" else object_stores.shared("versitygw")
    settings = {**store.settings(store.make()), "storage_redirect": redirects}
    with Registry(tmp_path_factory.mktemp("objects") / "data", auth_anonymous="push", **settings) as running:
        yield running
    answers = [line for line in running.log.read_text().splitlines() if '"GET /v2/' in line and "/blobs/" in line]
    assert any(" 307 " in line for line in answers) == redirects


@pytest.fixture
def layers(request):
    seed = zlib.crc32(request.node.nodeid.encode())
    return [layer_tar({"short": noise(100_000, seed)}), layer_tar({"long": noise(9_000_000, seed + 1)})]


def test_docker(docker, tmp_path, target, layers):
    image_id = docker_archive(tmp_path / "image.tar", f"{target}:v1", layers)
    docker("load", "--input", tmp_path / "image.tar")
    docker("push", f"{target}:v1")
    forget_images(docker)
    docker("pull", f"{target}:v1")
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{target}:v1") == image_id


def test_podman(podman, another_podman, tmp_path, target, layout, image):
    podman("load", "--quiet", "--input", layout.archive(tmp_path / "image.tar"))
    [image_id] = podman("images", "--quiet", "--no-trunc").split()
    podman("tag", image_id, f"{target}:v1")
    podman("push", INSECURE, f"{target}:v1")
    another_podman("pull", INSECURE, f"{target}:v1")
    assert json.loads(another_podman("image", "inspect", f"{target}:v1"))[0]["Id"] == image_id.removeprefix("sha256:")


def test_skopeo(skopeo, tmp_path, target, layout, image):
    skopeo("copy", *SKOPEO, f"oci:{layout.root}:v1", f"docker://{target}:v1")
    skopeo("copy", *SKOPEO, f"docker://{target}:v1", f"oci:{tmp_path / 'pulled'}:v1")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


def test_crane(crane, tmp_path, target, layout, image):
    crane("push", layout.root, f"{target}:v1")
    crane("validate", "--remote", f"{target}:v1")
    crane("pull", "--format", "oci", f"{target}:v1", tmp_path / "pulled")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


def test_regctl(regctl, tmp_path, target, layout, image):
    regctl("image", "copy", f"ocidir://{layout.root}:v1", f"{target}:v1")
    regctl("image", "copy", f"{target}:v1", f"ocidir://{tmp_path / 'pulled'}:v1")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


def test_oras(oras, client, repository, tmp_path, target):
    content = noise(20_000_000, 77)
    (tmp_path / "artifact").write_bytes(content)
    oras("push", "--plain-http", "--disable-path-validation", f"{target}:v1", f"{tmp_path}/artifact")
    layer = client.pull_manifest(repository, "v1").json()["layers"][0]["digest"]
    assert oras.output("blob", "fetch", "--plain-http", "--output", "-", f"{target}@{layer}") == content
