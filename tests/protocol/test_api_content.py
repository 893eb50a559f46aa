"""Deleting by the API: a tag, a manifest, a whole repository."""

from __future__ import annotations

import pytest

from tests.support.http import digest_of
from tests.support.people import As, People, basic

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """ann administers, bob owns acme, cid may write there and dan is nobody."""
    with deploy(tmp_path_factory.mktemp("content") / "data", auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob", "cid", "dan")
        for words in ("user promote ann", "org add acme --owner bob", "grant add acme/** --to user:cid --right write"):
            people.command(*words.split())
        yield registry


@pytest.fixture
def bob(registry):
    with People(registry).as_user("bob") as client:
        yield client


def test_a_tag_and_a_manifest(registry, bob):
    digest = bob.push_image("acme/app", "v1", [b"layer"])
    bob.push_image("acme/app", "v2", [b"layer"])
    place = "/api/v1/repositories/acme%2Fapp"
    with People(registry).as_user("cid") as cid, People(registry).as_user("dan") as dan:
        for path in (f"{place}/tags/v1", f"{place}/manifests/{digest}", place):
            assert "needs the right admin" in cid.delete(path).expect(403).body.decode()
            assert dan.delete(path).expect(404).code() == "NAME_UNKNOWN"
    bob.delete(f"{place}/tags/v1").expect(204)
    bob.get("/v2/acme/app/manifests/v1").expect(404)
    bob.get("/v2/acme/app/manifests/v2").expect(200)
    bob.delete(f"{place}/tags/v1").expect(404)
    bob.delete(f"{place}/manifests/{digest}").expect(204)
    bob.get("/v2/acme/app/manifests/v2").expect(404)
    for path in (
        f"{place}/manifests/{digest}",
        f"{place}/manifests/v1",
        f"{place}/tags/-",
        f"{place}/manifests/{digest_of(b'no')}",
    ):
        bob.delete(path).expect(404)


def test_what_an_index_needs_stays_and_goes_with_the_whole(registry, bob):
    child = bob.push_image("acme/index", "v1", [b"layer"])
    index = bob.push_index("acme/index", "all", [child])
    place = "/api/v1/repositories/acme%2Findex"
    assert index in bob.delete(f"{place}/manifests/{child}").expect(409).body.decode()
    bob.delete(place).expect(204)
    for path in (f"/v2/acme/index/manifests/{child}", "/v2/acme/index/tags/list", place):
        bob.get(path).expect(404)
    bob.delete(place).expect(404)
    with People(registry).as_user("ann") as ann:
        (event,) = (
            ann.get("/api/v1/audit?object=repository%20acme/index&action=repository.delete").expect(200).json()["items"]
        )
        assert "acme/index" not in ann.get("/v2/_catalog").expect(200).json()["repositories"]
    assert (event["actor"], event["detail"]) == ("user bob", {"tags": 2, "manifests": 2})
    bob.push_image("acme/index", "v1", [b"layer"])
    assert bob.get("/v2/acme/index/tags/list").expect(200).json()["tags"] == ["v1"]


def test_a_token_for_deleting_deletes_content_and_no_settings(registry, bob):
    people = People(registry)
    bob.push_image("acme/tokens", "v1", [b"layer"])
    for name, actions in (("delete", "pull,delete"), ("admin", "admin"), ("both", "admin,delete")):
        with As(
            registry.address,
            basic("bob", people.command("token", "add", "bob", "--name", f"c-{name}", "--actions", actions)),
        ) as token:
            token.delete("/api/v1/repositories/acme%2Ftokens/tags/v2").expect(403 if name == "admin" else 404)
            token.delete("/api/v1/repositories/acme%2Ftokens").expect(204 if name == "both" else 403)


def test_a_deleted_organization_comes_back(registry):
    people = People(registry)
    people.command("org", "add", "brief", "--owner", "dan")
    with people.as_user("dan") as dan, people.as_user("ann") as ann:
        dan.delete("/api/v1/organizations/brief").expect(204)
        ann.get("/api/v1/organizations/brief").expect(404)
        restore = ("POST", "/api/v1/organizations/brief/restore", {"Content-Type": "application/json"}, b"{}")
        dan.request(*restore).expect(403)
        assert ann.request(*restore).expect(200).json()["name"] == "brief"
        assert [
            member["user"] for member in dan.get("/api/v1/organizations/brief/members").expect(200).json()["items"]
        ] == ["dan"]
        ann.request(*restore).expect(404)
