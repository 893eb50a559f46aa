"""How many statements reach MySQL for a pull and for a push: each is a round trip, and on a far database they are what
a request costs.

Statements of jobs come in between, and a request that took longer than a second asks again who may do what. So each
request is made three times, and the fewest statements count.
"""

from __future__ import annotations

from functools import partial

import pytest

from tests.support import mariadb
from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.mysql_proxy import MySQLProxy
from tests.support.people import As, People, basic
from tests.support.server import Registry

pytestmark = [pytest.mark.nodes, pytest.mark.alone]
ROUNDS = 3


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


@pytest.fixture
def fewest(statements):
    """The same of three calls of fn(): the one that sent the fewest statements."""
    return lambda fn: min((statements(fn) for _ in range(ROUNDS)), key=lambda found: len(found[1]))


def test_a_pull_is_one_question_a_request(client, fewest):
    """Who may do what with the repository now, and what there is, in one statement."""
    manifest, asked = fewest(lambda: client.get("/v2/trips/app/manifests/v1").expect(200))
    assert asked == ["SELECT"]
    digest = manifest.json()["layers"][0]["digest"]
    unread = iter([client.push_blob("trips/app", b"unread %d" % number) for number in range(ROUNDS)])
    _, asked = fewest(lambda: client.get(f"/v2/trips/app/blobs/{next(unread)}").expect(200))
    assert asked == ["SELECT"] * 2, (
        "the bytes are asked for when it is decided who may have them, until they are in memory"
    )
    for method, target in (("HEAD", "manifests/v1"), ("GET", f"blobs/{digest}"), ("HEAD", f"blobs/{digest}")):
        assert fewest(lambda: client.request(method, f"/v2/trips/app/{target}").expect(200))[1] == ["SELECT"], method


def test_what_concerns_no_repository_is_one_question_too(client, fewest):
    client.get("/v2/").expect(200)
    assert fewest(lambda: client.get("/v2/").expect(200))[1] == ["SELECT"]


def test_what_a_push_takes(client, statements):
    """The numbers that docs/databases.md tells: a small blob in four requests, then a manifest that refers to three
    things.
    """
    rounds = [push_in_steps(client, statements, number) for number in range(ROUNDS)]
    assert {name: min(taken[name] for taken in rounds) for name in rounds[0]} == {
        "HEAD": 1,
        "POST": 4,
        "PATCH": 5,
        "PUT": 9,
        "manifest": 10,
    }, rounds


def push_in_steps(client: Client, statements, number: int) -> dict[str, int]:
    """Push a blob and a manifest. Returns how many statements each request sent."""
    data = b"small, and new: %d" % number
    blob = f"/v2/trips/app/blobs/{digest_of(data)}"
    taken = {}
    _, taken["HEAD"] = statements(lambda: client.request("HEAD", blob).expect(404))
    location, taken["POST"] = statements(lambda: client.start_upload("trips/app"))
    answer, taken["PATCH"] = statements(
        lambda: client.request("PATCH", location, {"Content-Type": OCTETS}, data).expect(202)
    )
    end = with_query(answer.headers["Location"], digest=digest_of(data))
    _, taken["PUT"] = statements(lambda: client.request("PUT", end).expect(201))
    manifest = {**client.get("/v2/trips/app/manifests/v1").json(), "annotations": {"number": str(number)}}
    _, taken["manifest"] = statements(lambda: client.push_manifest("trips/app", f"new{number}", manifest))
    return {name: len(asked) for name, asked in taken.items()}


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
            without = fewest_of_uploads(bob, statements, "without")
            people.command("user", "quota", "bob", "--bytes", "1MiB")
            bob.get("/v2/").expect(200)
            bob.push_blob("bob/app", b"counts everything")
            assert (without, fewest_of_uploads(bob, statements, "with")) == ((4, 10), (4, 12))


def fewest_of_uploads(client: Client, statements, name: str) -> tuple[int, int]:
    """The fewest statements that the POST and the PUT of an upload sent."""
    posts, puts = [], []
    for number in range(ROUNDS):
        data = f"{name} {number}".encode()
        location, post = statements(lambda: client.start_upload("bob/app"))
        end = with_query(location, digest=digest_of(data))
        answer, put = statements(partial(client.request, "PUT", end, {"Content-Type": OCTETS}, data))
        answer.expect(201)
        posts.append(len(post))
        puts.append(len(put))
    return min(posts), min(puts)


def test_a_token_for_many_repositories_asks_for_all_of_them_at_once(client, fewest):
    scopes = "&".join(f"scope=repository:trips/app{number}:pull" for number in range(99))
    client.get("/token").expect(200)
    told, asked = fewest(lambda: client.get(f"/token?{scopes}&scope=repository:trips/app:pull").expect(200))
    assert told.json()["scope"].count("pull") == 100
    assert len(asked) <= 8, asked
