"""podman, with one store that pushes and another, empty one that pulls."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest

from tests.clients.content import stored, upload, words
from tests.clients.programs import Program
from tests.support.http import DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.support.images import layer_tar, noise
from tests.support.server import Registry

INSECURE = "--tls-verify=false"


def load(podman, path, layout, name) -> str:
    """Bring the layout's image into the store under `name`; its image id."""
    podman("load", "--quiet", "--input", layout.archive(path))
    [image_id] = podman("images", "--quiet", "--no-trunc").split()
    podman("tag", image_id, name)
    return image_id.removeprefix("sha256:")


def identity(podman, name) -> tuple[str, str]:
    """Image id (the digest of the config) and digest of the manifest."""
    found = json.loads(podman("image", "inspect", name))[0]
    return found["Id"], found["Digest"]


def test_an_image_is_pushed_and_pulled(podman, another_podman, tmp_path, client, repository, target, layout, image):
    image_id = load(podman, tmp_path / "image.tar", layout, f"{target}:v1")
    podman("push", INSECURE, f"{target}:v1")
    stored(client, repository, "v1")
    another_podman("pull", INSECURE, f"{target}:v1")
    digest = client.pull_manifest(repository, "v1").headers["Docker-Content-Digest"]
    assert identity(another_podman, f"{target}:v1") == (image_id, digest)


def test_an_image_is_pulled_by_digest(podman, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    podman("pull", INSECURE, f"{target}@{image['digest']}")
    assert identity(podman, f"{target}@{image['digest']}")[1] == image["digest"]


@pytest.mark.parametrize("kind, media_type", [("oci", OCI_MANIFEST), ("v2s2", DOCKER_MANIFEST)])
def test_both_formats_are_pushed(
    podman, another_podman, tmp_path, client, repository, target, layout, image, kind, media_type
):
    load(podman, tmp_path / "image.tar", layout, f"{target}:v1")
    podman("push", INSECURE, "--format", kind, "--digestfile", tmp_path / "digest", f"{target}:v1")
    found = client.pull_manifest(repository, "v1")
    assert found.headers["Content-Type"] == media_type
    assert found.headers["Docker-Content-Digest"] == (tmp_path / "digest").read_text()
    another_podman("pull", INSECURE, f"{target}:v1")


def test_zstd_layers_go_both_ways(podman, another_podman, tmp_path, client, repository, target, layout, image):
    image_id = load(podman, tmp_path / "image.tar", layout, f"{target}:v1")
    podman("push", INSECURE, "--compression-format", "zstd", f"{target}:v1")
    types = {layer["mediaType"] for layer in client.pull_manifest(repository, "v1").json()["layers"]}
    assert types == {"application/vnd.oci.image.layer.v1.tar+zstd"}
    another_podman("pull", INSECURE, f"{target}:v1")
    assert identity(another_podman, f"{target}:v1")[0] == image_id


def test_a_manifest_list_is_made_pushed_and_pulled(podman, another_podman, client, repository, target, layout, layers):
    children = {name: layout.image([*layers, layer_tar({name: b""})], name) for name in ("amd64", "arm64")}
    for name, child in children.items():
        upload(client, layout, repository, name, child)
    podman("manifest", "create", "all")
    for name in children:
        podman("manifest", "add", INSECURE, "--arch", name, "all", f"docker://{target}:{name}")
    podman("manifest", "push", INSECURE, "--all", "--format", "oci", "all", f"docker://{target}/copy:all")
    found = client.pull_manifest(f"{repository}/copy", "all")
    assert found.headers["Content-Type"] == OCI_INDEX
    assert {child["digest"] for child in found.json()["manifests"]} == {child["digest"] for child in children.values()}
    assert stored(client, f"{repository}/copy", "all") >= layout.digests()
    another_podman("pull", INSECURE, "--arch", "arm64", f"{target}/copy:all")
    assert json.loads(another_podman("image", "inspect", f"{target}/copy:all"))[0]["Architecture"] == "arm64"


def test_search_shows_names_and_tags(podman, registry, client, repository, target, layout, image):
    for tag in ("v1", "v2", "v3"):
        upload(client, layout, repository, tag, image)
    found = podman("search", INSECURE, "--format", "{{.Name}}", f"{registry.address}/test-search")
    assert target in found.split()
    _, *rows = podman("search", INSECURE, "--list-tags", target).splitlines()
    assert [row.split() for row in rows] == [[target, tag] for tag in ("v1", "v2", "v3")]


def test_a_single_segment_name(podman, another_podman, tmp_path, registry, client, layout, image):
    load(podman, tmp_path / "image.tar", layout, f"{registry.address}/podman-single:v1")
    podman("push", INSECURE, f"{registry.address}/podman-single:v1")
    another_podman("pull", INSECURE, f"{registry.address}/podman-single:v1")
    stored(client, "podman-single", "v1")


def test_a_missing_tag_is_explained(podman, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    message = words(client, f"/v2/{repository}/manifests/missing")
    assert message in podman.refused("pull", INSECURE, f"{target}:missing")


def test_a_missing_repository_is_explained(podman, client, repository, target):
    message = words(client, f"/v2/{repository}/manifests/v1")
    assert message in podman.refused("pull", INSECURE, f"{target}:v1")


@pytest.fixture
def sparing_podman(environment):
    """podman that fetches of a layer what it has not from others: over a store of overlays, as only these can."""
    with tempfile.TemporaryDirectory(prefix="store-", ignore_cleanup_errors=True) as root:
        settings = Path(root, "storage.conf")
        options = 'pull_options = {enable_partial_images = "true", use_hard_links = "false", ostree_repos = ""}'
        settings.write_text(
            f'[storage]\ndriver = "overlay"\nrunroot = "{root}/run"\ngraphroot ='
            f' "{root}/root"\n[storage.options]\n{options}\n'
        )
        program = Program(
            "podman", {**environment, "CONTAINERS_STORAGE_CONF": str(settings)}, ("--cgroup-manager", "cgroupfs")
        )
        yield program
        program("rmi", "--all", "--force")


@pytest.mark.edge
def test_of_a_layer_in_zstd_chunks_only_what_changed_is_fetched(sparing_podman, tmp_path):
    """100 files of 50 kB, of which every twentieth is another one in the second image."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Containerfile").write_text("FROM scratch\nCOPY f* /\n")
    with Registry(tmp_path / "data", auth_anonymous="push") as registry:
        names = [f"{registry.address}/sparing/app:{tag}" for tag in ("v1", "v2")]
        for turn, name in enumerate(names):
            for number in range(0, 100, 20 if turn else 1):
                (context / f"f{number}").write_bytes(noise(50_000, 1000 * turn + number))
            sparing_podman("build", "--quiet", "--tag", name, context)
            sparing_podman("push", INSECURE, "--compression-format", "zstd:chunked", name)
        sparing_podman("rmi", "--all", "--force")
        for name in names:
            sparing_podman("pull", INSECURE, name)
        log = registry.logged('" 206 ', 4)
    sent = [int(size) for size in re.findall(r'"GET /v2/sparing/app/blobs/\S+" 206 (\d+)B', log)]
    # Of each image the table of contents, then the ranges that are missing.
    assert len(sent) == 4 and sent[1] > 5_000_000 and sent[3] < 300_000, sent
