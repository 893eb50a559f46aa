"""Who deleted what, and who made a repository: in the list of changes, in the words that
docs/accounts.md has for it.
"""

from __future__ import annotations

import json

import pytest

from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.people import As, People, basic
from tests.support.server import Registry


@pytest.fixture(scope="module", params=["sqlite", "mysql"])
def registry(request, tmp_path_factory):
    """ann administers, bob owns acme; who is let in from everywhere may push to what is nobody's."""
    settings = {"auth_anonymous": "push", "server_trusted_proxies": ["127.0.0.1/32"]}
    with Registry(tmp_path_factory.mktemp("audit") / "data", 1, database=request.param, **settings) as registry:
        with Client(registry.address) as client:
            client.push_image("before/app", "v1")
            client.delete("/v2/before/app/manifests/v1").expect(202)
        people = People(registry)
        people.add("ann", "bob")
        for words in ("user promote ann", "org add acme --owner bob"):
            people.command(*words.split())
        yield registry


@pytest.fixture
def people(registry):
    return People(registry)


def noted(people: People, name: str, *more: str) -> list[tuple]:
    """What the audit has of a repository, the oldest first."""
    lines = people.command("audit", "--json", "--object", f"repository {name}", *more).splitlines()
    return [(event["action"], event["actor"], event["detail"]) for event in map(json.loads, reversed(lines))]


def test_without_accounts_nothing_is_noted(people):
    assert noted(people, "before/app") == []


def test_who_deleted_which_tag_manifest_or_blob(registry, people):
    with As(registry.address, {**basic("bob"), "X-Forwarded-For": "192.0.2.7"}) as bob:
        digest = bob.push_image("acme/app", "v1", [b"layer"])
        body = bob.get(f"/v2/acme/app/manifests/{digest}").expect(200)
        tags = [f"t{number:02d}" for number in range(60)]
        kind = {"Content-Type": body.headers["Content-Type"]}
        bob.request("PUT", f"/v2/acme/app/manifests/v2?tag={'&tag='.join(tags)}", kind, body.body).expect(201)
        bob.delete("/v2/acme/app/manifests/v1").expect(202)
        for path in ("manifests/v1", f"manifests/{digest_of(b'none')}", f"blobs/{digest_of(b'none')}"):
            bob.delete(f"/v2/acme/app/{path}").expect(404)
        bob.delete(f"/v2/acme/app/blobs/{digest_of(b'layer')}").expect(409)
        bob.delete(f"/v2/acme/app/manifests/{digest}").expect(202)
        bob.delete(f"/v2/acme/app/blobs/{digest_of(b'layer')}").expect(202)
    made, pushed, *more, untagged, first, second, third, blob = noted(people, "acme/app")
    removed = [first, second, third]
    assert made == ("repository.create", "user bob", {})
    assert pushed == ("manifest.push", "user bob", {"digest": digest, "tags": ["v1"]})
    assert {(action, actor, detail["digest"]) for action, actor, detail in more} == {
        ("manifest.push", "user bob", digest)
    }
    assert [tag for _, _, detail in more for tag in detail["tags"]] == ["v2", *tags]
    assert untagged == ("tag.delete", "user bob", {"tag": "v1", "digest": digest})
    assert {(action, actor, detail["digest"]) for action, actor, detail in removed} == {
        ("manifest.delete", "user bob", digest)
    }
    assert [tag for _, _, detail in removed for tag in detail["tags"]] == [*tags, "v2"]
    assert blob == ("blob.delete", "user bob", {"digest": digest_of(b"layer")})
    assert noted(people, "acme/app", "--action", "tag.delete") == [untagged]
    with people.as_user("ann") as ann:
        (event,) = ann.get("/api/v1/audit?object=repository%20acme/app&action=blob.delete").expect(200).json()["items"]
    assert (event["actor"], event["address"], event["detail"]) == ("user bob", "192.0.2.7", blob[2])


