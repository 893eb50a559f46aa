"""Open upload sessions: nobody takes all of them, those without bytes end soon, and people see and end them by command
and API.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.api import Api
from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.people import As, People, basic

SHARE = 818
NEW = "/v2/{}/blobs/uploads/"


def shown(registry, name: str) -> dict[str, str]:
    return People(registry).shown(name)


@pytest.fixture
def registry(deploy, tmp_path):
    """ann administers; every other limit is as it is by default."""
    with deploy(tmp_path / "data", auth_anonymous="none", server_trusted_proxies=["127.0.0.1/32"]) as registry:
        People(registry).add("ann", "bob", "mallory")
        People(registry).command("user", "promote", "ann")
        yield registry


def opened(client: Client, repository: str, most: int) -> Counter:
    """The statuses of so many POSTs, up to the first refusal."""
    statuses: Counter = Counter()
    for _ in range(most):
        answer = client.request("POST", NEW.format(repository))
        statuses[answer.status] += 1
        if answer.status != 202:
            assert (
                answer.status == 429 and answer.code() == "TOOMANYREQUESTS" and int(answer.headers["Retry-After"]) > 0
            )
            break
    return statuses


def all_that_one_can(registry, name: str, repository: str) -> int:
    """How many sessions one user opens on four connections at once, who goes on asking after the refusal."""

    def work(_: int) -> Counter:
        with As(registry.address, shown(registry, name)) as client:
            return opened(client, repository, 10_000) + opened(client, repository, 1)

    with ThreadPoolExecutor(4) as threads:
        return sum(threads.map(work, range(4)), Counter())[202]


def pushes(client: Client, repository: str, data: bytes) -> None:
    """A blob in each of the ways, which take a session each."""
    client.request(
        "POST", with_query(NEW.format(repository), digest=digest_of(data)), {"Content-Type": OCTETS}, data
    ).expect(201)
    location = (
        client.request("PATCH", client.start_upload(repository), {"Content-Type": OCTETS}, [data]).expect(202).location
    )
    client.request("PUT", with_query(location, digest=digest_of(data))).expect(201)


@pytest.mark.database
def test_one_user_takes_a_part_of_the_sessions_and_others_push(registry):
    taken = all_that_one_can(registry, "mallory", "mallory/app")
    assert SHARE <= taken <= SHARE + 8
    with As(registry.address, shown(registry, "mallory")) as mallory:
        answer = mallory.request("POST", NEW.format("mallory/app")).expect(429)
        assert "your share of the 10000" in answer.json()["errors"][0]["message"]
        one_piece = with_query(NEW.format("mallory/app"), digest=digest_of(b"x"))
        mallory.request("POST", one_piece, {"Content-Type": OCTETS}, b"x").expect(429)
    for name in ("bob", "ann"):
        with As(registry.address, shown(registry, name)) as client:
            pushes(client, f"{name}/app", os.urandom(50_000))
            assert opened(client, f"{name}/app", 300) == {202: 300}
    # What one ends is free at once.
    people = People(registry)
    assert people.command("uploads", "drop", "--owner", "mallory") == f"dropped {taken} of {taken} uploads"
    with As(registry.address, shown(registry, "mallory")) as mallory:
        pushes(mallory, "mallory/app", b"all is well again")


def test_without_credentials_a_network_has_a_share(deploy, tmp_path):
    with deploy(
        tmp_path / "data", auth_anonymous="push", server_trusted_proxies=["127.0.0.1/32"], server_open_uploads=100
    ) as registry:
        shares = {}
        for address in ("192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:1::2"):
            with As(registry.address, {"X-Forwarded-For": address}) as client:
                shares[address] = opened(client, "app", 100)[202]
        # The two of one /64 have one share together.
        assert list(shares.values()) == [8, 7, 6, 0]


@pytest.mark.database
def test_robot_accounts_share_with_their_organization(registry):
    people = People(registry)
    people.command("org", "add", "acme", "--owner", "bob")
    clients = []
    for name in ("acme/one", "acme/two"):
        secret = people.command("robot", "add", name)
        people.command("grant", "add", "acme/**", "--to", f"robot:{name}", "--right", "write")
        clients.append(As(registry.address, basic(name, secret)))
    one, two = clients
    assert opened(one, "acme/app", 10_000)[202] == SHARE
    assert opened(two, "acme/app", 1) == {429: 1}
    with As(registry.address, shown(registry, "bob")) as bob:
        pushes(bob, "acme/app", b"people have a share of their own")
    for client in clients:
        client.close()


@pytest.mark.database
def test_many_who_act_together_leave_places(deploy, tmp_path):
    """Forty networks that take all they can: the next one has places, too."""
    with deploy(
        tmp_path / "data", auth_anonymous="push", server_trusted_proxies=["127.0.0.1/32"], server_open_uploads=1000
    ) as registry:
        taken = []
        for number in range(40):
            with As(registry.address, {"X-Forwarded-For": f"198.51.100.{number}"}) as client:
                taken.append(opened(client, "app", 1000)[202])
        assert taken[0] == 81 and min(taken) >= 3 and sum(taken) < 1000
        with As(registry.address, {"X-Forwarded-For": "203.0.113.1"}) as client:
            pushes(client, "app", os.urandom(50_000))


def test_sessions_without_bytes_end_where_the_places_are_needed(deploy, tmp_path):
    with (
        deploy(tmp_path / "data", server_open_uploads=3, gc_empty_upload_expiry=1) as registry,
        Client(registry.address) as client,
    ):
        begun = client.start_upload("app")
        begun = client.request("PATCH", begun, {"Content-Type": OCTETS}, b"bytes").expect(202).location
        empty = [client.start_upload("app") for _ in range(2)]
        client.request("POST", NEW.format("app")).expect(429)
        time.sleep(1.2)
        client.start_upload("app")
        for location in empty:
            client.get(location).expect(404)
        client.request("PUT", with_query(begun, digest=digest_of(b"bytes"))).expect(201)


def test_the_collector_drops_sessions_without_bytes_after_minutes(deploy, tmp_path):
    with deploy(tmp_path / "data") as registry, Client(registry.address) as client:
        begun = (
            client.request("PATCH", client.start_upload("app"), {"Content-Type": OCTETS}, b"bytes").expect(202).location
        )
        empty = client.start_upload("app")
        assert json.loads(registry.prepare("gc", "--json").stdout)["uploads"] == 0
        registry.configure(gc_empty_upload_expiry=0)
        assert json.loads(registry.prepare("gc", "--json").stdout)["uploads"] == 1
        client.get(empty).expect(404)
        client.get(begun).expect(204)


def test_uploads_are_listed_and_dropped_by_command(registry):
    people = People(registry)
    with (
        As(registry.address, shown(registry, "bob")) as bob,
        As(registry.address, shown(registry, "mallory")) as mallory,
    ):
        location = (
            bob.request("PATCH", bob.start_upload("bob/app"), {"Content-Type": OCTETS}, os.urandom(300_000))
            .expect(202)
            .location
        )
        other, third = bob.start_upload("bob/other"), mallory.start_upload("mallory/app")
        listed = json.loads(people.command("uploads", "list", "--json"))
        assert {(found["repository"], found["owner"], int(found["size"])) for found in listed} == {
            ("bob/app", "user bob", 300_000), ("bob/other", "user bob", 0), ("mallory/app", "user mallory", 0),
        }  # fmt: skip
        assert "bob/app" in people.command("uploads", "list", "--owner", "bob", "--repository", "bob/app")
        assert len(json.loads(people.command("uploads", "list", "--owner", "mallory", "--json"))) == 1
        (id,) = [found["id"] for found in listed if found["repository"] == "bob/app"]
        assert people.command("uploads", "drop", id) == "dropped 1 of 1 upload"
        bob.get(location).expect(404)
        assert not [name for _, _, names in os.walk(registry.root / "blobs") for name in names], "its bytes are gone"
        assert registry.prepare("uploads", "drop", id).returncode == 1
        refused = registry.prepare("uploads", "drop")
        assert refused.returncode == 2 and "--owner" in refused.stderr
        bob.get(other).expect(204)
        assert people.command("uploads", "drop", "--all") == "dropped 2 of 2 uploads"
        for client, gone in ((bob, other), (mallory, third)):
            client.get(gone).expect(404)
    assert {
        event["action"] for event in map(json.loads, people.command("audit", "--json", "--limit", "3").splitlines())
    } == {"upload.drop"}


def test_the_api_lists_and_drops_ones_own_and_all_for_administrators(registry):
    with (
        Api(registry.address, shown(registry, "bob")) as bob,
        Api(registry.address, shown(registry, "mallory")) as mallory,
        Api(registry.address, shown(registry, "ann")) as ann,
    ):
        locations = [bob.start_upload("bob/app") for _ in range(3)]
        mallory.start_upload("mallory/app")
        page = bob.call("GET", "/uploads?limit=2").expect(200).json()
        rest = bob.get(page["next"]).expect(200).json()
        ids = [found["id"] for found in page["items"] + rest["items"]]
        assert {found["ends_at"] - found["updated_at"] for found in page["items"]} == {600_000}
        assert "next" not in rest and len(ids) == 3 and all(id in "".join(locations) for id in ids)
        assert {found["owner"] for found in ann.call("GET", "/uploads").expect(200).json()["items"]} == {
            "user bob",
            "user mallory",
        }
        assert len(ann.call("GET", "/uploads?repository=mallory/app").expect(200).json()["items"]) == 1
        mallory.call("DELETE", f"/uploads/{ids[0]}").expect(404)
        bob.call("DELETE", f"/uploads/{ids[0]}").expect(204)
        bob.call("DELETE", f"/uploads/{ids[0]}").expect(404)
        ann.call("DELETE", f"/uploads/{ids[1]}").expect(204)
        assert [found["id"] for found in bob.call("GET", "/uploads").expect(200).json()["items"]] == [ids[2]]
