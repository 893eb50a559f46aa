"""The pages of a repository: what they show, to whom, in both languages."""

import json
import re
from html import unescape

import pytest

from dockboard_registry.web.ui.pages.tags import MOST_DELETED
from tests.support.http import OCI_INDEX, OCI_MANIFEST, descriptor, digest_of
from tests.support.people import As, People, basic
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
    missing = bob.open("/r/acme/app?tag=v9").expect(404)
    assert "has no tag v9" in missing.text and "/r/acme/app?tag=v1" in missing.links


def test_what_one_may_not_see_does_not_exist(registry, nobody):
    dan = Visitor(registry.address).sign_in("dan")
    for visitor in (nobody, dan):
        hidden, missing = (visitor.open(f"/r/acme/{name}").expect(404) for name in ("app", "abc"))
        shown, other = (re.sub(r"Request \S+", "", page.text) for page in (hidden, missing))
        assert shown.replace("acme/app", "acme/abc") == other
        visitor.open("/r/open/app").expect(200)


@pytest.mark.parametrize(
    "path",
    ["", "/-/tags", ":latest", "/-/access", "/-/settings", "/-/untagged", "/-/compare?from=latest&to=latest"],
)
def test_a_page_names_the_same_thing_in_the_api(registry, bob, path):
    html = bob.open(f"/r/acme/app{path}").expect(200).html
    address = re.search(r'<link rel="alternate" type="application/json" href="([^"]+)">', html)[1]
    with People(registry).as_user("bob") as client:
        client.get(unescape(address)).expect(200)


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


def test_all_tags_that_a_filter_finds_are_deleted_after_a_preview(registry, bob):
    with People(registry).as_user("bob") as client:
        _, body = push(client, "acme/tidy", "keep", b"layer")
        names = [f"t{at:03}" for at in range(MOST_DELETED + 1)]
        for first in range(0, len(names), 10):
            query = "&".join(f"tag={name}" for name in names[first : first + 10])
            path = f"/v2/acme/tidy/manifests/{digest_of(body)}?{query}"
            client.request("PUT", path, {"Content-Type": OCI_MANIFEST}, body).expect(201)
        page = bob.open("/r/acme/tidy/-/tags?q=t*").expect(200)
        assert "all 501 that the filter finds" in page.text
        refused = bob.submit(page, action="q=t%2A", do="delete", all="1").expect(422)
        assert "more than 500 tags" in refused.text and 'value="t*"' in refused.html and "t500" in refused.text
        page = bob.open("/r/acme/tidy/-/tags?q=t1*").expect(200)
        preview = bob.submit(page, action="/-/tags?q=t1%2A", do="delete", all="1").expect(200)
        assert "Delete 100 tags?" in preview.text and "These are all 100 tags that the filter finds now" in preview.text
        client.request("PUT", "/v2/acme/tidy/manifests/t1x", {"Content-Type": OCI_MANIFEST}, body).expect(201)
    again = bob.submit(preview, field="expected").expect(200)
    assert "has moved meanwhile" in again.text and "Delete 101 tags?" in again.text
    assert "The first 100 are listed" in again.text
    done = bob.submit(again, field="expected").expect(200)
    assert "101 tags are deleted" in done.text
    assert "No tag is found" in bob.open("/r/acme/tidy/-/tags?q=t1*").text
    assert "/r/acme/tidy:keep" in bob.open("/r/acme/tidy/-/tags?sort=own-down&q=keep").links
    assert "/r/acme/tidy:t000" in bob.open("/r/acme/tidy/-/tags?sort=pulled-up&q=t00*").links


