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
    assert f"docker pull {host}/acme/app:latest" in page.html.replace("<wbr>", "")
    assert "Private" in page.text and "linux/amd64, linux/arm64" in page.text and "Apache-2.0" in page.text
    assert 'rel="noopener noreferrer nofollow">e.example/<wbr>a</a>' in page.html
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


@pytest.mark.parametrize("path", ["", "/-/tags", ":latest", "/-/access", "/-/settings"])
def test_a_page_names_the_same_thing_in_the_api(registry, bob, path):
    html = bob.open(f"/r/acme/app{path}").expect(200).html
    address = re.search(r'<link rel="alternate" type="application/json" href="([^"]+)">', html)[1]
    with People(registry).as_user("bob") as client:
        client.get(address).expect(200)


def test_in_chinese(bob):
    page = bob.open("/r/acme/app", {"Accept-Language": "zh-CN"}).expect(200)
    assert "最近推送" in page.text and 'lang="zh-Hans"' in page.html


def test_tags_are_listed_and_filtered(bob, nobody):
    page = bob.open("/r/acme/app/-/tags").expect(200)
    assert [link for link in page.links if link.startswith("/r/acme/app:")] == [
        f"/r/acme/app:{name}" for name in ("latest", "v2", "v1")
    ]
    assert "2 platforms" in page.text and ", bob" in page.text
    assert "/r/acme/app:v2" in bob.open("/r/acme/app/-/tags?q=v*&sort=name-up").links
    nothing = bob.open("/r/acme/app/-/tags?q=nothing").expect(200)
    assert "3 tags were looked through" in nothing.text
    for query in ("sort=up", "kind=x", "rows=7", "at=yesterday", "after=x"):
        bob.open(f"/r/acme/app/-/tags?{query}").expect(400)
    shown = nobody.open("/r/open/app/-/tags").expect(200)
    assert "bob" not in shown.text and ", open" in shown.text, "who pushed is for members"
    assert not [button for form in shown.forms for button in form.buttons if button[1] in ("delete", "copy")]


def test_what_is_done_with_chosen_tags(registry, bob):
    with People(registry).as_user("bob") as client:
        for tag in ("d1", "d2", "d3"):
            push(client, "acme/done", tag, tag.encode())
    page = bob.open("/r/acme/done/-/tags")
    sent = bob.submit(page, action="/-/tags", do="compare", tag=["d1", "d2"], follow=False)
    assert sent.response.headers["Location"].endswith("/r/acme/done/-/compare?from=d2&to=d1")
    wrong = bob.submit(page, action="/-/tags", do="compare", tag=["d1", "d2", "d3"]).expect(422)
    assert "you chose 3" in wrong.text and 'value="d2" checked' in wrong.html
    asked = bob.submit(page, action="/-/tags", do="copy", tag=["d1"]).expect(200)
    assert "d1" in bob.submit(asked, field="name", name="d9").expect(200).text
    assert "/r/acme/done:d9" in bob.open("/r/acme/done/-/tags").links
    bob.submit(asked, field="name", name="d2").expect(422, 403)
    preview = bob.submit(page, action="/-/tags", do="delete", tag=["d1", "d2"]).expect(200)
    assert "the image keeps d9" in preview.text and "last tag of this image" in preview.text
    with People(registry).as_user("bob") as client:
        push(client, "acme/done", "d2", b"another")
    again = bob.submit(preview, field="expected").expect(200)
    assert "has moved meanwhile" in again.text
    done = bob.submit(again, field="expected").expect(200)
    assert "2 tags are deleted" in done.text
    assert not {"/r/acme/done:d1", "/r/acme/done:d2"} & set(done.links)


