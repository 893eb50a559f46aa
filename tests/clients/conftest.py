"""The real clients as fixtures.

Each writes below a temporary home only, and starts with an empty store where it has one.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import zlib

import pytest

from tests.clients.programs import Program, forget_content, forget_images, private_environment
from tests.clients.proxy import Proxy
from tests.support.dockerd import Dockerd
from tests.support.images import Layout, layer_tar, noise


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Environment variables for every client."""
    return private_environment(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="session")
def dockerd():
    """A docker daemon, with its containerd, for all tests."""
    with Dockerd() as daemon:
        yield daemon


@pytest.fixture
def docker(dockerd, environment):
    """The docker command, and a daemon without images."""
    program = Program("docker", {**environment, "DOCKER_HOST": dockerd.host})
    forget_images(program)
    yield program
    forget_images(program)


@pytest.fixture
def ctr(dockerd, environment, repository):
    """containerd's ctr, in a namespace of this test; the namespace and all its content are removed afterwards."""
    namespace = repository.replace("/", "-")[:76]
    program = Program("ctr", environment, ("--address", str(dockerd.containerd), "--namespace", namespace))
    yield program
    forget_content(program)
    program("namespaces", "remove", namespace)


@pytest.fixture
def store():
    """Makes the options that give podman or buildah an empty store; the stores are removed afterwards."""
    with contextlib.ExitStack() as stack:

        def make() -> tuple[str, ...]:
            # Not below pytest's directories: podman takes 50 characters for the second path.
            root = stack.enter_context(tempfile.TemporaryDirectory(prefix="store-"))
            return ("--root", f"{root}/root", "--runroot", f"{root}/run", "--storage-driver", "vfs")

        yield make


@pytest.fixture
def podman(environment, store):
    """podman over an empty store."""
    return Program("podman", environment, (*store(), "--cgroup-manager", "cgroupfs"))


@pytest.fixture
def another_podman(environment, store):
    """podman over another empty store: a second machine."""
    return Program("podman", environment, (*store(), "--cgroup-manager", "cgroupfs"))


@pytest.fixture
def buildah(environment, store):
    """buildah over an empty store."""
    return Program("buildah", environment, store())


@pytest.fixture
def another_buildah(environment, store):
    """buildah over another empty store."""
    return Program("buildah", environment, store())


@pytest.fixture
def skopeo(environment):
    return Program("skopeo", environment)


@pytest.fixture
def crane(environment):
    return Program("crane", environment)


@pytest.fixture
def regctl(environment, registry):
    return Program("regctl", environment, after=("--host", f"reg={registry.address},tls=disabled"))


@pytest.fixture
def helm(environment):
    return Program("helm", environment)


@pytest.fixture
def oras(environment):
    return Program("oras", environment)


@pytest.fixture(autouse=True, scope="module")
def consistent(registry):
    """After the tests of a module, what the clients left behind is whole."""
    yield
    checked = registry.prepare("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.fixture
def proxy(registry):
    """A proxy before the registry that counts and cuts."""
    with Proxy(registry.address) as proxy:
        yield proxy


@pytest.fixture
def repository(request) -> str:
    """A repository of this test's own."""
    return "clients/" + re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


@pytest.fixture
def target(registry, repository) -> str:
    """That repository as clients spell it: address and name."""
    return f"{registry.address}/{repository}"


@pytest.fixture
def layers(request) -> list[bytes]:
    """Two uncompressed layers that no other test has, so that no client knows them from before."""
    seed = zlib.crc32(request.node.nodeid.encode())
    return [layer_tar({"hello": noise(20_000, seed)}), layer_tar({"second": noise(50_000, seed + 1)})]


@pytest.fixture
def layout(tmp_path):
    """An empty OCI layout."""
    return Layout(tmp_path / "layout")


@pytest.fixture
def image(layout, layers):
    """An image in that layout, tagged v1; its descriptor."""
    found = layout.image(layers)
    layout.tag("v1", found)
    return found


@pytest.fixture
def index(layout, layers):
    """An index over three platforms in that layout, tagged v1; its descriptor."""
    children = [
        layout.image([*layers, layer_tar({"arch": name.encode()})], name) for name in ("amd64", "arm64", "s390x")
    ]
    found = layout.index(children)
    layout.tag("v1", found)
    return found
