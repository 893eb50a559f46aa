"""Tags, manifests and comparisons by the API: what they tell, to whom, and by the page."""

from __future__ import annotations

import json

import pytest

from tests.protocol.test_repository_pages import LABELS, push, push_index
from tests.support.api import Api
from tests.support.http import OCI_MANIFEST, descriptor, digest_of
from tests.support.people import People, basic
from tests.support.server import Registry, wait_for

APP, OPEN = "/repositories/acme%2Fapp", "/repositories/open%2Fapp"


@pytest.fixture(scope="module")
def pushed(tmp_path_factory):
    """(registry, digests by name). ann administers, bob owns acme and open, dan is nobody. open/app is public."""
    with Registry(tmp_path_factory.mktemp("images") / "data", 1, auth_anonymous="pull") as registry:
        people, digests = People(registry), {}
        people.add("ann", "bob", "dan")
        for words in ("user promote ann", "org add acme --owner bob", "org add open --owner bob"):
            people.command(*words.split())
        with people.as_user("bob") as bob:
            digests["v1.9"], _ = push(bob, "acme/app", "v1.9", b"first")
            digests["v1.10"], body = push(bob, "acme/app", "v1.10", b"second layer", Cmd=["serve"])
            digests["latest"] = push_index(bob, "acme/app", "latest")
            digests["signature"] = sign(bob, "acme/app", body)
            digests["public"], _ = push(bob, "open/app", "v1", b"first", Cmd=["serve"])
            push(bob, "open/app", "stable", b"first", Cmd=["serve"])
        people.command("repository", "set", "open/app", "--public")
        yield registry, digests
    assert "Traceback" not in registry.log.read_text(), registry.tail()


def sign(client, repository: str, subject: bytes) -> str:
    """Attach a signature to a manifest; its digest."""
    layer = b"signed"
    for data in (b"{}", layer):
        client.push_blob(repository, data)
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json",
            "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [descriptor(layer, "text/plain")],
            "subject": descriptor(subject, OCI_MANIFEST),
        }
    ).encode()
    path = f"/v2/{repository}/manifests/{digest_of(body)}"
    client.request("PUT", path, {"Content-Type": OCI_MANIFEST}, body).expect(201)
    return digest_of(body)


@pytest.fixture
def bob(pushed):
    with Api(pushed[0].address, basic("bob")) as client:
        yield client


@pytest.fixture
def dan(pushed):
    with Api(pushed[0].address, basic("dan")) as client:
        yield client


def names(answer) -> list[str]:
    return [tag["name"] for tag in answer.expect(200).json()["items"]]


def test_tags_with_their_facts(pushed, bob):
    digests = pushed[1]
    found = bob.call("GET", f"{APP}/tags").expect(200).json()
    assert (found["count"], found["total"], found["tools"], found["complete"]) == (
        3,
        3,
        0,
        True,
    ) and "next" not in found
    latest, newer, older = found["items"]
    assert [tag["name"] for tag in found["items"]] == ["latest", "v1.10", "v1.9"]
    assert latest["digest"] == digests["latest"] and latest["facts"]["kind"] == "index"
    assert latest["facts"]["platforms"] == ["linux/amd64", "linux/arm64"]
    assert newer["attached"] == ["signature"] and older["attached"] == []
    assert newer["own_size"] == len(b"second layer") and newer["facts"]["size"] > newer["own_size"]
    assert newer["pushed_by"] == "user bob" and newer["same_tags"] == []


def test_tags_are_filtered_sorted_and_read_by_the_page(bob):
    # Facts, by which tags are filtered and sorted, are stored soon after the push.
    wait_for(lambda: len(names(bob.call("GET", f"{APP}/tags?sort=size"))) == 3, 10, "facts of three manifests")
    assert names(bob.call("GET", f"{APP}/tags?sort=name")) == ["v1.9", "v1.10", "latest"]
    assert names(bob.call("GET", f"{APP}/tags?sort=name&direction=down&q=v1*")) == ["v1.10", "v1.9"]
    assert names(bob.call("GET", f"{APP}/tags?platform=linux/arm64")) == ["latest"]
    assert names(bob.call("GET", f"{APP}/tags?kind=charts")) == []
    assert names(bob.call("GET", f"{APP}/tags?sort=name&at=v1.10")) == ["v1.10", "latest"]
    for sort in ("pushed", "name", "size"):
        for direction in ("up", "down"):
            path = f"{APP}/tags?sort={sort}&direction={direction}"
            assert [tag["name"] for tag in bob.all(path, 1)] == names(bob.call("GET", path))
    for wrong in ("after=nothing", "sort=size&at=large", "at=yesterday"):
        bob.call("GET", f"{APP}/tags?{wrong}").expect(422)
    for wrong in ("sort=age", "direction=left", "limit=101", "q=%00"):
        bob.call("GET", f"{APP}/tags?{wrong}").expect(400)