def test_manifests_without_a_tag_are_listed_and_deleted(registry, bob, nobody):
    with People(registry).as_user("bob") as client:
        old, _ = push(client, "acme/moved", "v1", b"old")
        other, _ = push(client, "acme/moved", "v1", b"other")
        push(client, "acme/moved", "v1", b"new")
        tags = bob.open("/r/acme/moved/-/tags?kind=untagged").expect(200)
        assert tags.response.path == "/r/acme/moved/-/untagged"
        assert {f"/r/acme/moved@{old}", f"/r/acme/moved@{other}"} < set(tags.links)
        assert "you chose 0" in bob.submit(tags, action="/-/untagged", do="delete").expect(422).text
        preview = bob.submit(tags, action="/-/untagged", do="delete", manifest=[old, other]).expect(200)
        assert "Delete 2 manifests?" in preview.text and old in preview.text
        kept = client.request("GET", f"/v2/acme/moved/manifests/{other}").expect(200).body
        client.request("PUT", "/v2/acme/moved/manifests/kept", {"Content-Type": OCI_MANIFEST}, kept).expect(201)
        done = bob.submit(preview, field="digests").expect(200)
        assert "1 manifest is deleted; 1 stayed" in done.text and "Every manifest has a tag" in done.text
        client.request("GET", f"/v2/acme/moved/manifests/{old}").expect(404)
        client.request("GET", "/v2/acme/moved/manifests/kept").expect(200)
    assert "untagged" not in nobody.open("/r/open/app/-/tags").html
    for query in ("after=x", "after=sha256:1"):
        bob.open(f"/r/acme/moved/-/untagged?{query}").expect(400)
    bob.submit(preview, field="digests", digests="../x").expect(400, 422)


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


def put(client, repository: str, tag: str, config: tuple[bytes, str], *files: dict, **more) -> str:
    """A manifest of this config and these files, which the repository has; its digest."""
    document = {"schemaVersion": 2, "config": descriptor(*config), "layers": files, **more}
    body = json.dumps(document).encode()
    reference = tag or digest_of(body)
    client.request("PUT", f"/v2/{repository}/manifests/{reference}", {"Content-Type": OCI_MANIFEST}, body).expect(201)
    return digest_of(body)


