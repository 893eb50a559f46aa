"""The same programs over TLS, where the registry takes bytes in and gives them out another way; they verify its
certificate.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.clients.content import stored
from tests.clients.programs import forget_images
from tests.protocol.certificates import make_certificate, trusting
from tests.support.http import Client
from tests.support.images import docker_archive, layer_tar, noise, verify_layout
from tests.support.server import Registry


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Certificate and key of the registry."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "registry")


@pytest.fixture(scope="module")
def registry(tmp_path_factory, certificate):
    """A registry that speaks TLS only."""
    settings = {"server_tls_certificate": certificate[0], "server_tls_key": certificate[1]}
    with Registry(tmp_path_factory.mktemp("registry") / "data", **settings) as registry:
        yield registry


@pytest.fixture
def client(registry, certificate):
    with Client(registry.address, context=trusting(certificate[0])) as client:
        yield client


@pytest.fixture
def trusted(certificate):
    """Makes a client trust that certificate, and no option that turns verification off."""

    def trusted(program):
        return replace(program, environment={**program.environment, "SSL_CERT_FILE": str(certificate[0])}, after=())

    return trusted


@pytest.fixture
def layers():
    """A layer that comes in many reads."""
    return [layer_tar({"data": noise(9_000_000, 81)})]


def test_skopeo(skopeo, trusted, tmp_path, client, repository, target, layout, image):
    skopeo = trusted(skopeo)
    skopeo("copy", f"oci:{layout.root}:v1", f"docker://{target}:v1")
    assert stored(client, repository, "v1") == layout.digests()
    skopeo("copy", f"docker://{target}:v1", f"oci:{tmp_path}/pulled:v1")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


def test_crane(crane, trusted, tmp_path, client, repository, target, layout, image):
    crane = trusted(crane)
    crane("push", layout.root, f"{target}:v1")
    assert stored(client, repository, "v1") == layout.digests()
    crane("pull", "--format", "oci", f"{target}:v1", tmp_path / "pulled")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


def test_oras(oras, trusted, tmp_path, client, repository, target, layout, image):
    oras = trusted(oras)
    oras("cp", "--from-oci-layout", f"{layout.root}:v1", f"{target}:v1")
    assert stored(client, repository, "v1") == layout.digests()
    oras("cp", "--to-oci-layout", f"{target}:v1", f"{tmp_path}/pulled:v1")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


def test_regctl(regctl, trusted, tmp_path, client, repository, target, layout, image):
    regctl = trusted(regctl)
    regctl("image", "copy", f"ocidir://{layout.root}:v1", f"{target}:v1")
    assert stored(client, repository, "v1") == layout.digests()
    regctl("image", "copy", f"{target}:v1", f"ocidir://{tmp_path}/pulled:v1")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


def test_podman(podman, another_podman, trusted, tmp_path, client, repository, target, layout, image):
    podman, another_podman = trusted(podman), trusted(another_podman)
    podman("load", "--input", layout.archive(tmp_path / "image.tar"))
    [image_id] = podman("images", "--quiet", "--no-trunc").split()
    podman("push", image_id, f"docker://{target}:v1")
    stored(client, repository, "v1")
    another_podman("pull", f"{target}:v1")
    assert another_podman("images", "--quiet", "--no-trunc") == image_id


def test_docker(docker, tmp_path, client, repository, target, layers):
    # The daemon takes any certificate of a loopback address; it tries https first.
    image_id = docker_archive(tmp_path / "image.tar", f"{target}:v1", layers)
    docker("load", "--input", tmp_path / "image.tar")
    docker("push", f"{target}:v1")
    stored(client, repository, "v1")
    forget_images(docker)
    docker("pull", f"{target}:v1")
    assert docker("image", "inspect", "--format", "{{.Id}}", f"{target}:v1") == image_id


def test_a_client_that_does_not_know_the_certificate_refuses(skopeo, target, layout, image):
    assert "certificate" in skopeo.refused("copy", f"oci:{layout.root}:v1", f"docker://{target}:v1")
