"""crane: the client of many build pipelines; it sends references on that other clients refuse themselves."""

from __future__ import annotations

import json
import tarfile

import pytest

from tests.clients.content import stored, upload, words
from tests.support.http import OCI_INDEX, digest_of
from tests.support.images import layer_tar, noise, verify_layout


def test_an_image_is_pushed_and_pulled(crane, tmp_path, client, repository, target, layout, image):
    assert crane("push", layout.root, f"{target}:v1") == f"{target}@{image['digest']}"
    assert stored(client, repository, "v1") == layout.digests()
    crane("pull", "--format", "oci", f"{target}:v1", tmp_path / "pulled")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


def test_an_index_is_pushed_pulled_and_validated(crane, tmp_path, client, repository, target, layout, index):
    crane("push", "--index", layout.root, f"{target}:v1")
    # crane pushes index.json itself as the index; it holds ours.
    assert stored(client, repository, "v1") > layout.digests()
    crane("pull", "--format", "oci", f"{target}@{index['digest']}", tmp_path / "pulled")
    assert verify_layout(tmp_path / "pulled") == layout.digests()
    crane("validate", "--remote", f"{target}@{index['digest']}")


def test_manifest_config_and_digest_are_the_pushed_bytes(crane, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    manifest = layout.read(image["digest"])
    assert crane.output("manifest", f"{target}:v1") == manifest
    assert crane.output("config", f"{target}:v1") == layout.read(json.loads(manifest)["config"]["digest"])
    assert crane("digest", f"{target}:v1") == image["digest"]


def test_a_blob_is_read_as_it_is(crane, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    digest = json.loads(layout.read(image["digest"]))["layers"][1]["digest"]
    assert crane.output("blob", f"{target}@{digest}") == layout.read(digest)


def test_the_filesystem_is_exported(crane, tmp_path, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    crane("export", f"{target}:v1", tmp_path / "files.tar")
    with tarfile.open(tmp_path / "files.tar") as archive:
        assert sorted(archive.getnames()) == ["hello", "second"]


def test_an_index_is_copied_by_digest_and_its_layers_are_mounted(crane, proxy, client, repository, layout, index):
    upload(client, layout, repository, "v1", index)
    name = f"{proxy.address}/{repository}"
    crane("copy", f"{name}@{index['digest']}", f"{name}/copy:v1")
    assert proxy.sent < 20_000, "the layers alone have 70 kB"
    assert client.pull_manifest(f"{repository}/copy", "v1").body == layout.read(index["digest"])
    assert stored(client, f"{repository}/copy", "v1") == layout.digests()


def test_an_index_is_built_from_images(crane, client, repository, target, layout, layers):
    children = [layout.image([layer], name) for layer, name in zip(layers, ("amd64", "arm64"), strict=True)]
    names = [f"{target}@{upload(client, layout, repository, child['digest'], child)}" for child in children]
    crane("index", "append", "--manifest", ",".join(names), "--tag", f"{target}:all")
    found = client.pull_manifest(repository, "all")
    assert found.headers["Content-Type"] == OCI_INDEX
    assert [child["digest"] for child in found.json()["manifests"]] == [child["digest"] for child in children]


def test_a_layer_is_appended_and_labels_are_set(crane, tmp_path, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    (tmp_path / "layer.tar").write_bytes(layer_tar({"third": noise(5_000, 41)}))
    crane("append", "--base", f"{target}:v1", "--new_layer", tmp_path / "layer.tar", "--new_tag", f"{target}:v2")
    crane("mutate", f"{target}:v2", "--label", "stage=test", "--tag", f"{target}:v3")
    manifest = client.pull_manifest(repository, "v3").json()
    config = json.loads(client.pull_blob(repository, manifest["config"]["digest"]))
    assert (len(manifest["layers"]), config["config"]["Labels"]) == (3, {"stage": "test"})
    crane("validate", "--remote", f"{target}:v3")


def test_tags_and_catalog_are_listed(crane, registry, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    for tag in ("v10", "v2", "Alpha"):
        crane("tag", f"{target}:v1", tag)
    assert crane("ls", target).split() == ["Alpha", "v1", "v10", "v2"]
    assert repository in crane("catalog", registry.address).split()


def test_a_tag_is_deleted_and_the_image_stays(crane, client, repository, target, layout, image):
    for tag in ("v1", "v2"):
        upload(client, layout, repository, tag, image)
    crane("delete", f"{target}:v1")
    assert crane("ls", target) == "v2"
    assert stored(client, repository, "v2") == layout.digests()


def test_a_manifest_is_deleted_with_its_tags(crane, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    crane("delete", f"{target}@{image['digest']}")
    assert "MANIFEST_UNKNOWN" in crane.refused("manifest", f"{target}@{image['digest']}")
    assert crane("ls", target) == ""


@pytest.mark.parametrize("name", ["crane-single", "a/very/deep/name/with/many/segments/and/then/one/more"])
def test_names_of_any_depth(crane, registry, client, layout, image, name):
    crane("push", layout.root, f"{registry.address}/{name}:v1")
    assert stored(client, name, "v1") == layout.digests()


def test_zstd_and_uncompressed_layers(crane, tmp_path, client, repository, target, layout, layers):
    for compression in ("zstd", ""):
        upload(client, layout, repository, f"v-{compression}", layout.image(layers, compression=compression))
        crane("pull", "--format", "oci", f"{target}:v-{compression}", tmp_path / f"pulled-{compression}")
        assert verify_layout(tmp_path / f"pulled-{compression}") == stored(client, repository, f"v-{compression}")


@pytest.mark.parametrize("name", ["-leading-dash", "double//slash", "trailing-", "three...dots", "_private"])
def test_an_invalid_name_is_explained(crane, registry, client, layout, image, name):
    printed = crane.refused("push", layout.root, f"{registry.address}/{name}:v1")
    assert "NAME_INVALID" in printed
    assert words(client, f"/v2/{name}/tags/list") in printed


def test_a_missing_manifest_is_explained(crane, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    printed = crane.refused("manifest", f"{target}:missing")
    assert "MANIFEST_UNKNOWN" in printed
    assert words(client, f"/v2/{repository}/manifests/missing") in printed


def test_a_missing_blob_is_explained(crane, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    digest = digest_of(b"never pushed")
    printed = crane.refused("blob", f"{target}@{digest}")
    assert "BLOB_UNKNOWN" in printed
    assert words(client, f"/v2/{repository}/blobs/{digest}") in printed
