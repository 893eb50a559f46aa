"""The real clients and accounts: anonymous pulls of public repositories beside private ones, login, pushes, and
refusals in words.
"""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from tests.clients.content import upload
from tests.clients.programs import forget_images
from tests.protocol.certificates import make_certificate
from tests.support.images import Layout, docker_archive, layer_tar, noise
from tests.support.nginx import Nginx
from tests.support.people import PASSWORD, People

INSECURE, PLAIN = "--tls-verify=false", "--plain-http"
WORDS = "needs the right write on acme/public"
ROBOT = "acme/ci"
# What is answered is the same over every database; the clients are what differs here.
pytestmark = pytest.mark.edge


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
        registry.layout, registry.robot = layout, people.command("robot", "add", ROBOT)
        people.command("grant", "add", "acme/app*", "--to", f"robot:{ROBOT}", "--right", "write")
        people.command("grant", "add", "acme/charts/*", "--to", f"robot:{ROBOT}", "--right", "write")
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


def assert_said_once(words: str, printed: str) -> None:
    """These programs print the detail of an error behind its message."""
    assert printed.count(words) == 1 and "requested access to the resource is denied: " in printed, printed


def test_docker(docker, registry, public, private, tmp_path):
    docker("pull", f"{public}:v1")
    assert "pull access denied for" in docker.refused("pull", f"{private}:v1")
    assert "name or password is wrong" in docker.refused(
        "login", "--username", "bob", "--password-stdin", registry.address, input=b"wrong horse"
    )
    docker("login", "--username", "bob", "--password-stdin", registry.address, input=PASSWORD.encode())
    docker("pull", f"{private}:v1")
    docker_archive(tmp_path / "image.tar", f"{private}-by-docker:v1", [layer_tar({"own": noise(9_000, 6)})])
    docker("load", "--input", tmp_path / "image.tar")
    docker("push", f"{private}-by-docker:v1")
    assert has(registry, "app-by-docker")
    docker("pull", f"{public}:v1")
    docker("logout", registry.address)
    docker("login", "--username", ROBOT, "--password-stdin", registry.address, input=registry.robot.encode())
    docker("tag", f"{private}-by-docker:v1", f"{private}-by-dockers-robot:v1")
    docker("push", f"{private}-by-dockers-robot:v1")
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
    assert "authentication required" in podman.refused("pull", INSECURE, f"{private}:v1")
    secret = people.command("token", "add", "bob", "--name", "podman")
    podman("login", INSECURE, "--username", "bob", "--password-stdin", registry.address, input=secret.encode())
    podman("pull", INSECURE, f"{private}:v1")
    podman("push", INSECURE, f"{private}:v1", f"{private}-by-podman:v1")
    assert has(registry, "app-by-podman")
    podman("logout", registry.address)
    podman("login", INSECURE, "--username", ROBOT, "--password-stdin", registry.address, input=registry.robot.encode())
    podman("push", INSECURE, f"{private}:v1", f"{private}-by-podmans-robot:v1")
    assert WORDS in podman.refused("push", INSECURE, f"{private}:v1", f"{public}:v2")
    podman("logout", registry.address)
    assert "invalid username/password" in podman.refused(
        "login", INSECURE, "--username", "bob", "--password-stdin", registry.address, input=b"wrong horse"
    )
    podman("pull", INSECURE, f"{public}:v1")


def test_podman_and_docker_mount_from_another_repository(podman, docker, proxy, tmp_path, registry):
    """Each asks for a token that is for both repositories, as the challenge of a mount does."""
    first, second = (f"{proxy.address}/acme/app-mounts:{name}" for name in ("v1", "v2"))
    podman("login", INSECURE, "--username", "bob", "--password-stdin", proxy.address, input=PASSWORD.encode())
    podman("pull", INSECURE, f"{proxy.address}/acme/app:v1")
    proxy.sent = 0
    podman("push", INSECURE, f"{proxy.address}/acme/app:v1", first)
    assert proxy.sent < 15_000, "the layer of 20 kB was mounted"
    docker("login", "--username", "bob", "--password-stdin", proxy.address, input=PASSWORD.encode())
    docker("pull", f"{proxy.address}/acme/app:v1")
    docker("tag", f"{proxy.address}/acme/app:v1", second.replace("app-mounts", "app-mounted"))
    assert "Mounted from acme/app" in docker("push", second.replace("app-mounts", "app-mounted"))
    for program in (podman, docker):
        program("logout", proxy.address)