def test_who_pushed_is_told_to_members_and_administrators(pushed, bob, dan):
    shown = [client.call("GET", f"{OPEN}/tags/v1").expect(200).json()["tag"]["pushed_by"] for client in (bob, dan)]
    assert shown == ["user bob", None]
    assert {tag["pushed_by"] for tag in dan.all(f"{OPEN}/tags")} == {None}
    with Api(pushed[0].address, basic("ann")) as ann:
        assert ann.call("GET", f"{OPEN}/tags/v1").expect(200).json()["tag"]["pushed_by"] == "user bob"


def test_what_one_may_not_see_is_not_there(pushed, dan):
    for path in ("/tags", "/tags/v1.9", f"/manifests/{pushed[1]['v1.9']}", "/comparison?from=v1.9&to=v1.10"):
        assert dan.call("GET", APP + path).expect(404).code() == "NAME_UNKNOWN"
    for other in ("acme/app:v1.9", "acme/nothing:v1"):
        assert dan.call("GET", f"{OPEN}/comparison?from=v1&to={other}").expect(404).code() == "NAME_UNKNOWN"


def test_one_image_in_full(pushed, bob):
    digests = pushed[1]
    found = bob.call("GET", f"{APP}/tags/v1.10").expect(200).json()
    by_digest = bob.call("GET", f"{APP}/manifests/{digests['v1.10']}").expect(200).json()
    assert by_digest == {**found, "tag": None}
    assert (found["digest"], found["kind"], found["tags"]) == (digests["v1.10"], "image", ["v1.10"])
    image = found["image"]
    assert [(layer["size"], layer["own"]) for layer in image["layers"]] == [(len(b"second layer"), True)]
    assert [(step["command"], step["layer"]) for step in image["history"]] == [
        ("ADD rootfs /", 1),
        ('CMD ["sh"]', None),
    ]
    assert image["config"]["cmd"] == ["serve"] and image["config"]["env"] == ["APP=1"]
    assert image["config"]["labels"] == LABELS and image["config"]["ports"] == ["8080/tcp"]
    assert [(each["kind"], each["digest"], each["to"]) for each in found["attached"]] == [
        ("signature", digests["signature"], digests["v1.10"])
    ]
    bob.call("GET", f"{APP}/tags/v9").expect(404)
    bob.call("GET", f"{APP}/manifests/{digest_of(b'nothing')}").expect(404)


def test_a_platform_of_an_index_is_chosen(bob):
    usual, other = (
        bob.call("GET", f"{APP}/tags/latest{query}").expect(200).json() for query in ("", "?platform=linux/arm64")
    )
    assert [each["platform"] for each in usual["platforms"]] == ["linux/amd64", "linux/arm64"]
    assert usual["image"]["platform"] == "linux/amd64" and other["image"]["platform"] == "linux/arm64"
    assert other["image"]["digest"] == other["platforms"][1]["digest"]
    child = bob.call("GET", f"{APP}/manifests/{other['image']['digest']}").expect(200).json()
    assert child["indexes"] == [usual["digest"]]


def test_what_is_attached_comes_by_the_page(pushed):
    """52 signatures of one image: a page has 50."""
    registry = pushed[0]
    with People(registry).as_user("bob") as client, Api(registry.address, basic("bob")) as bob:
        _, body = push(client, "acme/signed", "v1", b"first")
        client.push_blob("acme/signed", b"{}")
        made = {attach(client, "acme/signed", body, number) for number in range(52)}
        found, following = [], "/api/v1/repositories/acme%2Fsigned/tags/v1"
        while following:
            page = bob.get(following).expect(200).json()
            assert len(page["attached"]) <= 50
            found += [each["digest"] for each in page["attached"]]
            following = page.get("next")
        assert len(found) == 52 and set(found) == made