def test_who_may_not_delete_gets_nowhere(registry):
    dan = Visitor(registry.address).sign_in("dan")
    page = dan.open("/r/open/app/-/tags").expect(200)
    for deed, status in (("delete", 403), ("copy", 403), ("nothing", 422)):
        dan.submit(page, action="/-/tags", do=deed, tag=["v1"], name="x").expect(status)
    dan.send("POST", "/r/acme/app/-/tags", {"_csrf": page.form(action="/-/tags").fields[0][1], "tag": "v1"}).expect(404)


def test_one_tag_in_full(bob):
    page = bob.open("/r/acme/app:latest").expect(200)
    assert "image for 2 platforms" in page.text and "Layers and history of linux/amd64" in page.text
    for part in ("ADD rootfs /", 'CMD ["sh"]', "no layer", "8080/tcp", "APP=1", "Apache-2.0", "only here"):
        assert part in page.text, part
    assert "Layers and history of linux/arm64" in bob.open("/r/acme/app:latest?platform=linux/arm64").text
    digest = next(link for link in page.links if link.endswith("/-/manifest")).partition("@")[2].partition("/")[0]
    by_digest = bob.open(f"/r/acme/app@{digest}").expect(200)
    assert "The same image is tagged" in by_digest.text
    raw = bob.open(f"/r/acme/app@{digest}/-/manifest").expect(200).response
    assert digest_of(raw.body) == digest and raw.headers["Content-Disposition"].startswith("attachment")
    other = bob.open(f"/r/acme/app:v1@{digest}").expect(200)
    assert "v1 is now another image" in other.text
    missing = bob.open("/r/acme/app:v9").expect(404)
    assert "has no v9" in missing.text and "/r/acme/app:v1" in missing.links


def test_artifacts_and_broken_configs(registry, bob):
    with People(registry).as_user("bob") as client:
        for data in (b"{}", b"\xff not JSON", b"a file"):
            client.push_blob("acme/odd", data)
        title = {"org.opencontainers.image.title": "<b>file</b>.txt"}
        files = [descriptor(b"a file", "text/plain", annotations=title)]
        artifact = {
            "schemaVersion": 2,
            "artifactType": "application/vnd.acme",
            "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": files,
        }
        broken = {
            "schemaVersion": 2,
            "config": descriptor(b"\xff not JSON", "application/vnd.oci.image.config.v1+json"),
            "layers": files,
        }
        for tag, document in (("files", artifact), ("broken", broken)):
            body = json.dumps(document).encode()
            client.request("PUT", f"/v2/acme/odd/manifests/{tag}", {"Content-Type": OCI_MANIFEST}, body).expect(201)
    page = bob.open("/r/acme/odd:files").expect(200)
    assert "<b>file</b>.txt" in page.text and "<b>file" not in page.html and "oras pull" in page.text
    assert "can't be read" in bob.open("/r/acme/odd:broken").expect(200).text


def test_two_images_compared(registry, bob, nobody):
    page = bob.open("/r/acme/app/-/compare?from=v1&to=v2").expect(200)
    assert "Who has v1 still pulls" in page.text and '["serve"]' not in page.text and ">serve<" in page.html
    assert "They are the same image" in bob.open("/r/acme/app/-/compare?from=v1&to=v1").text
    both = bob.open("/r/acme/app/-/compare?from=v1&to=latest&platform=linux/arm64").expect(200)
    assert "changed" in both.text
    other = bob.open("/r/acme/app/-/compare?from=v1&to=open/app:v1").expect(200)
    assert "They are the same image" in other.text
    for text in ("v9", "acme/none:v1", "Not-A:Reference:x", "docker pull acme/app:none"):
        assert bob.open(f"/r/acme/app/-/compare?from=v1&to={text.replace(' ', '%20')}").status == 404
    hidden, missing = (
        nobody.open(f"/r/open/app/-/compare?from=v1&to=acme/{name}:v1").expect(404).text for name in ("app", "abc")
    )
    assert re.sub(r"Request \S+", "", hidden.replace("acme/app", "acme/abc")) == re.sub(r"Request \S+", "", missing)
