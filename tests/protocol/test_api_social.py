"""Stars, comments, READMEs, categories and deprecation by the API."""

from __future__ import annotations

import pytest

from tests.support.api import Api
from tests.support.people import People, basic

APP, HIDDEN = "/repositories/acme%2Fapp", "/repositories/acme%2Fhidden"


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """bob owns acme; dan is nobody, and may pull acme/app."""
    with deploy(tmp_path_factory.mktemp("social") / "data", auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob", "dan")
        for words in ("user promote ann", "org add acme --owner bob", "robot add acme/ci"):
            people.command(*words.split())
        with People(registry).as_user("bob") as client:
            for name in ("acme/app", "acme/hidden"):
                client.push_image(name, "v1")
        people.command("repository", "set", "acme/app", "--public")
        yield registry


@pytest.fixture
def bob(registry):
    with Api(registry.address, basic("bob")) as client:
        yield client


@pytest.fixture
def dan(registry):
    with Api(registry.address, basic("dan")) as client:
        yield client


def test_stars(bob, dan):
    for _ in range(2):
        dan.call("PUT", "/account/stars/acme%2Fapp").expect(204)
    bob.call("PUT", "/account/stars/acme%2Fapp").expect(204)
    found = dan.call("GET", APP).expect(200).json()
    assert (found["stars"], found["starred"], found["comments"]) == (2, True, 0)
    assert [item["name"] for item in dan.all("/account/stars")] == ["acme/app"]
    bob.call("PUT", "/account/stars/acme%2Fhidden").expect(204)
    assert [item["name"] for item in bob.all("/account/stars", 1)] == ["acme/app", "acme/hidden"]
    dan.call("DELETE", "/account/stars/acme%2Fapp").expect(204)
    found = dan.call("GET", APP).expect(200).json()
    assert (found["stars"], found["starred"]) == (1, False)
    assert dan.call("PUT", "/account/stars/acme%2Fhidden").expect(404).code() == "NAME_UNKNOWN"


def test_stars_on_what_one_may_not_pull_any_more_are_taken_away(registry, bob, dan):
    people = People(registry)
    for name in ("acme/app", "acme/hidden"):
        people.command("repository", "set", name, "--public")
        dan.call("PUT", f"/account/stars/{name.replace('/', '%2F')}").expect(204)
    people.command("repository", "set", "acme/hidden", "--private")
    before = bob.call("GET", HIDDEN).expect(200).json()["stars"]
    dan.call("DELETE", "/account/hidden-stars").expect(204)
    assert bob.call("GET", HIDDEN).expect(200).json()["stars"] == before - 1
    assert [item["name"] for item in dan.all("/account/stars")] == ["acme/app"]
    dan.call("DELETE", "/account/stars/acme%2Fapp").expect(204)


def test_comments(bob, dan):
    made = dan.call("POST", f"{APP}/comments", {"text": "works <b>well</b>"}).expect(201)
    comment = made.json()
    assert comment["author"] == "dan" and comment["text"] == "works <b>well</b>" and comment["edited_at"] is None
    assert made.headers["Location"] == f"/api/v1{APP}/comments/{comment['id']}"
    answer = bob.call("POST", f"{APP}/comments", {"text": "thanks"}).expect(201).json()
    assert [item["text"] for item in dan.all(f"{APP}/comments", 1)] == ["thanks", "works <b>well</b>"]
    one = f"{APP}/comments/{comment['id']}"
    bob.call("PATCH", one, {"text": "no"}).expect(403)
    assert dan.call("PATCH", one, {"text": "works"}).expect(200).json()["text"] == "works"
    assert dan.call("DELETE", f"{APP}/comments/{answer['id']}").expect(403).code() == "DENIED"
    bob.call("DELETE", one).expect(204)
    bob.call("DELETE", f"{APP}/comments/{answer['id']}").expect(204)
    assert dan.call("DELETE", one).expect(404).code() == "NAME_UNKNOWN"
    assert dan.call("GET", f"{APP}/comments").expect(200).json() == {"items": []}
    dan.call("POST", f"{HIDDEN}/comments", {"text": "hello"}).expect(404)
    dan.call("GET", f"{HIDDEN}/comments").expect(404)
    dan.call("POST", f"{APP}/comments", {"text": "字" * 2000}).expect(422)
    dan.call("POST", f"{APP}/comments", {"text": " "}).expect(422)
    dan.call("POST", f"{APP}/comments", {"text": ""}).expect(400)


def test_a_robot_and_a_limited_token_write_no_comments_and_give_no_stars(registry):
    people = People(registry)
    secret = people.command("robot", "rotate", "acme/ci")
    token = people.command("token", "add", "bob", "--name", "puller", "--actions", "pull")
    for shown in (basic("acme/ci", secret), basic("bob", token)):
        with Api(registry.address, shown) as client:
            client.call("GET", f"{APP}/comments").expect(200)
            client.call("POST", f"{APP}/comments", {"text": "hello"}).expect(403)
            client.call("PUT", "/account/stars/acme%2Fapp").expect(403)
            client.call("PUT", f"{APP}/readme", {"text": "hello"}).expect(403)


def test_a_readme_of_512_kib(bob, dan):
    assert dan.call("GET", f"{APP}/readme").expect(200).json() == dict.fromkeys(
        ("text", "source", "updated_at", "referrer", "label")
    )
    longest = "# 标题\n" + "字" * 174759
    assert len(longest.encode()) == (512 << 10) - 2
    bob.call("PUT", f"{APP}/readme", {"text": longest}).expect(204)
    found = dan.call("GET", f"{APP}/readme").expect(200).json()
    assert found["text"] == longest and found["source"] == "repository" and found["updated_at"] > 0
    bob.call("PUT", f"{APP}/readme", {"text": longest + "\n\n\n"}).expect(422)
    dan.call("PUT", f"{APP}/readme", {"text": "mine"}).expect(403)
    dan.call("PUT", f"{HIDDEN}/readme", {"text": "mine"}).expect(404)
    bob.call("PUT", f"{APP}/readme", {"text": ""}).expect(204)
    assert dan.call("GET", f"{APP}/readme").expect(200).json()["text"] is None


def test_categories_and_deprecation(bob, dan):
    notice = {"text": "use acme/hidden", "replacement": "acme/hidden"}
    found = bob.call("PATCH", APP, {"categories": ["web", "databases"], "deprecation": notice}).expect(200).json()
    assert found["categories"] == ["databases", "web"] and found["deprecation"] == notice
    assert dan.call("GET", APP).expect(200).json()["deprecation"] == notice
    for sort in ("name", "stars"):
        (found,) = dan.all(f"/repositories?category=web&sort={sort}")
        assert found["name"] == "acme/app" and found["tags"] == 1 and "tags_count" not in found
    assert dan.all("/repositories?category=we") == []
    found = bob.call("PATCH", APP, {"deprecation": {"text": "old"}}).expect(200).json()
    assert found["deprecation"] == {"text": "old", "replacement": None}
    found = bob.call("PATCH", APP, {"categories": [], "deprecation": None}).expect(200).json()
    assert found["categories"] == [] and found["deprecation"] is None
    for refused in ({"categories": ["A"]}, {"categories": list("abcdef")}, {"categories": "web"}, {"deprecation": {}}):
        bob.call("PATCH", APP, refused).expect(400)
    dan.call("PATCH", APP, {"categories": ["web"]}).expect(403)
