"""Several clients at one registry: what one pushes, every other pulls, and they push at the same time."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.clients.content import stored
from tests.support.http import digest_of
from tests.support.images import docker_archive, verify_layout


@pytest.fixture
def by_docker(docker, tmp_path, layers):
    """Pushes an image with docker, in docker's format."""

    def push(name: str) -> None:
        docker_archive(tmp_path / "image.tar", name, layers)
        docker("load", "--input", tmp_path / "image.tar")
        docker("push", name)
        docker("image", "prune", "--all", "--force")

    return push


@pytest.fixture
def by_podman(another_podman, tmp_path, layout, image):
    """Pushes an image with podman, in the OCI's format."""

    def push(name: str) -> None:
        another_podman("load", "--input", layout.archive(tmp_path / "image.tar"))
        [image_id] = another_podman("images", "--quiet").split()
        another_podman("push", "--tls-verify=false", image_id, f"docker://{name}")

    return push


@pytest.fixture
def by_crane(crane, layout, image):
    """Pushes an image with crane, as it was made."""
    return lambda name: crane("push", layout.root, name)


@pytest.fixture
def pull_by_all(docker, ctr, podman, buildah, skopeo, crane, regctl, oras, tmp_path):
    """Pulls an image with every client and compares what each says it got: the digest of the config, or all digests."""

    def pull(name: str, digests: set[str], config: str) -> None:
        docker("pull", name)
        assert docker("image", "inspect", "--format", "{{.Id}}", name) == config
        podman("pull", "--tls-verify=false", name)
        assert "sha256:" + json.loads(podman("image", "inspect", name))[0]["Id"] == config
        assert "sha256:" + buildah("pull", "--quiet", "--tls-verify=false", name) == config
        ctr("images", "pull", "--plain-http", "--snapshotter", "native", name)
        assert set(ctr("content", "list", "--quiet").split()) == digests
        crane("pull", "--format", "oci", name, tmp_path / "crane")
        assert verify_layout(tmp_path / "crane") == digests
        regctl("image", "copy", name, f"ocidir://{tmp_path}/regctl:v1")
        assert verify_layout(tmp_path / "regctl") == digests
        oras("cp", "--from-plain-http", "--to-oci-layout", name, f"{tmp_path}/oras:v1")
        assert verify_layout(tmp_path / "oras") == digests
        skopeo("copy", "--src-tls-verify=false", f"docker://{name}", f"dir:{tmp_path}/skopeo")
        assert pulled_by_skopeo(tmp_path / "skopeo") == digests

    return pull


def pulled_by_skopeo(directory) -> set[str]:
    """The digests of all content in skopeo's dir format."""
    return {digest_of(path.read_bytes()) for path in directory.iterdir() if path.name != "version"}


@pytest.mark.parametrize("pusher", ["by_docker", "by_podman", "by_crane"])
def test_every_client_pulls_what_one_pushed(request, pull_by_all, client, repository, target, pusher):
    request.getfixturevalue(pusher)(f"{target}:v1")
    digests = stored(client, repository, "v1")
    pull_by_all(f"{target}:v1", digests, client.pull_manifest(repository, "v1").json()["config"]["digest"])


def test_clients_that_push_the_same_image_at_once_all_succeed(
    crane, skopeo, regctl, oras, client, repository, target, layout, index
):
    def push(number: int) -> None:
        [
            lambda name: crane("push", "--index", layout.root, name),
            lambda name: skopeo(
                "copy", "--all", "--dest-tls-verify=false", f"oci:{layout.root}:v1", f"docker://{name}"
            ),
            lambda name: regctl("image", "copy", f"ocidir://{layout.root}:v1", name),
            lambda name: oras("cp", "--from-oci-layout", "--to-plain-http", f"{layout.root}:v1", name),
        ][number % 4](f"{target}:tag-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(push, range(16)))
    for number in range(16):
        assert stored(client, repository, f"tag-{number}") >= layout.digests()
