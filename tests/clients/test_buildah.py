"""buildah: builds images without a daemon, and pushes them from its own store."""

from __future__ import annotations

import json

import pytest

from tests.clients.content import stored, upload, words
from tests.support.http import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, digest_of
from tests.support.images import layer_tar, noise

INSECURE = "--tls-verify=false"


def build(buildah, tmp_path, name) -> str:
    """Commit an image with one file under `name`; its image id."""
    (tmp_path / "data").write_bytes(noise(100_000, 31))
    container = buildah("from", "scratch")
    buildah("copy", container, tmp_path / "data", "/data")
    image_id = buildah("commit", "--quiet", container, name)
    buildah("rm", container)
    return image_id


def pulled_file(buildah, name, path) -> bytes:
    """A file of an image in the store."""
    container = buildah("from", "--pull-never", name)
    root = buildah("mount", container)
    try:
        with open(f"{root}/{path}", "rb") as data:
            return data.read()
    finally:
        buildah("rm", container)


@pytest.mark.parametrize("kind, media_type", [("oci", OCI_MANIFEST), ("v2s2", DOCKER_MANIFEST)])
def test_a_built_image_is_pushed_and_pulled(
    buildah, another_buildah, tmp_path, client, repository, target, kind, media_type
):
    build(buildah, tmp_path, f"{target}:v1")
    buildah(
        "push", INSECURE, "--format", kind, "--digestfile", tmp_path / "digest", f"{target}:v1", f"docker://{target}:v1"
    )
    found = client.pull_manifest(repository, "v1")
    assert found.headers["Content-Type"] == media_type
    assert found.headers["Docker-Content-Digest"] == (tmp_path / "digest").read_text()
    stored(client, repository, "v1")
    another_buildah("pull", INSECURE, f"{target}:v1")
    assert digest_of(pulled_file(another_buildah, f"{target}:v1", "data")) == digest_of(
        (tmp_path / "data").read_bytes()
    )


def test_a_build_starts_from_an_image_of_the_registry(buildah, tmp_path, client, repository, target, layout, image):
    upload(client, layout, repository, "base", image)
    (tmp_path / "Containerfile").write_text(f"FROM {target}@{image['digest']}\nCOPY Containerfile /\nLABEL built=yes\n")
    buildah("build", INSECURE, "--tag", f"{target}:built", tmp_path)
    buildah("push", INSECURE, f"{target}:built")
    manifest = client.pull_manifest(repository, "built").json()
    assert len(manifest["layers"]) == 3
    stored(client, repository, "built")


def test_an_index_is_pushed_with_everything(buildah, client, repository, target, layout, layers):
    children = {name: layout.image([*layers, layer_tar({name: b""})], name) for name in ("amd64", "arm64")}
    for name, child in children.items():
        upload(client, layout, repository, name, child)
    buildah("manifest", "create", "all")
    for name in children:
        buildah("manifest", "add", INSECURE, "all", f"docker://{target}:{name}")
    buildah("manifest", "push", INSECURE, "--all", "--format", "oci", "all", f"docker://{target}/copy:all")
    found = client.pull_manifest(f"{repository}/copy", "all")
    assert found.headers["Content-Type"] == OCI_INDEX
    assert {child["digest"] for child in found.json()["manifests"]} == {child["digest"] for child in children.values()}
    assert stored(client, f"{repository}/copy", "all") >= layout.digests()


def test_one_platform_of_an_index_is_pulled(buildah, client, repository, target, layout, index):
    upload(client, layout, repository, "v1", index)
    image_id = buildah("pull", INSECURE, "--arch", "arm64", f"{target}:v1")
    shown = json.loads(buildah("inspect", "--type", "image", image_id))
    assert shown["OCIv1"]["architecture"] == "arm64"
    assert f"sha256:{image_id}" in layout.digests()


def test_a_missing_image_is_explained(buildah, client, repository, target):
    message = words(client, f"/v2/{repository}/manifests/v1")
    assert message in buildah.refused("pull", INSECURE, f"{target}:v1")