def test_who_pushed_which_tag_and_what_it_pointed_to_before(registry, people):
    with people.as_user("bob") as bob:
        first = bob.push_image("acme/moved", "v1", [b"one"])
        bob.push_image("acme/moved", "v1", [b"one"])
        second = bob.push_image("acme/moved", "v1", [b"two"])
        body = bob.get(f"/v2/acme/moved/manifests/{first}").expect(200)
        bob.request(
            "PUT",
            f"/v2/acme/moved/manifests/{first}?tag=v1&tag=v2",
            {"Content-Type": body.headers["Content-Type"]},
            body.body,
        ).expect(201)
        bob.request(
            "PUT", f"/v2/acme/moved/manifests/{first}", {"Content-Type": body.headers["Content-Type"]}, body.body
        ).expect(201)
        for reference in ("v1", "latest", first):
            bob.request("PUT", f"/v2/acme/moved/manifests/{reference}", {"Content-Type": OCTETS}, b"{").expect(400)
    assert noted(people, "acme/moved", "--action", "manifest.push") == [
        ("manifest.push", "user bob", {"digest": first, "tags": ["v1"]}),
        ("manifest.push", "user bob", {"digest": second, "tags": ["v1"], "moved": {"v1": first}}),
        ("manifest.push", "user bob", {"digest": first, "tags": ["v1", "v2"], "moved": {"v1": second}}),
    ]
    lines = people.command("audit", "--json", "--action", "manifest.push").splitlines()
    assert all(isinstance(json.loads(line)["id"], str) for line in lines)


def test_who_made_a_repository_by_whichever_way_of_pushing(registry, people):
    secret = people.command("robot", "add", "acme/ci")
    people.command("grant", "add", "acme/**", "--to", "robot:acme/ci", "--right", "write")
    whole = f"/v2/{{}}/blobs/uploads/?digest={digest_of(b'data')}"
    with (
        As(registry.address, basic("acme/ci", secret)) as robot,
        people.as_user("bob") as bob,
        Client(registry.address) as nobody,
    ):
        robot.request("POST", whole.format("acme/whole"), {"Content-Type": OCTETS}, b"data").expect(201)
        bob.request("POST", f"/v2/acme/mount/blobs/uploads/?mount={digest_of(b'data')}&from=acme/whole").expect(201)
        bob.push_index("acme/index", "v1", [])
        robot.push_blob("acme/pieces", b"x" * 100_000)
        As(registry.address, people.bearer(basic("acme/ci", secret), "repository:acme/token:pull,push")).push_blob(
            "acme/token", b"data"
        )
        nobody.push_blob("wild/app", b"data")
        for _ in range(2):
            bob.push_image("acme/whole", "v1")
    names = ("acme/whole", "acme/mount", "acme/index", "acme/pieces", "acme/token", "wild/app")
    found = {name: noted(people, name, "--action", "repository.create") for name in names}
    assert {name: [(action, actor) for action, actor, _ in events] for name, events in found.items()} == {
        **dict.fromkeys(("acme/whole", "acme/pieces", "acme/token"), [("repository.create", "robot acme/ci")]),
        **dict.fromkeys(("acme/mount", "acme/index"), [("repository.create", "user bob")]),
        "wild/app": [("repository.create", "anonymous")],
    }


def test_what_failed_made_nothing_and_is_not_noted(registry, people):
    with people.as_user("bob") as bob:
        bob.request(
            "POST", f"/v2/acme/none/blobs/uploads/?digest={digest_of(b'other')}", {"Content-Type": OCTETS}, b"data"
        ).expect(400)
        path = with_query(bob.start_upload("acme/none"), digest=digest_of(b"other"))
        bob.request("PUT", path, {"Content-Type": OCTETS}, b"data").expect(400)
        bob.get("/v2/acme/none/tags/list").expect(404)
    assert noted(people, "acme/none") == []
