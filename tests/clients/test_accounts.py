"""The real clients and accounts: anonymous pulls of public repositories beside private ones, login, pushes, and refusals in words."""

from __future__ import annotations

import base64
import json

import pytest

from tests.clients.content import upload
from tests.clients.programs import forget_images
from tests.support.images import Layout, docker_archive, layer_tar, noise
from tests.support.people import PASSWORD, People

INSECURE, PLAIN = "--tls-verify=false", "--plain-http"
WORDS = "needs the right write on acme/public"


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """bob owns acme, with a public and a private image; eve has nothing there."""
    root = tmp_path_factory.mktemp("accounts")
    with deploy(root / "data", auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob", "eve")
        people.command("user", "promote", "ann")
        people.command("org", "add", "acme", "--owner", "bob")
        layout = Layout(root / "layout")
        image = layout.image([layer_tar({"hello": noise(20_000, 5)})])
        layout.tag("v1", image)
        with people.as_user("bob") as bob:
            for name in ("acme/public", "acme/app"):
                upload(bob, layout, name, "v1", image)
        people.command("repository", "set", "acme/public", "--public")
        registry.layout = layout
        yield registry


@pytest.fixture
def people(registry):
    return People(registry)


@pytest.fixture
def public(registry) -> str:
    return f"{registry.address}/acme/public"


@pytest.fixture
def private(registry) -> str:
    return f"{registry.address}/acme/app"


def has(registry, name: str) -> bool:
    return People(registry).as_user("ann").get(f"/v2/acme/{name}/manifests/v1").status == 200


def test_docker(docker, registry, public, private, tmp_path):
    docker("pull", f"{public}:v1")
    assert "authentication is required" in docker.refused("pull", f"{private}:v1")
    assert "name or password is wrong" in docker.refused("login", "--username", "bob", "--password-stdin", registry.address, input=b"wrong horse")
    docker("login", "--username", "bob", "--password-stdin", registry.address, input=PASSWORD.encode())
    docker("pull", f"{private}:v1")
    docker_archive(tmp_path / "image.tar", f"{private}-by-docker:v1", [layer_tar({"own": noise(9_000, 6)})])
    docker("load", "--input", tmp_path / "image.tar")
    docker("push", f"{private}-by-docker:v1")
    assert has(registry, "app-by-docker")
    docker("pull", f"{public}:v1")
    docker("logout", registry.address)
    docker("login", "--username", "eve", "--password-stdin", registry.address, input=PASSWORD.encode())
    docker("tag", f"{private}-by-docker:v1", f"{public}:v2")
    assert WORDS in docker.refused("push", f"{public}:v2")
    forget_images(docker)
    docker("pull", f"{public}:v1")
    assert "no repository of that name" in docker.refused("pull", f"{private}:v1")
    docker("logout", registry.address)
    docker("pull", f"{public}:v1")


def test_docker_keeps_no_password(docker, registry, environment, people):
    """What it keeps instead is a token for the token server, which ends with the password."""
    docker("login", "--username", "bob", "--password-stdin", registry.address, input=PASSWORD.encode())
    with open(f"{environment['DOCKER_CONFIG']}/config.json") as file:
        kept = json.load(file)["auths"][registry.address]
    assert kept["identitytoken"] and PASSWORD not in base64.b64decode(kept["auth"]).decode()
    docker("logout", registry.address)


def test_podman(podman, registry, public, private, people):
    podman("pull", INSECURE, f"{public}:v1")
    assert "authentication is required" in podman.refused("pull", INSECURE, f"{private}:v1")
    secret = people.command("token", "add", "bob", "--name", "podman")
    podman("login", INSECURE, "--username", "bob", "--password-stdin", registry.address, input=secret.encode())
    podman("pull", INSECURE, f"{private}:v1")
    podman("push", INSECURE, f"{private}:v1", f"{private}-by-podman:v1")
    assert has(registry, "app-by-podman")
    podman("logout", registry.address)
    assert "invalid username/password" in podman.refused("login", INSECURE, "--username", "bob", "--password-stdin", registry.address, input=b"wrong horse")
    podman("pull", INSECURE, f"{public}:v1")


def test_skopeo(skopeo, registry, public, private, people, tmp_path):
    skopeo("inspect", INSECURE, f"docker://{public}:v1")
    assert "authentication is required" in skopeo.refused("inspect", INSECURE, f"docker://{private}:v1")
    secret = people.command("token", "add", "bob", "--name", "skopeo", "--actions", "pull")
    skopeo("copy", "--src-tls-verify=false", "--src-creds", f"bob:{secret}", f"docker://{private}:v1", f"oci:{tmp_path}/pulled:v1")
    refused = skopeo.refused("copy", "--dest-tls-verify=false", "--dest-creds", f"bob:{secret}", f"oci:{tmp_path}/pulled:v1", f"docker://{private}:v2")
    assert "the token's scope does not include push on acme/app" in refused
    skopeo("copy", "--dest-tls-verify=false", "--dest-creds", f"bob:{PASSWORD}", f"oci:{tmp_path}/pulled:v1", f"docker://{private}-by-skopeo:v1")
    assert has(registry, "app-by-skopeo")


def test_crane(crane, registry, public, private, people, tmp_path):
    crane("manifest", f"{public}:v1")
    assert "UNAUTHORIZED" in crane.refused("manifest", f"{private}:v1")
    secret = people.command("robot", "add", "acme/crane")
    people.command("grant", "add", "acme/app*", "--to", "robot:acme/crane", "--right", "write")
    crane("auth", "login", "--username", "acme/crane", "--password", secret, registry.address)
    crane("copy", f"{private}:v1", f"{private}-by-crane:v1")
    assert has(registry, "app-by-crane")
    assert WORDS in crane.refused("copy", f"{private}:v1", f"{public}:v2")
    crane("auth", "logout", registry.address)
    crane("manifest", f"{public}:v1")


def test_regctl(regctl, registry, public, private, tmp_path):
    regctl("manifest", "get", f"{public}:v1")
    assert "unauthorized" in regctl.refused("manifest", "get", f"{private}:v1")
    regctl("registry", "login", registry.address, "--user", "bob", "--pass-stdin", input=PASSWORD.encode())
    regctl("image", "copy", f"{private}:v1", f"{private}-by-regctl:v1")
    assert has(registry, "app-by-regctl")
    regctl("registry", "logout", registry.address)
    regctl("manifest", "get", f"{public}:v1")


def test_oras(oras, registry, public, private, tmp_path):
    oras("manifest", "fetch", PLAIN, f"{public}:v1")
    assert "authentication is required" in oras.refused("manifest", "fetch", PLAIN, f"{private}:v1")
    oras("login", PLAIN, "--username", "bob", "--password-stdin", registry.address, input=PASSWORD.encode())
    oras("cp", "--from-plain-http", "--to-plain-http", f"{private}:v1", f"{private}-by-oras:v1")
    assert has(registry, "app-by-oras")
    oras("logout", registry.address)
    oras("login", PLAIN, "--username", "eve", "--password-stdin", registry.address, input=PASSWORD.encode())
    assert WORDS in oras.refused("cp", "--from-plain-http", "--to-plain-http", f"{public}:v1", f"{public}:v2")
    oras("logout", registry.address)
    oras("manifest", "fetch", PLAIN, f"{public}:v1")


def test_containerd(ctr, registry, public, private, people):
    pull = ("images", "pull", PLAIN, "--snapshotter", "native")
    ctr(*pull, f"{public}:v1")
    assert "401" in ctr.refused(*pull, f"{private}:v1")
    ctr(*pull, "--user", f"bob:{PASSWORD}", f"{private}:v1")
    ctr("images", "tag", f"{private}:v1", f"{private}-by-ctr:v1")
    ctr("images", "push", PLAIN, "--user", f"bob:{PASSWORD}", f"{private}-by-ctr:v1")
    assert has(registry, "app-by-ctr")
