"""The pages of a repository: what they show, to whom, in both languages."""

import json
import re

import pytest

from tests.support.http import OCI_INDEX, OCI_MANIFEST, descriptor, digest_of
from tests.support.people import People
from tests.support.server import Registry
from tests.support.visitor import Visitor

LABELS = {"org.opencontainers.image.licenses": "Apache-2.0", "org.opencontainers.image.source": "https://e.example/a"}


def config(architecture: str, **run) -> bytes:
    return json.dumps(
        {
            "os": "linux",
            "architecture": architecture,
            "created": "2026-11-28T09:11:52Z",
            "config": {"Env": ["APP=1"], "Labels": LABELS, "ExposedPorts": {"8080/tcp": {}}, **run},
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + "0" * 64]},
            "history": [
                {"created_by": "/bin/sh -c #(nop) ADD rootfs / "},
                {"created_by": '/bin/sh -c #(nop)  CMD ["sh"]', "empty_layer": True},
            ],
        }
    ).encode()


def push(client, repository: str, tag: str, layer: bytes, architecture: str = "amd64", **run) -> tuple[str, bytes]:
    """An image of one layer; digest and bytes of its manifest."""
    made = config(architecture, **run)
    for data in (made, layer):
        client.push_blob(repository, data)
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(made, "application/vnd.oci.image.config.v1+json"),
            "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
        }
    ).encode()
    reference = tag or digest_of(body)
    client.request("PUT", f"/v2/{repository}/manifests/{reference}", {"Content-Type": OCI_MANIFEST}, body).expect(201)
    return digest_of(body), body


def push_index(client, repository: str, tag: str) -> str:
    """An index of two platforms."""
    children = []
    for name in ("amd64", "arm64"):
        _, body = push(client, repository, "", name.encode() * 100, name)
        children.append(descriptor(body, OCI_MANIFEST, platform={"os": "linux", "architecture": name}))
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}).encode()
    client.request("PUT", f"/v2/{repository}/manifests/{tag}", {"Content-Type": OCI_INDEX}, body).expect(201)
    return digest_of(body)


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """ann administers, bob owns acme, dan is nobody. acme/app is private, open/app public."""
    with Registry(tmp_path_factory.mktemp("pages") / "data", 1, auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob", "dan")
        for words in ("user promote ann", "org add acme --owner bob", "org add open --owner bob"):
            people.command(*words.split())
        with people.as_user("bob") as bob:
            push(bob, "acme/app", "v1", b"first")
            push(bob, "acme/app", "v2", b"second", Cmd=["serve"])
            push_index(bob, "acme/app", "latest")
            push(bob, "open/app", "v1", b"first")
        people.command("repository", "set", "open/app", "--public")
        yield registry


@pytest.fixture
def bob(registry):
    return Visitor(registry.address).sign_in("bob")


@pytest.fixture
def nobody(registry):
    return Visitor(registry.address)


def test_the_overview_shows_how_to_get_it(registry, bob):
    page = bob.open("/r/acme/app").expect(200)
    host = registry.address.removeprefix("http://")
    assert f"docker pull {host}/acme/app:latest" in page.text.replace("​", "") or "docker pull" in page.text
    assert "Private" in page.text and "linux/amd64, linux/arm64" in page.text and "Apache-2.0" in page.text
    assert 'rel="noopener noreferrer nofollow">e.example/a</a>' in page.html
    assert "/r/acme/app:v2" in page.links
    assert "acme/app:v1" in bob.open("/r/acme/app?tag=v1").html.replace("<wbr>", "")
    assert "has no tag v9" in bob.open("/r/acme/app?tag=v9").expect(404).text


def test_what_one_may_not_see_does_not_exist(registry, nobody):
    dan = Visitor(registry.address).sign_in("dan")
    for visitor in (nobody, dan):
        hidden, missing = (visitor.open(f"/r/acme/{name}").expect(404) for name in ("app", "abc"))
        shown, other = (re.sub(r"Request \S+", "", page.text) for page in (hidden, missing))
        assert shown.replace("acme/app", "acme/abc") == other
        visitor.open("/r/open/app").expect(200)


def test_in_chinese(bob):
    page = bob.open("/r/acme/app", {"Accept-Language": "zh-CN"}).expect(200)
    assert "最近推送" in page.text and 'lang="zh-Hans"' in page.html
