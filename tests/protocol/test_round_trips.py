"""How many statements reach MySQL for a pull and for a push: each is a round trip, and on a far database they are what
a request costs.
"""

from __future__ import annotations

import pytest

from tests.support import mariadb
from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.mysql_proxy import MySQLProxy
from tests.support.people import As, People, basic
from tests.support.server import Registry

pytestmark = [pytest.mark.nodes, pytest.mark.alone]


@pytest.fixture(scope="module")
def proxy():
    with MySQLProxy(mariadb.shared().port) as made:
        yield made


@pytest.fixture(scope="module")
def client(proxy, tmp_path_factory):
    """A client of a registry that works on MySQL through the proxy, and that has nothing else to do."""
    server = mariadb.shared()
    url = server.url(server.make(), proxy.port)
    with Registry(
        tmp_path_factory.mktemp("trips") / "data", workers=1, database_url=url, gc_interval=86400
    ) as registry:
        with Client(registry.address) as made:
            made.push_image("trips/app", "v1", [b"layer"])
            yield made


@pytest.fixture
def statements(proxy, client):
    """statements(fn): what fn() came to, and the statements that it sent."""

    def count(fn):
        proxy.seen.clear()
        result = fn()
        return result, [statement.split(b" ", 1)[0].decode() for statement in proxy.seen]

    return count


def test_a_pull_is_one_question_a_request(client, statements):
    """Who may do what with the repository now, and what there is, in one statement."""
    manifest, asked = statements(lambda: client.get("/v2/trips/app/manifests/v1").expect(200))
    assert asked == ["SELECT"]
    digest = manifest.json()["layers"][0]["digest"]
    _, asked = statements(lambda: client.get(f"/v2/trips/app/blobs/{digest}").expect(200))
    assert asked == ["SELECT"] * 2, (
        "the bytes are asked for when it is decided who may have them, until they are in memory"
    )
    for method, target in (("HEAD", "manifests/v1"), ("GET", f"blobs/{digest}"), ("HEAD", f"blobs/{digest}")):
        assert statements(lambda: client.request(method, f"/v2/trips/app/{target}").expect(200))[1] == ["SELECT"], (
            method
        )


def test_what_concerns_no_repository_is_one_question_too(client, statements):
    client.get("/v2/").expect(200)
    assert statements(lambda: client.get("/v2/").expect(200))[1] == ["SELECT"]


def test_what_a_push_takes(client, statements):
    """The numbers that docs/databases.md tells: a small blob in four requests, then a manifest that refers to three
    things.
    """
    data = b"small, and new"
    blob = f"/v2/trips/app/blobs/{digest_of(data)}"
    taken = {}
    _, taken["HEAD"] = statements(lambda: client.request("HEAD", blob).expect(404))
    location, taken["POST"] = statements(lambda: client.start_upload("trips/app"))
    answer, taken["PATCH"] = statements(
        lambda: client.request("PATCH", location, {"Content-Type": OCTETS}, data).expect(202)
    )
    end = with_query(answer.headers["Location"], digest=digest_of(data))
    _, taken["PUT"] = statements(lambda: client.request("PUT", end).expect(201))
    manifest = {**client.get("/v2/trips/app/manifests/v1").json(), "annotations": {"another": "one"}}
    _, taken["manifest"] = statements(lambda: client.push_manifest("trips/app", "v2", manifest))
    assert {name: len(asked) for name, asked in taken.items()} == {
        "HEAD": 1,
        "POST": 4,
        "PATCH": 5,
        "PUT": 9,
        "manifest": 10,
    }, taken


def test_only_a_namespace_with_a_quota_pays_for_it(proxy, statements, tmp_path):
    """bob's pushes take what everyone's take until there is a quota: then two statements more, and a count of all now
    and then.
    """
    server = mariadb.shared()
    with Registry(
        tmp_path / "data", workers=1, database_url=server.url(server.make(), proxy.port), gc_interval=86400
    ) as registry:
        people = People(registry)
        people.add("bob")
        secret = people.command("token", "add", "bob", "--name", "ci")
        with As(registry.address, basic("bob", secret)) as bob:
            bob.push_image("bob/app", "v1", [b"layer"])
            taken = {}
            for name in ("without", "first", "second"):
                data = name.encode()
                location, post = statements(lambda: bob.start_upload("bob/app"))
                end = with_query(location, digest=digest_of(data))
                _, put = statements(lambda: bob.request("PUT", end, {"Content-Type": OCTETS}, data).expect(201))
                taken[name] = len(post), len(put)
                if name == "without":
                    people.command("user", "quota", "bob", "--bytes", "1MiB")
                    bob.get("/v2/").expect(200)
    assert (taken["without"], taken["second"]) == ((4, 10), (4, 12))


def test_a_token_for_many_repositories_asks_for_all_of_them_at_once(client, statements):
    scopes = "&".join(f"scope=repository:trips/app{number}:pull" for number in range(99))
    client.get("/token").expect(200)
    told, asked = statements(lambda: client.get(f"/token?{scopes}&scope=repository:trips/app:pull").expect(200))
    assert told.json()["scope"].count("pull") == 100
    assert len(asked) <= 8, asked
