"""regctl: the client that knows most of the specification: artifacts, referrers, sha512, chunked uploads."""

from __future__ import annotations

import json

import pytest

from tests.clients.content import stored, upload, words
from tests.support.http import OCI_INDEX, digest_of
from tests.support.images import DOCKER, OCI, Layout, layer_tar, noise, verify_layout

SBOM = "application/spdx+json"


@pytest.mark.parametrize("family", [OCI, DOCKER], ids=["oci", "docker"])
def test_an_index_is_copied_in_and_out(regctl, tmp_path, client, repository, target, layers, family):
    layout = Layout(tmp_path / "in", family)
    index = layout.index([layout.image([*layers, layer_tar({name: b""})], name) for name in ("amd64", "arm64")])
    layout.tag("v1", index)
    regctl("image", "copy", f"ocidir://{layout.root}:v1", f"{target}:v1")
    assert client.pull_manifest(repository, "v1").headers["Content-Type"] == family.index
    assert stored(client, repository, "v1") == layout.digests()
    regctl("image", "copy", f"{target}:v1", f"ocidir://{tmp_path}/out:v1")
    assert verify_layout(tmp_path / "out") == layout.digests()


def test_export_and_import(regctl, tmp_path, client, repository, target, layout, index):
    upload(client, layout, repository, "v1", index)
    regctl("image", "export", f"{target}:v1", tmp_path / "image.tar")
    regctl("image", "import", f"{target}/copy:v1", tmp_path / "image.tar")
    assert stored(client, f"{repository}/copy", "v1") == layout.digests()