def attach(client, repository: str, subject: bytes, number: int) -> str:
    body = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": "application/spdx+json",
            "config": descriptor(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [descriptor(b"{}", "application/vnd.oci.empty.v1+json")],
            "subject": descriptor(subject, OCI_MANIFEST),
            "annotations": {"number": str(number)},
        }
    ).encode()
    path = f"/v2/{repository}/manifests/{digest_of(body)}"
    client.request("PUT", path, {"Content-Type": OCI_MANIFEST}, body).expect(201)
    return digest_of(body)


def test_two_images_are_compared(pushed, bob):
    digests = pushed[1]
    found = bob.call("GET", f"{APP}/comparison?from=v1.9&to=v1.10").expect(200).json()
    assert (found["from"]["digest"], found["to"]["digest"]) == (digests["v1.9"], digests["v1.10"])
    assert not found["same"] and found["common_layers"] == [] and found["to_pull"] == found["to"]["size"]
    assert found["configuration"] == [{"change": "added", "name": "cmd", "before": None, "after": "serve"}]
    assert found["environment"] == [] and found["equal"]["environment"] == 1
    assert [(each["before"], each["after"]) for each in found["layers"]] == [(5, 12)]
    same = bob.call("GET", f"{APP}/comparison?from=v1.9&to={digests['v1.9']}").expect(200).json()
    assert same["same"] and same["to_pull"] == 0
    other = bob.call("GET", f"{APP}/comparison?from=v1.9&to=open/app:v1").expect(200).json()
    assert other["to"]["repository"] == "open/app" and len(other["common_layers"]) == 1
    both = bob.call("GET", f"{APP}/comparison?from=latest&to=latest&platform=linux/arm64").expect(200).json()
    assert both["platforms"] == ["linux/amd64", "linux/arm64"]


def test_what_can_not_be_compared_is_said(pushed, bob):
    for wrong in ("from=v1.9&to=.x", "from=v1.9&to=acme/app", f"from=v1.9&to={pushed[1]['signature']}"):
        bob.call("GET", f"{APP}/comparison?{wrong}").expect(422)
    bob.call("GET", f"{APP}/comparison?from=v1.9").expect(400)
    bob.call("GET", f"{APP}/comparison?from=v1.9&to=v9").expect(404)


def test_a_token_that_pulls_nothing_sees_nothing_of_images(pushed):
    registry, digests = pushed
    secret = People(registry).command("token", "add", "bob", "--name", "settings", "--actions", "admin")
    with Api(registry.address, basic("bob", secret)) as client:
        client.call("GET", APP).expect(200)
        for path in ("/tags", "/tags/v1.9", f"/manifests/{digests['v1.9']}", "/comparison?from=v1.9&to=v1.10"):
            assert "scope" in client.call("GET", APP + path).expect(403).json()["errors"][0]["message"]
        client.call("GET", f"{OPEN}/tags/v1").expect(200)
        client.call("GET", f"{OPEN}/comparison?from=v1&to=acme/app:v1.9").expect(404)


def test_manifests_without_a_tag_are_listed_for_those_who_may_delete_them(pushed, bob, dan):
    with People(pushed[0]).as_user("bob") as client:
        made = [push(client, "acme/moved", "v1", layer)[0] for layer in (b"one", b"two", b"three")]
    path = "/repositories/acme%2Fmoved/untagged"
    found = bob.all(path, 1)
    assert [each["digest"] for each in found] == sorted(made[:2])
    assert {each["facts"]["kind"] for each in found} == {"image"} and found[0]["pushed_at"] > 0
    bob.call("GET", f"{path}?after=x").expect(400)
    assert dan.call("GET", path).expect(404).code() == "NAME_UNKNOWN"
    dan.call("GET", f"{OPEN}/untagged").expect(403)


def test_what_happened_lately(pushed, bob, dan):
    with People(pushed[0]).as_user("bob") as client:
        for tag in ("fresh", "fresh", "gone"):
            push(client, "open/lately", tag, tag.encode(), Cmd=[tag])
    People(pushed[0]).command("repository", "set", "open/lately", "--public")
    bob.call("DELETE", "/repositories/open%2Flately/tags/gone").expect(204)
    found = bob.call("GET", "/lately").expect(200).json()["items"]
    newest = found[0]
    assert (newest["deed"], newest["repository"], newest["tag"]) == ("deleted", "open/lately", "gone")
    assert newest["actor"] == "user bob"
    assert len(found) <= 8 and len({each["repository"] for each in found}) == len(found)
    seen = dan.call("GET", "/lately").expect(200).json()["items"]
    assert {each["repository"].partition("/")[0] for each in seen} == {"open"}
    assert {each["actor"] for each in seen} == {None}
