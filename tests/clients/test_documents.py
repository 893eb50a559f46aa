"""docs/clients.md: every block can be read by what it is for, and those for programs that are here do what they say."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.clients.content import upload
from tests.support import tools
from tests.support.images import Layout, layer_tar, noise
from tests.support.people import PASSWORD, People

pytestmark = pytest.mark.edge
HOST, SECRET = "registry.example.com", "dbk_the_secret"
PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text()


def blocks(language: str, heading: str = "") -> list[str]:
    """The blocks of a language, below a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0] if heading else PAGE
    found = re.findall(rf"```{language}\n(.*?)```", section, re.S)
    assert found, f"no {language} below {heading}"
    return found


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """What the page speaks of: acme/app:v1, its robot account, and a token of bob."""
    root = tmp_path_factory.mktemp("documents")
    with deploy(root / "data", auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob")
        people.command("org", "add", "acme", "--owner", "bob")
        layout = Layout(root / "layout")
        with people.as_user("bob") as bob:
            upload(bob, layout, "acme/app", "v1", layout.image([layer_tar({"hello": noise(9_000, 8)})]))
        registry.home = root / "home"
        registry.home.mkdir()
        yield registry


@pytest.fixture(scope="module")
def made(registry) -> Path:
    """The directory in which an administrator has run the page's first block."""
    (block,) = blocks("sh")[:1]
    program = registry.home / "registry.pyz"
    program.write_text("#!/bin/sh\nexec " + " ".join(registry._command) + ' "$@"\n')
    program.chmod(0o755)
    ran(block, registry, {**registry.environment(), "PATH": f"{registry.home}:{registry.environment()['PATH']}"})
    assert (registry.home / "ci.secret").read_text().startswith("dbk_")
    return registry.home


def ran(block: str, registry, environment: dict) -> str:
    """The block as a shell runs it, with this registry in the place of the page's."""
    done = subprocess.run(
        ["bash", "-euc", block.replace(HOST, registry.address)],
        cwd=registry.home,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, block + done.stdout + done.stderr
    return done.stdout + done.stderr


def test_every_block_can_be_read():
    for block in blocks("sh"):
        assert subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True).returncode == 0, block
    read = [yaml.safe_load(block) for block in blocks("yaml")]
    assert [sorted(document) for document in read[:2]] == [
        ["apiVersion", "kind", "metadata", "spec"],
        ["apiVersion", "kind", "metadata", "stringData", "type"],
    ]
    # YAML 1.1 reads GitHub's key `on` as true.
    assert [sorted(map(str, document)) for document in read[2:]] == [["True", "jobs", "name"], ["image"]]
    hosts, whole = map(tomllib.loads, blocks("toml"))
    assert hosts["server"] == f"https://{HOST}" and list(hosts["host"]) == [f"https://{HOST}"]
    assert whole["plugins"]["io.containerd.grpc.v1.cri"]["registry"]["configs"][HOST]["auth"]["username"] == "acme/ci"


def test_ones_own_account(registry, made):
    tools.need("curl")
    (block,) = blocks("sh", "Your own account")
    environment = {**registry.environment(), "PASSWORD": PASSWORD, "ANOTHER": "another horse altogether"}
    told = ran(block.replace(f"https://{HOST}", registry.url), registry, environment)
    assert '"kind": "user"' in told and '"secret": "dbr_' in told
    with People(registry).as_user("bob", environment["ANOTHER"]) as bob:
        bob.get("/v2/acme/app/manifests/v1").expect(200)
    People(registry).set_password("bob", PASSWORD)


def test_docker(docker, registry, made):
    (block,) = blocks("sh", "docker")
    ran(block, registry, docker.environment)
    assert f"{registry.address}/acme/app:v1" in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")


def test_gitlab(docker, registry, made):
    """The script's login and logout, which is what concerns the registry."""
    job = yaml.safe_load(blocks("yaml", "GitLab CI")[0])["image"]
    environment = {**docker.environment, "REGISTRY_SECRET": (made / "ci.secret").read_text()}
    ran(f"{job['script'][0]}\ndocker pull {HOST}/acme/app:v1\n{job['after_script'][0]}", registry, environment)


def test_the_secret_of_kubernetes(docker, registry, made):
    """It is the file that docker reads too."""
    kept = json.loads(yaml.safe_load(blocks("yaml", "Kubernetes")[1])["stringData"][".dockerconfigjson"])["auths"][HOST]
    assert base64.b64decode(kept["auth"]).decode() == f"acme/ci:{SECRET}"
    shown = base64.b64encode(f"acme/ci:{(made / 'ci.secret').read_text().strip()}".encode()).decode()
    directory = made / "kubernetes"
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({"auths": {registry.address: {"auth": shown}}}))
    ran(f"docker --config {directory} pull {HOST}/acme/app:v1", registry, docker.environment)


def test_podman(podman, registry, made):
    """The block's words, with the options for plain HTTP and an empty store."""
    (block,) = blocks("sh", "podman, skopeo, buildah")
    for line in block.replace(HOST, registry.address).splitlines():
        _, *words = line.partition(" <")[0].split()
        insecure = ["--tls-verify=false"] if words[0] != "logout" else []
        podman(words[0], *insecure, *words[1:], input=(made / "laptop.secret").read_bytes().strip())


def test_containerd(ctr, registry, made):
    hosts = made / "certs.d" / registry.address
    hosts.mkdir(parents=True)
    (hosts / "hosts.toml").write_text(
        blocks("toml", "containerd")[0].replace(f"https://{HOST}", f"http://{registry.address}")
    )
    (block,) = blocks("sh", "containerd")
    words = block.replace(HOST, registry.address).replace("/etc/containerd/certs.d", str(made / "certs.d")).split()[1:]
    secret = (made / "ci.secret").read_text().strip()
    start = words.index("--user")
    ctr(*words[:start], "--snapshotter", "native", "--user", f"acme/ci:{secret}", words[-1])


def test_helm(helm, registry, made):
    (block,) = blocks("sh", "helm")
    assert PASSWORD not in block
    helm("create", made / "app")
    helm("package", made / "app", "--version", "1.0.0", "--destination", made)
    for line in block.replace(HOST, registry.address).splitlines():
        words = line.partition(" <")[0].replace("app-1.0.0.tgz", str(made / "app-1.0.0.tgz")).split()[1:]
        plain = ["--plain-http"] if "logout" not in words else []
        if words[0] == "pull":
            words += ["--destination", str(made)]
        secret = (made / "ci.secret").read_bytes() if "login" in words else b""
        helm(*words, *plain, input=secret)