def test_what_is_inside_of_charts_and_artifacts(registry, bob):
    chart = json.dumps({"name": "web", "appVersion": "2.8", "home": "https://e.example/<b>"}).encode()
    statement = b'{"subject": "<b>it</b>"}'
    with People(registry).as_user("bob") as client:
        for data in (chart, b"\x1f\x8b packed", statement, b"{}"):
            client.push_blob("acme/inside", data)
        packed = descriptor(b"\x1f\x8b packed", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
        put(client, "acme/inside", "chart", (chart, "application/vnd.cncf.helm.config.v1+json"), packed)
        subject = put(client, "acme/inside", "v1", (b"{}", "application/vnd.oci.image.config.v1+json"))
        file = descriptor(statement, "application/json", annotations={"org.opencontainers.image.title": "proof.json"})
        about = {"mediaType": OCI_MANIFEST, "digest": subject, "size": 10}
        empty = (b"{}", "application/vnd.oci.empty.v1+json")
        put(client, "acme/inside", "proof", empty, file, artifactType="application/vnd.acme.proof", subject=about)
    page = bob.open("/r/acme/inside:chart").expect(200)
    assert "Chart.yaml" in page.text and "Version of the application" in page.text and "helm pull" in page.text
    assert "https://e.example/<b>" in page.links and "<b>it" not in page.html
    page = bob.open("/r/acme/inside:proof").expect(200)
    assert "proof.json" in page.text and statement.decode() in page.text and "<b>it" not in page.html
    assert "application/vnd.acme.proof" in page.text and f"/r/acme/inside@{subject}" in page.links


def brought(text: str, referrer: str | None = None, label: str | None = None) -> dict[str, str | None]:
    """What the API answers of a README that an image brings along."""
    return {"text": text, "source": "image", "updated_at": None, "referrer": referrer, "label": label}


def test_an_image_brings_its_readme_along(registry, bob):
    text, empty = b"# From a <i>referrer</i>\n\n*works*\n", (b"{}", "application/vnd.oci.empty.v1+json")
    with People(registry).as_user("bob") as client:
        digest, body = push(
            client,
            "acme/readme",
            "v1",
            b"layer",
            Labels={"org.opencontainers.image.documentation": "data:text/plain,from%20a%20label"},
        )
        page = bob.open("/r/acme/readme").expect(200)
        assert "from a label" in page.text and "From the label org.opencontainers.image.documentation" in page.text
        assert "Documentation" not in page.text
        for data in (b"{}", text):
            client.push_blob("acme/readme", data)
        about = descriptor(body, OCI_MANIFEST)
        put(
            client,
            "acme/readme",
            "",
            empty,
            descriptor(text, "application/vnd.x"),
            artifactType="application/vnd.x",
            subject=about,
        )
        assert "From a" not in bob.open("/r/acme/readme").text
        in_api = "/api/v1/repositories/acme%2Freadme/readme"
        found = client.get(in_api).expect(200).json()
        assert found == brought("from a label", label="org.opencontainers.image.documentation")
        kind = "application/vnd.acme.README.v1"
        readme = put(
            client, "acme/readme", "", empty, descriptor(text, "text/markdown"), artifactType=kind, subject=about
        )
        assert client.get(in_api).expect(200).json() == brought(text.decode(), referrer=readme)
    secret = People(registry).command("token", "add", "bob", "--name", "settings", "--actions", "admin")
    with As(registry.address, basic("bob", secret)) as client:
        assert client.get(in_api).expect(200).json()["text"] is None
    page = bob.open("/r/acme/readme").expect(200)
    assert "From a <i>referrer</i>" in page.text and "<em>works</em>" in page.html and "from a label" not in page.text
    assert f"/r/acme/readme@{readme}" in page.links and "Write one" in page.text
    page = bob.open("/r/acme/readme/-/readme").expect(200)
    bob.submit(page, field="text", text="# Written", do="save").expect(200)
    page = bob.open("/r/acme/readme").expect(200)
    assert "Written" in page.text and "From a" not in page.text


def test_what_is_missing_of_an_image_is_named(registry, bob):
    layer = b"a layer that is a file in the store" * 1000
    with People(registry).as_user("bob") as client:
        push(client, "acme/lost", "v1", layer)
        assert "can't be pulled" not in bob.open("/r/acme/lost:v1").expect(200).text
        (file,) = [each for each in registry.root.rglob("*") if each.is_file() and each.read_bytes() == layer]
        file.write_bytes(layer[:-1])
        assert "has another size than what was pushed" in bob.open("/r/acme/lost:v1").expect(200).text
        file.unlink()
        page = bob.open("/r/acme/lost:v1").expect(200)
        assert "A part of this is missing" in page.text and digest_of(layer)[7:19] in page.text
        push(client, "acme/lost", "v1", layer + b" ")
    assert "can't be pulled" not in bob.open("/r/acme/lost:v1").expect(200).text


def test_packages_of_two_images_are_compared_where_both_have_an_sbom(registry, bob):
    empty, kind = (b"{}", "application/vnd.oci.empty.v1+json"), "application/vnd.cyclonedx+json"

    def sbom(client, body: bytes, **versions: str) -> None:
        components = [{"type": "library", "name": name, "version": version} for name, version in versions.items()]
        data = json.dumps({"bomFormat": "CycloneDX", "components": components}).encode()
        for blob in (b"{}", data):
            client.push_blob("acme/bom", blob)
        put(
            client,
            "acme/bom",
            "",
            empty,
            descriptor(data, kind),
            artifactType=kind,
            subject=descriptor(body, OCI_MANIFEST),
        )

    with People(registry).as_user("bob") as client:
        _, first = push(client, "acme/bom", "v1", b"first")
        _, second = push(client, "acme/bom", "v2", b"second")
        sbom(client, first, zlib="1.2", curl="8.1", bash="5")
        compare = "/r/acme/bom/-/compare?from=v1&to=v2"
        assert "SBOMs name them" not in bob.open(compare).expect(200).text
        in_api = "/api/v1/repositories/acme%2Fbom/comparison?from=v1&to=v2"
        assert client.get(in_api).expect(200).json()["packages"] is None
        sbom(client, second, zlib="1.3", openssl="3.1", bash="5")
        found = client.get(in_api).expect(200).json()["packages"]
    assert (found["equal"], found["omitted"]) == (1, 0)
    changed = {"change": "changed", "name": "zlib", "before": "1.2", "after": "1.3"}
    assert len(found["differences"]) == 3 and changed in found["differences"]
    page = bob.open(compare).expect(200)
    text = " ".join(re.sub("<[^>]*>", " ", page.html).split())
    assert "as the attached SBOMs name them" in text and "3 changes, 1 the same" in text
    for part in ("changed zlib 1. 2 1. 3", "removed curl 8.1", "added openssl 3.1"):
        assert part in text, part
    assert "SBOMs name them" not in bob.open("/r/acme/bom/-/compare?from=v1&to=v1").text


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