def test_skopeo(skopeo, registry, public, private, people, tmp_path):
    skopeo("inspect", INSECURE, f"docker://{public}:v1")
    assert "authentication required" in skopeo.refused("inspect", INSECURE, f"docker://{private}:v1")
    secret = people.command("token", "add", "bob", "--name", "skopeo", "--actions", "pull")
    skopeo(
        "copy",
        "--src-tls-verify=false",
        "--src-creds",
        f"bob:{secret}",
        f"docker://{private}:v1",
        f"oci:{tmp_path}/pulled:v1",
    )
    refused = skopeo.refused(
        "copy",
        "--dest-tls-verify=false",
        "--dest-creds",
        f"bob:{secret}",
        f"oci:{tmp_path}/pulled:v1",
        f"docker://{private}:v2",
    )
    assert "the token's scope does not include push on acme/app" in refused
    skopeo(
        "copy",
        "--dest-tls-verify=false",
        "--dest-creds",
        f"bob:{PASSWORD}",
        f"oci:{tmp_path}/pulled:v1",
        f"docker://{private}-by-skopeo:v1",
    )
    assert has(registry, "app-by-skopeo")
    skopeo("login", INSECURE, "--username", ROBOT, "--password-stdin", registry.address, input=registry.robot.encode())
    skopeo(
        "copy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        f"docker://{private}:v1",
        f"docker://{private}-by-skopeos-robot:v1",
    )
    assert WORDS in skopeo.refused(
        "copy", "--dest-tls-verify=false", f"oci:{tmp_path}/pulled:v1", f"docker://{public}:v2"
    )
    skopeo("logout", registry.address)
    skopeo("inspect", INSECURE, f"docker://{public}:v1")


def test_skopeo_behind_a_tls_proxy_that_is_not_trusted(skopeo, registry, private, tmp_path):
    """It is sent to log in by https: by http it would send the password in clear."""
    certificate = make_certificate(tmp_path, "proxy")
    skopeo = replace(skopeo, environment={**skopeo.environment, "SSL_CERT_FILE": str(certificate[0])})
    with Nginx(tmp_path / "nginx", registry.address, certificate=certificate) as nginx:
        skopeo("login", "--username", "bob", "--password-stdin", nginx.address, input=PASSWORD.encode())
        skopeo("inspect", f"docker://{nginx.address}/acme/app:v1")
        skopeo("logout", nginx.address)
        assert any(line.startswith("GET /token?") for line in nginx.forwarded())


def test_crane(crane, registry, public, private, people, tmp_path):
    crane("manifest", f"{public}:v1")
    assert "UNAUTHORIZED" in crane.refused("manifest", f"{private}:v1")
    secret = people.command("robot", "add", "acme/crane")
    people.command("grant", "add", "acme/app*", "--to", "robot:acme/crane", "--right", "write")
    crane("auth", "login", "--username", "acme/crane", "--password", secret, registry.address)
    crane("copy", f"{private}:v1", f"{private}-by-crane:v1")
    assert has(registry, "app-by-crane")
    assert_said_once(WORDS, crane.refused("copy", f"{private}:v1", f"{public}:v2"))
    crane("auth", "logout", registry.address)
    crane("manifest", f"{public}:v1")


def test_regctl(regctl, registry, public, private, tmp_path):
    regctl("manifest", "get", f"{public}:v1")
    assert "unauthorized" in regctl.refused("manifest", "get", f"{private}:v1")
    regctl("registry", "login", registry.address, "--user", "bob", "--pass-stdin", input=PASSWORD.encode())
    regctl("image", "copy", f"{private}:v1", f"{private}-by-regctl:v1")
    assert has(registry, "app-by-regctl")
    regctl("registry", "logout", registry.address)
    regctl("registry", "login", registry.address, "--user", ROBOT, "--pass-stdin", input=registry.robot.encode())
    regctl("image", "copy", f"{private}:v1", f"{private}-by-regctls-robot:v1")
    assert WORDS in regctl.refused("image", "copy", f"{private}:v1", f"{public}:v2")
    regctl("registry", "logout", registry.address)
    regctl("manifest", "get", f"{public}:v1")


def test_oras(oras, registry, public, private, tmp_path):
    oras("manifest", "fetch", PLAIN, f"{public}:v1")
    assert "authentication required" in oras.refused("manifest", "fetch", PLAIN, f"{private}:v1")
    oras("login", PLAIN, "--username", "bob", "--password-stdin", registry.address, input=PASSWORD.encode())
    oras("cp", "--from-plain-http", "--to-plain-http", f"{private}:v1", f"{private}-by-oras:v1")
    assert has(registry, "app-by-oras")
    oras("logout", registry.address)
    oras("login", PLAIN, "--username", ROBOT, "--password-stdin", registry.address, input=registry.robot.encode())
    oras("cp", "--from-plain-http", "--to-plain-http", f"{private}:v1", f"{private}-by-oras-robot:v1")
    oras("logout", registry.address)
    oras("login", PLAIN, "--username", "eve", "--password-stdin", registry.address, input=PASSWORD.encode())
    assert_said_once(WORDS, oras.refused("cp", "--from-plain-http", "--to-plain-http", f"{public}:v1", f"{public}:v2"))
    oras("logout", registry.address)
    oras("manifest", "fetch", PLAIN, f"{public}:v1")


