"""docker: the client that most people have. The daemon is started by the tests; no image comes from outside."""

from __future__ import annotations

import json
import socket
import ssl
import time

import pytest

from tests.clients.content import stored, upload, words
from tests.clients.programs import forget_images
from tests.support.http import DOCKER_LIST, DOCKER_MANIFEST, digest_of
from tests.support.images import DOCKER, Layout, docker_archive, layer_tar, noise

pytestmark = pytest.mark.database


def load(docker, path, name, layers) -> str:
    """Bring an image into the daemon; its image id."""
    image_id = docker_archive(path, name, layers)
    docker("load", "--input", path)
    return image_id


def test_an_imported_image_is_pushed_and_pulled(docker, client, repository, target):
    docker("import", "-", f"{target}:v1", input=layer_tar({"etc/motd": b"welcome"}))
    before = docker("image", "inspect", "--format", "{{.Id}}", f"{target}:v1")
    docker("push", f"{target}:v1")
    forget_images(docker)
    docker("pull", f"{target}:v1")
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{target}:v1") == before
    manifest = client.pull_manifest(repository, "v1")
    assert manifest.headers["Content-Type"] == DOCKER_MANIFEST
    assert manifest.json()["config"]["digest"] == before


def test_an_image_without_layers_is_pushed_and_pulled(docker, tmp_path, client, repository, target):
    """docker's newer image store pushes such an image with `"layers": null`."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nLABEL a=b\n")
    docker("build", "--tag", f"{target}:v1", tmp_path)
    docker("push", f"{target}:v1")
    assert not client.pull_manifest(repository, "v1").json()["layers"]


def test_push_prints_the_digest_that_pull_by_digest_takes(docker, tmp_path, client, repository, target, layers):
    image_id = load(docker, tmp_path / "image.tar", f"{target}:v1", layers)
    printed = docker("push", f"{target}:v1")
    digest = client.head(f"/v2/{repository}/manifests/v1", {"Accept": DOCKER_MANIFEST}).headers["Docker-Content-Digest"]
    assert f"v1: digest: {digest} size: " in printed
    forget_images(docker)
    docker("pull", f"{target}@{digest}")
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{target}@{digest}") == image_id


def test_files_arrive_unchanged(docker, tmp_path, client, target):
    load(docker, tmp_path / "image.tar", f"{target}:v1", [layer_tar({"data": noise(300_000, 7)})])
    docker("push", f"{target}:v1")
    forget_images(docker)
    docker("pull", f"{target}:v1")
    container = docker("create", f"{target}:v1")
    docker("cp", f"{container}:/data", tmp_path / "data")
    docker("rm", container)
    assert digest_of((tmp_path / "data").read_bytes()) == digest_of(noise(300_000, 7))


def test_a_second_push_sends_nothing(docker, proxy, tmp_path, repository, layers):
    name = f"{proxy.address}/{repository}:v1"
    load(docker, tmp_path / "image.tar", name, layers)
    docker("push", name)
    first, proxy.sent = proxy.sent, 0
    printed = docker("push", name)
    assert printed.count("Layer already exists") == len(layers)
    # Less than the smaller layer: a few HEADs and the manifest.
    assert proxy.sent < 16_000 < first


def test_a_shared_base_is_mounted_not_sent(docker, proxy, tmp_path, client, repository, registry):
    base = layer_tar({"base": noise(2_000_000, 11)})
    own = layer_tar({"own": noise(1_000, 12)})
    base_name, app_name = f"{proxy.address}/{repository}/base:v1", f"{proxy.address}/{repository}/app:v1"
    load(docker, tmp_path / "base.tar", base_name, [base])
    docker("push", base_name)
    load(docker, tmp_path / "app.tar", app_name, [base, own])
    proxy.sent = 0
    printed = docker("push", app_name)
    assert f"Mounted from {repository}/base" in printed
    assert proxy.sent < 100_000, f"{proxy.sent} bytes were sent\n{printed}"
    stored(client, f"{repository}/app", "v1")


def test_all_tags_of_a_repository_are_pushed_and_pulled(docker, tmp_path, client, repository, target, layers):
    image_id = load(docker, tmp_path / "image.tar", f"{target}:v1", layers)
    for tag in ("v2", "V3.0_rc-1"):
        docker("tag", f"{target}:v1", f"{target}:{tag}")
    docker("push", "--all-tags", target)
    assert sorted(client.get(f"/v2/{repository}/tags/list").json()["tags"]) == ["V3.0_rc-1", "v1", "v2"]
    forget_images(docker)
    docker("pull", "--all-tags", target)
    listed = docker("image", "ls", "--no-trunc", "--format", "{{.Tag}} {{.ID}}", target).split("\n")
    assert sorted(listed) == [f"{tag} {image_id}" for tag in ("V3.0_rc-1", "v1", "v2")]


def test_a_manifest_list_is_made_pushed_and_pulled(docker, tmp_path, client, repository, target, layers):
    layout = Layout(tmp_path / "layout", DOCKER)
    children = {name: layout.image([*layers, layer_tar({name: b""})], name) for name in ("amd64", "arm64")}
    for name, child in children.items():
        upload(client, layout, repository, name, child)
    names = [f"{target}:{name}" for name in children]
    docker("manifest", "create", "--insecure", f"{target}:all", *names)
    docker("manifest", "annotate", f"{target}:all", names[1], "--arch", "arm64", "--variant", "v8")
    digest = docker("manifest", "push", "--insecure", "--purge", f"{target}:all")
    found = client.pull_manifest(repository, "all")
    assert (found.headers["Content-Type"], found.headers["Docker-Content-Digest"]) == (DOCKER_LIST, digest)
    docker("pull", "--platform", "linux/arm64", f"{target}:all")
    assert docker("image", "inspect", "--format", "{{.Architecture}}", f"{target}:all") == "arm64"
    shown = json.loads(docker("manifest", "inspect", "--insecure", f"{target}:all"))
    assert {entry["digest"] for entry in shown["manifests"]} == {child["digest"] for child in children.values()}


def test_an_oci_index_pushed_by_another_client_is_pulled(docker, client, repository, target, layout, index):
    upload(client, layout, repository, "v1", index)
    docker("pull", f"{target}:v1")
    assert docker("image", "inspect", "--format", "{{json .RepoDigests}}", f"{target}:v1") == json.dumps(
        [f"{target}@{index['digest']}"]
    )


@pytest.mark.parametrize("name", ["single", "a/b/c/d/e/f/g/h/deep", "with.dots/and_under__scores/and---dashes"])
def test_names_of_any_depth(docker, tmp_path, client, registry, name):
    load(docker, tmp_path / "image.tar", f"{registry.address}/{name}:v1", [layer_tar({"name": name.encode()})])
    docker("push", f"{registry.address}/{name}:v1")
    forget_images(docker)
    docker("pull", f"{registry.address}/{name}:v1")
    stored(client, name, "v1")


def test_build_from_an_image_of_the_registry(docker, tmp_path, client, repository, target, layers):
    load(docker, tmp_path / "image.tar", f"{target}:base", layers)
    docker("push", f"{target}:base")
    forget_images(docker)
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {target}:base\nCOPY Dockerfile /\nLABEL built=yes\n")
    docker("build", "--pull", "--tag", f"{target}:built", context)
    docker("push", f"{target}:built")
    assert len(client.pull_manifest(repository, "built").json()["layers"]) == len(layers) + 1
    stored(client, repository, "built")


def test_a_push_that_is_cut_is_tried_again_and_arrives(docker, proxy, tmp_path, client, repository):
    name = f"{proxy.address}/{repository}:v1"
    load(docker, tmp_path / "image.tar", name, [layer_tar({"data": noise(24_000_000, 21)})])
    proxy.cut_after(8_000_000)
    docker("push", name)
    assert proxy.cuts == 1
    stored(client, repository, "v1")
    forget_images(docker)
    docker("pull", name)


def test_a_missing_tag_is_explained(docker, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    message = words(client, f"/v2/{repository}/manifests/missing")
    assert message in docker.refused("pull", f"{target}:missing")


def test_a_missing_repository_is_explained(docker, client, repository, target):
    message = words(client, f"/v2/{repository}/manifests/latest")
    assert message in docker.refused("pull", f"{target}:latest")


@pytest.mark.alone
@pytest.mark.direct
def test_a_registry_without_tls_says_so_at_once(registry):
    """docker and podman try https first at an insecure registry; each push and pull would wait for what they are not
    told.
    """
    host, _, port = registry.address.rpartition(":")
    begun = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=5) as connection, pytest.raises(ssl.SSLError):
        ssl._create_unverified_context().wrap_socket(connection)
    assert time.monotonic() - begun < 1
