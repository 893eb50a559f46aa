"""/v1/_ping, /v1/_status and /v1/search: the answers that docker and podman read, and what each one finds."""

import json

import pytest

from tests.protocol import wire
from tests.support.http import Client
from tests.support.people import As, People, basic
from tests.support.server import Registry

EMPTY = {"num_results": 0, "num_pages": 0, "page": 1, "page_size": 25, "results": []}
TYPES = {"name": str, "description": str, "star_count": int, "is_official": bool, "is_automated": bool}


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """bob owns acme; ann administers. Each repository has something of "shop" in its name or description."""
    with Registry(tmp_path_factory.mktemp("v1") / "data", 1, auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob", "eve", "off")
        people.command("user", "promote", "ann")
        people.command("org", "add", "acme", "--owner", "bob")
        with As(registry.address, people.shown("ann")) as ann:
            for name in (
                "shop",
                "acme/shop-web",
                "acme/my-shop",
                "acme/secret-shop",
                "acme/web",
                "acme/a_b",
                "acme/axb",
            ):
                ann.push_image(name, "v1")
        for name in ("shop", "acme/shop-web", "acme/my-shop", "acme/web"):
            people.command("repository", "set", name, "--public", "--description", "The SHOP's <b>façade</b>")
        yield registry


@pytest.fixture
def people(registry):
    return People(registry)


@pytest.fixture
def client(registry):
    with Client(registry.address) as client:
        yield client


def names(answer) -> list[str]:
    return [item["name"] for item in answer.expect(200).json()["results"]]


def flat(answer, status: int) -> str:
    """The text of an error of v1, after checking its form."""
    answer.expect(status)
    assert answer.headers["Content-Type"] == "application/json" and answer.headers["Cache-Control"] == "no-cache"
    told = answer.json()
    assert list(told) == ["error"] and len(told["error"]) > 20
    return told["error"]


@pytest.mark.parametrize("path", ["/v1/_ping", "/v1/_ping/", "/_ping"])
def test_ping(registry, path):
    for method, body in (("GET", b"{}"), ("HEAD", b""), ("OPTIONS", b"{}")):
        answer = wire.request(registry.address, method, path).expect(200)
        assert (answer.body, answer.headers["X-Docker-Registry-Standalone"]) == (body, "True")
        assert answer.headers["Content-Type"] == "application/json"
    assert wire.request(registry.address, "PUT", path).expect(405).headers["Allow"] == "GET, HEAD"


def test_status(client):
    told = client.get("/v1/_status").expect(200).json()
    assert told == {"services": ["database", "storage"], "failures": {}}


def test_status_names_what_fails(tmp_path):
    with Registry(tmp_path / "data", 1, auth_anonymous="push") as registry, Client(registry.address) as client:
        (tmp_path / "data" / "blobs").rename(tmp_path / "elsewhere")
        told = client.get("/v1/_status").expect(503).json()
        assert list(told["failures"]) == ["storage"] and str(tmp_path) not in json.dumps(told)
        (tmp_path / "elsewhere").rename(tmp_path / "data" / "blobs")
        client.get("/v1/_status").expect(200)


def test_names_come_before_descriptions_and_stars_count_within(registry, client, people):
    expected = ["acme/shop-web", "shop", "acme/my-shop", "acme/web"]
    assert names(client.get("/v1/search?q=shop")) == expected
    with As(registry.address, people.shown("eve")) as eve:
        eve.request("PUT", "/api/v1/account/stars/shop").expect(204)
        found = eve.get("/v1/search?q=Shop").expect(200).json()
    assert [item["name"] for item in found["results"]] == ["shop", "acme/shop-web", "acme/my-shop", "acme/web"]
    assert [item["star_count"] for item in found["results"]] == [1, 0, 0, 0]


def test_the_fields_have_the_types_that_docker_reads(client):
    found = client.get("/v1/search?q=shop").expect(200).json()
    assert (found["query"], found["num_results"]) == ("shop", 4)
    for item in found["results"]:
        assert {name: type(value) for name, value in item.items()} == TYPES
        assert item["is_official"] is (item["name"] == "shop") and item["is_automated"] is False
        assert item["description"] == "The SHOP's <b>façade</b>"


def test_everybody_finds_what_they_may_pull(registry, client, people):
    assert names(client.get("/v1/search?q=secret")) == []
    for who, found in (("eve", []), ("bob", ["acme/secret-shop"]), ("ann", ["acme/secret-shop"])):
        assert names(client.get("/v1/search?q=secret", basic(who))) == found
        for scope in ("registry:catalog:search", "repository:acme/secret-shop:pull"):
            assert names(client.get("/v1/search?q=secret", people.bearer(basic(who), scope))) == found
        assert names(client.get("/v1/search?q=secret", people.bearer(basic(who), "repository:shop:pull"))) == []
    narrow = basic("bob", people.command("token", "add", "bob", "--name", "web", "--repositories", "acme/web"))
    assert names(client.get("/v1/search?q=secret", narrow)) == []
    assert names(client.get("/v1/search?q=secret", people.bearer(narrow, "registry:catalog:search"))) == []


def test_a_token_for_searching_is_for_nothing_else(client, people):
    shown = people.bearer(basic("ann"), "registry:catalog:search")
    client.get("/v2/acme/secret-shop/manifests/v1", shown).expect(401)
    client.get("/v2/_catalog", shown).expect(401)
    client.get("/api/v1/users", shown).expect(401, 403)
    for scope, granted in (("registry:catalog:search,*", "registry:catalog:search"), ("registry:other:search", "")):
        assert people.token(basic("eve"), scope).json()["scope"] == granted
    assert people.token(basic("ann"), "registry:catalog:search,*").json()["scope"] == "registry:catalog:*,search"


def test_what_was_typed_is_literal(client):
    shown = basic("ann")
    assert names(client.get("/v1/search?q=a_b", shown)) == ["acme/a_b"]
    assert names(client.get("/v1/search?q=%25", shown)) == names(client.get("/v1/search?q=|", shown)) == []
    assert names(client.get("/v1/search?q=library/shop", shown)) == names(client.get("/v1/search?q=shop", shown))
    assert names(client.get("/v1/search?q=acme/sh")) == ["acme/shop-web"]
    assert len(names(client.get("/v1/search", shown))) == 7


def test_pages(client):
    whole, found = names(client.get("/v1/search?q=shop")), []
    for page in (1, 2, 3):
        told = client.get(f"/v1/search?q=shop&n=2&page={page}").expect(200).json()
        assert [told[name] for name in ("num_results", "num_pages", "page", "page_size")] == [4, 2, page, 2]
        found += [item["name"] for item in told["results"]]
    assert found == whole
    assert client.get("/v1/search?q=none").expect(200).json() == {**EMPTY, "query": "none"}
    assert client.get("/v1/search?q=shop&n=101").json()["page_size"] == 100


@pytest.mark.parametrize(
    ("query", "part"),
    [("n=0", "n: "), ("n=x", "n: "), ("n=-1", "n: "), ("page=0", "page: "), ("page=1234567", "page: "),
     ("n=1&n=2", "n more than once"), ("q=" + "a" * 513, "512"), ("q=%ff", "UTF-8")],
)  # fmt: skip
def test_what_cannot_be_asked(client, query, part):
    assert part in flat(client.get(f"/v1/search?{query}"), 400)


def test_refusals_have_the_form_of_v1(registry, client):
    wrong = client.get("/v1/search?q=shop", basic("bob", "wrong horse"))
    assert "name or password" in flat(wrong, 401)
    assert wrong.headers["WWW-Authenticate"].startswith("Basic realm=")
    assert "no such path" in flat(client.get("/v1/nothing"), 404)
    assert flat(client.request("BREW", "/v1/search"), 405)
    assert flat(client.get("/v1/search?q=" + "a" * 9000), 414)
    assert client.get("/v1/search?q=shop", {"Authorization": "Basic Og=="}).status == 200


def test_only_who_may_pull_searches(registry, client):
    registry.stop()
    registry.configure(auth_anonymous="none")
    registry.start()
    assert "log in" in flat(client.get("/v1/search?q=shop"), 401)
    assert len(names(client.get("/v1/search?q=shop", basic("eve")))) == 4
    client.get("/v1/_ping").expect(200)
    registry.stop()
    registry.configure(auth_anonymous="pull", server_apis="v2,api")
    registry.start()
    assert list(client.get("/v1/search?q=shop").expect(404).json()) == ["errors"]
    registry.stop()
    registry.configure(server_apis="v2,v1,api,ui")
    registry.start()