def test_containerd(ctr, registry, public, private, people):
    pull = ("images", "pull", PLAIN, "--snapshotter", "native")
    ctr(*pull, f"{public}:v1")
    assert (
        "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope"
        in ctr.refused(*pull, f"{private}:v1")
    )
    ctr(*pull, "--user", f"bob:{PASSWORD}", f"{private}:v1")
    ctr("images", "tag", f"{private}:v1", f"{private}-by-ctr:v1")
    ctr("images", "push", PLAIN, "--user", f"bob:{PASSWORD}", f"{private}-by-ctr:v1")
    assert has(registry, "app-by-ctr")
    ctr("images", "tag", f"{private}:v1", f"{private}-by-ctrs-robot:v1")
    ctr("images", "push", PLAIN, "--user", f"{ROBOT}:{registry.robot}", f"{private}-by-ctrs-robot:v1")
    ctr("images", "tag", f"{private}:v1", f"{public}:v2")
    assert "403" in ctr.refused("images", "push", PLAIN, "--user", f"{ROBOT}:{registry.robot}", f"{public}:v2")
    ctr(*pull, f"{public}:v1")


def test_helm(helm, registry, tmp_path, people):
    """Charts are artifacts like others; helm asks for them by the token server as docker does."""
    charts = f"oci://{registry.address}/acme/charts"
    helm("create", tmp_path / "app")
    helm("package", tmp_path / "app", "--version", "1.0.0", "--destination", tmp_path)
    chart = tmp_path / "app-1.0.0.tgz"
    for name in ("private", "public"):
        (tmp_path / name).mkdir()
    # It begins with a HEAD, whose answer has no words.
    assert "401: Unauthorized" in helm.refused("push", PLAIN, chart, charts)
    helm(
        "registry",
        "login",
        PLAIN,
        "--username",
        ROBOT,
        "--password-stdin",
        registry.address,
        input=registry.robot.encode(),
    )
    assert "Digest: sha256:" in helm.printed("push", PLAIN, chart, charts)
    helm("pull", PLAIN, f"{charts}/app", "--version", "1.0.0", "--destination", tmp_path / "private")
    assert (tmp_path / "private" / chart.name).read_bytes() == chart.read_bytes()
    helm("registry", "logout", registry.address)
    assert "authentication required" in helm.refused("pull", PLAIN, f"{charts}/app", "--version", "1.0.0")
    people.command("repository", "set", "acme/charts/app", "--public")
    helm("pull", PLAIN, f"{charts}/app", "--version", "1.0.0", "--destination", tmp_path / "public")
    helm("registry", "login", PLAIN, "--username", "eve", "--password-stdin", registry.address, input=PASSWORD.encode())
    helm("package", tmp_path / "app", "--version", "2.0.0", "--destination", tmp_path)
    chart = tmp_path / "app-2.0.0.tgz"
    assert_said_once("user eve needs the right write on acme/charts/app", helm.refused("push", PLAIN, chart, charts))
    helm("registry", "logout", registry.address)


def test_docker_search(docker, registry):
    """Not logged in it sends nothing, and after a login a token for registry:catalog:search."""
    named = ("search", "--format", "{{.Name}}", f"{registry.address}/acme")
    docker("logout", registry.address)
    found = docker(*named).split()
    assert "acme/public" in found and "acme/app" not in found
    docker("login", "--username", "bob", "--password-stdin", registry.address, input=PASSWORD.encode())
    assert {"acme/public", "acme/app"} <= {*docker(*named).split()}
    assert "acme/public" not in docker("search", "--filter", "stars=1", f"{registry.address}/acme")
    docker("logout", registry.address)


def test_podman_search(podman, registry):
    """It shows no login when it searches, so it finds what everybody may pull."""
    named = ("search", INSECURE, "--format", "{{.Name}}", f"{registry.address}/acme")
    podman("login", INSECURE, "--username", "bob", "--password-stdin", registry.address, input=PASSWORD.encode())
    found = podman(*named).split()
    assert f"{registry.address}/acme/public" in found and f"{registry.address}/acme/app" not in found
    podman("logout", registry.address)