def test_manifests_are_the_pushed_bytes(regctl, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    assert regctl.output("manifest", "get", "--format", "raw-body", f"{target}:v1") == layout.read(image["digest"])
    assert regctl("manifest", "head", f"{target}:v1") == image["digest"]


def test_a_copy_by_digest_mounts_its_layers(regctl, proxy, client, repository, layout, index):
    upload(client, layout, repository, "v1", index)
    option = ("--host", f"reg={proxy.address},tls=disabled")
    name = f"{proxy.address}/{repository}"
    regctl("image", "copy", *option, f"{name}@{index['digest']}", f"{name}/copy:v1")
    assert proxy.sent < 30_000, "the layers alone have 70 kB"
    assert stored(client, f"{repository}/copy", "v1") == layout.digests()


def test_blobs_are_put_read_copied_and_deleted(regctl, client, repository, target):
    data = noise(30_000, 51)
    digest = regctl("blob", "put", target, input=data)
    assert digest == digest_of(data)
    assert regctl.output("blob", "get", target, digest) == data
    regctl("blob", "copy", target, f"{target}/copy", digest)
    assert client.pull_blob(f"{repository}/copy", digest) == data
    regctl("blob", "delete", f"{target}/copy", digest)
    assert client.head(f"/v2/{repository}/copy/blobs/{digest}").status == 404
    assert client.pull_blob(repository, digest) == data


def test_a_blob_is_put_under_its_sha512(regctl, client, repository, target):
    data = noise(30_000, 52)
    digest = digest_of(data, "sha512")
    assert regctl("blob", "put", "--digest", digest, target, input=data) == digest
    assert regctl.output("blob", "get", target, digest) == data


def test_an_image_under_sha512_goes_both_ways(regctl, client, repository, target, layout, image):
    regctl("image", "copy", f"ocidir://{layout.root}:v1", f"{target}:v1")
    regctl("image", "mod", f"{target}:v1", "--create", f"{target}:sha512", "--digest-algo", "sha512")
    body = regctl.output("manifest", "get", "--format", "raw-body", f"{target}:sha512")
    document = json.loads(body)
    assert {child["digest"].partition(":")[0] for child in [document["config"], *document["layers"]]} == {"sha512"}
    digest = digest_of(body, "sha512")
    regctl("image", "copy", f"{target}@{digest}", f"{target}/copy@{digest}")
    assert stored(client, f"{repository}/copy", digest) == stored(client, repository, digest)


def test_a_large_blob_goes_in_chunks(regctl, proxy, client, repository):
    data = noise(5_000_000, 53)
    digest = put_in_chunks(regctl, proxy, repository, data)
    assert client.pull_blob(repository, digest) == data


def test_an_upload_in_chunks_that_is_cut_goes_on_where_it_was(regctl, proxy, client, repository):
    data = noise(5_000_000, 54)
    proxy.cut_after(2_500_000)
    digest = put_in_chunks(regctl, proxy, repository, data)
    assert proxy.cuts == 1
    assert client.pull_blob(repository, digest) == data
    # A chunk may be sent again, the blob may not.
    assert proxy.sent < len(data) + 1_500_000


def put_in_chunks(regctl, proxy, repository, data) -> str:
    """Send a blob through the proxy in chunks of a million bytes; its digest."""
    host = f"reg={proxy.address},tls=disabled,blobChunk=1000000,blobMax=1000"
    return regctl(
        "blob", "put", "--host", host, "--digest", digest_of(data), f"{proxy.address}/{repository}", input=data
    )


def test_an_index_is_built_and_an_entry_removed(regctl, client, repository, target, layout, layers):
    children = [layout.image([layer], name) for layer, name in zip(layers, ("amd64", "arm64"), strict=True)]
    for child in children:
        upload(client, layout, repository, child["digest"], child)
    names = [option for child in children for option in ("--ref", f"{target}@{child['digest']}")]
    regctl("index", "create", *names, f"{target}:all")
    found = client.pull_manifest(repository, "all")
    assert found.headers["Content-Type"] == OCI_INDEX
    assert [child["digest"] for child in found.json()["manifests"]] == [child["digest"] for child in children]
    regctl("index", "delete", "--digest", children[0]["digest"], f"{target}:all")
    left = client.pull_manifest(repository, "all").json()["manifests"]
    assert [child["digest"] for child in left] == [children[1]["digest"]]


def test_tags_and_repositories_are_listed_in_pages(regctl, registry, client, repository, target, layout, image):
    for tag in ("b", "a", "C", "d"):
        upload(client, layout, repository, tag, image)
    assert regctl("tag", "ls", target).split() == ["C", "a", "b", "d"]
    assert regctl("tag", "ls", "--limit", "2", "--last", "a", target).split() == ["b", "d"]
    assert repository in regctl("repo", "ls", registry.address).split()
    [first] = regctl("repo", "ls", "--limit", "1", "--last", repository[:-1], registry.address).split()
    assert first == repository


def test_a_tag_and_a_manifest_are_deleted(regctl, client, repository, target, layout, image):
    for tag in ("v1", "v2"):
        upload(client, layout, repository, tag, image)
    regctl("tag", "delete", f"{target}:v1")
    assert regctl("tag", "ls", target) == "v2"
    assert stored(client, repository, "v2") == layout.digests()
    regctl("manifest", "delete", f"{target}@{image['digest']}")
    assert regctl("tag", "ls", target) == ""


def test_an_artifact_is_put_and_got(regctl, tmp_path, client, repository, target):
    (tmp_path / "chart.tgz").write_bytes(noise(9_000, 55))
    regctl(
        *("artifact", "put", "--artifact-type", "application/vnd.example.chart", "--file-title", "--strip-dirs"),
        *("--file", tmp_path / "chart.tgz", "--file-media-type", "application/vnd.example.content", f"{target}:v1"),
    )
    manifest = client.pull_manifest(repository, "v1").json()
    assert manifest["artifactType"] == "application/vnd.example.chart"
    assert regctl.output("artifact", "get", f"{target}:v1") == noise(9_000, 55)


def test_referrers_are_put_listed_filtered_and_deleted(regctl, client, repository, target, layout, index):
    upload(client, layout, repository, "v1", index)
    for kind in (SBOM, "application/vnd.example.signature"):
        regctl("artifact", "put", "--artifact-type", kind, "--subject", f"{target}:v1", input=kind.encode())
    listed = json.loads(regctl("artifact", "list", "--format", "{{jsonPretty .}}", f"{target}:v1"))
    assert sorted(entry["artifactType"] for entry in listed["descriptors"]) == [
        SBOM,
        "application/vnd.example.signature",
    ]
    only = json.loads(
        regctl("artifact", "list", "--filter-artifact-type", SBOM, "--format", "{{jsonPretty .}}", f"{target}:v1")
    )
    [sbom] = only["descriptors"]
    assert (
        regctl.output("artifact", "get", "--subject", f"{target}:v1", "--filter-artifact-type", SBOM) == SBOM.encode()
    )
    # The API answered: a client that has to fall back leaves a tag with the digest of the subject.
    assert regctl("tag", "ls", target) == "v1"
    regctl("manifest", "delete", "--referrers", f"{target}@{sbom['digest']}")
    assert len(client.get(f"/v2/{repository}/referrers/{index['digest']}").json()["manifests"]) == 1


def test_an_image_is_copied_with_its_referrers(regctl, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    regctl("artifact", "put", "--artifact-type", SBOM, "--subject", f"{target}:v1", input=b"{}")
    regctl("image", "copy", "--referrers", f"{target}:v1", f"{target}/copy:v1")
    [entry] = client.get(f"/v2/{repository}/copy/referrers/{image['digest']}").expect(200).json()["manifests"]
    stored(client, f"{repository}/copy", entry["digest"])
    assert SBOM in regctl("artifact", "tree", f"{target}/copy:v1")


def test_layers_are_compressed_with_zstd(regctl, tmp_path, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    regctl("image", "mod", f"{target}:v1", "--create", f"{target}:zstd", "--layer-compress", "zstd")
    types = {layer["mediaType"] for layer in client.pull_manifest(repository, "zstd").json()["layers"]}
    assert types == {OCI.layer_zstd}
    regctl("image", "copy", f"{target}:zstd", f"ocidir://{tmp_path}/pulled:zstd")
    assert verify_layout(tmp_path / "pulled") == stored(client, repository, "zstd")


def test_a_single_segment_name(regctl, registry, client, layout, image):
    regctl("image", "copy", f"ocidir://{layout.root}:v1", f"{registry.address}/regctl-single:v1")
    assert stored(client, "regctl-single", "v1") == layout.digests()


def test_a_missing_manifest_is_explained(regctl, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    message = words(client, f"/v2/{repository}/manifests/missing")
    assert message in regctl.refused("manifest", "get", f"{target}:missing")


def test_a_manifest_whose_blobs_are_missing_is_explained(regctl, repository, target, layout, image):
    printed = regctl.refused(
        "manifest", "put", "--content-type", OCI.manifest, f"{target}:v1", input=layout.read(image["digest"])
    )
    assert "MANIFEST_BLOB_UNKNOWN" in printed
