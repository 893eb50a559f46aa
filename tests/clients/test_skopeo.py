"""skopeo: copies images between places without a store, and keeps or converts their bytes."""

from __future__ import annotations

import json

import pytest

from tests.clients.content import stored, upload, words
from tests.support.http import DOCKER_MANIFEST, OCI_MANIFEST
from tests.support.images import DOCKER, OCI, Layout, verify_layout

TO = "--dest-tls-verify=false"
FROM = "--src-tls-verify=false"
INSECURE = "--tls-verify=false"
BOTH = (FROM, TO)


@pytest.mark.parametrize("family", [OCI, DOCKER], ids=["oci", "docker"])
def test_an_image_goes_out_as_it_came_in(skopeo, tmp_path, client, repository, target, layers, family):
    layout = Layout(tmp_path / "layout", family)
    image = layout.image(layers)
    upload(client, layout, repository, "v1", image)
    # The dir format keeps the manifest in the format that it has.
    skopeo("copy", FROM, "--preserve-digests", f"docker://{target}:v1", f"dir:{tmp_path}/pulled")
    skopeo("copy", TO, "--preserve-digests", f"dir:{tmp_path}/pulled", f"docker://{target}/copy:v1")
    found = client.pull_manifest(f"{repository}/copy", "v1")
    assert (found.body, found.headers["Content-Type"]) == (layout.read(image["digest"]), family.manifest)
    assert stored(client, f"{repository}/copy", "v1") == layout.digests()


def test_a_layout_is_pushed_and_pulled(skopeo, tmp_path, client, repository, target, layout, image):
    skopeo("copy", TO, f"oci:{layout.root}:v1", f"docker://{target}:v1")
    assert stored(client, repository, "v1") == layout.digests()
    skopeo("copy", FROM, f"docker://{target}:v1", f"oci:{tmp_path}/pulled:v1")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


def test_an_index_with_all_platforms_is_pushed_and_pulled(skopeo, tmp_path, client, repository, target, layout, index):
    skopeo("copy", TO, "--all", "--preserve-digests", f"oci:{layout.root}:v1", f"docker://{target}:v1")
    assert client.pull_manifest(repository, "v1").body == layout.read(index["digest"])
    assert stored(client, repository, "v1") == layout.digests()
    skopeo("copy", FROM, "--all", f"docker://{target}:v1", f"oci:{tmp_path}/pulled:v1")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


@pytest.mark.parametrize("kind, media_type", [("v2s2", DOCKER_MANIFEST), ("oci", OCI_MANIFEST)])
def test_formats_are_converted_on_the_way_in(skopeo, client, repository, target, layout, image, kind, media_type):
    skopeo("copy", TO, "--format", kind, f"oci:{layout.root}:v1", f"docker://{target}:v1")
    assert client.pull_manifest(repository, "v1").headers["Content-Type"] == media_type
    assert (
        skopeo.output("inspect", INSECURE, "--raw", f"docker://{target}:v1")
        == client.pull_manifest(repository, "v1").body
    )


def test_layers_are_compressed_with_zstd(skopeo, client, repository, target, layout, layers):
    layout.tag("v1", layout.image(layers, compression=""))
    skopeo("copy", TO, "--dest-compress-format", "zstd", f"oci:{layout.root}:v1", f"docker://{target}:v1")
    types = {layer["mediaType"] for layer in client.pull_manifest(repository, "v1").json()["layers"]}
    assert types == {OCI.layer_zstd}
    stored(client, repository, "v1")


def test_an_image_is_copied_by_digest_between_repositories(skopeo, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    skopeo("copy", *BOTH, f"docker://{target}@{image['digest']}", f"docker://{target}/copy@{image['digest']}")
    assert stored(client, f"{repository}/copy", image["digest"]) == layout.digests()
    assert client.get(f"/v2/{repository}/copy/tags/list").expect(200).json()["tags"] == []


def test_a_copy_of_known_layers_is_mounted(skopeo, proxy, client, repository, layout, image):
    name = f"docker://{proxy.address}/{repository}"
    skopeo("copy", TO, f"oci:{layout.root}:v1", f"{name}:v1")
    sent, proxy.sent = proxy.sent, 0
    skopeo("copy", *BOTH, f"{name}:v1", f"{name}/copy:v1")
    # Both layers together have 70 kB; questions and documents have less than ten.
    assert proxy.sent < 10_000 < sent
    assert stored(client, f"{repository}/copy", "v1") == layout.digests()


def test_inspect_and_list_tags(skopeo, client, repository, target, layout, image):
    for tag in ("v1", "v2", "V1"):
        upload(client, layout, repository, tag, image)
    shown = json.loads(skopeo("inspect", INSECURE, f"docker://{target}:v2"))
    assert (shown["Digest"], shown["Architecture"]) == (image["digest"], "amd64")
    assert set(shown["Layers"]) < layout.digests()
    assert sorted(json.loads(skopeo("list-tags", INSECURE, f"docker://{target}"))["Tags"]) == ["V1", "v1", "v2"]


def test_an_image_is_deleted(skopeo, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    skopeo("delete", INSECURE, f"docker://{target}:v1")
    client.get(f"/v2/{repository}/manifests/{image['digest']}").expect(404)
    assert client.get(f"/v2/{repository}/manifests/v1").expect(404).code() == "MANIFEST_UNKNOWN"


def test_a_repository_is_synchronised_to_a_directory(skopeo, tmp_path, client, repository, target, layout, image):
    for tag in ("v1", "v2"):
        upload(client, layout, repository, tag, image)
    skopeo("sync", FROM, "--src", "docker", "--dest", "dir", target, tmp_path / "mirror")
    assert sorted(path.name for path in (tmp_path / "mirror").rglob("*:v?")) == [
        f"{repository.rpartition('/')[2]}:{tag}" for tag in ("v1", "v2")
    ]


def test_a_missing_tag_is_explained(skopeo, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    message = words(client, f"/v2/{repository}/manifests/missing")
    assert message in skopeo.refused("inspect", INSECURE, f"docker://{target}:missing")


def test_a_missing_repository_is_explained(skopeo, tmp_path, client, repository, target):
    message = words(client, f"/v2/{repository}/manifests/v1")
    assert message in skopeo.refused("copy", FROM, f"docker://{target}:v1", f"dir:{tmp_path}/pulled")
