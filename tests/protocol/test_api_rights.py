"""The JSON API on who works together and what they may do; every change counts with the next request, at every worker
and node.
"""

from __future__ import annotations

import json

import pytest

from dockboard_registry.domain.accounts.organizations import MOST_TRIES
from tests.protocol.test_api import (
    LONG,
    ann,
    as_user,
    bob,
    both,
    registry,
    shown,
    status,
)
from tests.support.api import ROOT, Api
from tests.support.http import Client
from tests.support.people import People, basic, bearer
from tests.support.server import Registry, wait_for

UPLOADS = "/v2/acme/app/blobs/uploads/"


def pushes(registry, shown: dict) -> set[int]:
    """Whether one may push, asked of every worker and node."""
    found = set()
    for _ in range(4):
        with Api(registry.address, shown) as client:
            found.add(client.request("POST", UPLOADS).status)
    return found


def by_password(registry, name: str) -> Api:
    """A client that may make tokens."""
    return Api(registry.address, basic(name))


def test_organizations(registry, ann, bob, as_user):
    eve = as_user["eve"]
    assert (
        "administrators"
        in eve.call("POST", "/organizations", {"name": "evil"}).expect(403).json()["errors"][0]["message"]
    )
    made = ann.call("POST", "/organizations", {"name": "zeta", "owner": "eve"}).expect(201)
    assert made.location == f"{ROOT}/organizations/zeta"
    for document, found in (
        ({"name": "zeta"}, 409),
        ({"name": "eve"}, 409),
        ({"name": "yps", "owner": "nobody"}, 404),
        ({"name": "settings"}, 422),
    ):
        ann.call("POST", "/organizations", document).expect(found)
    assert [item["name"] for item in ann.all("/organizations")] == ["acme", "zeta"]
    assert [[item["name"] for item in who.all("/organizations", 1)] for who in (bob, eve, as_user["cid"])] == [
        ["acme"],
        ["zeta"],
        ["acme"],
    ]
    for query, found in (
        ("contains=ET", ["zeta"]),
        ("sort=members", ["acme", "zeta"]),
        ("sort=made", ["zeta", "acme"]),
    ):
        assert [item["name"] for item in ann.all(f"/organizations?{query}", 1)] == found
    assert eve.all("/organizations?contains=acme") == []
    assert eve.all("/organizations?sort=members")[0]["members"] == 1
    ann.call("GET", "/organizations?sort=members&after=acme").expect(422)
    bob.call("DELETE", "/organizations/zeta").expect(404)
    as_user["cid"].call("DELETE", "/organizations/acme").expect(403)
    eve.call("DELETE", "/organizations/zeta").expect(204)
    eve.call("GET", "/organizations/zeta").expect(404)
    ann.call("POST", "/organizations", {"name": "zeta"}).expect(409)


def test_members_come_and_go(registry, bob, as_user, shown):
    eve = shown["eve"]
    assert both(registry, eve) == {404}
    bob.call("PUT", "/organizations/acme/members/eve", {"role": "member"}).expect(204)
    bob.call("PUT", "/organizations/acme/members/eve", {"role": "member"}).expect(204)
    assert both(registry, eve) == {200} and pushes(registry, eve) == {403}
    assert [(item["user"], item["role"]) for item in as_user["eve"].all("/organizations/acme/members", 1)] == [
        ("bob", "owner"),
        ("cid", "member"),
        ("eve", "member"),
    ]
    as_user["eve"].call("PUT", "/organizations/acme/members/eve", {"role": "owner"}).expect(403)
    bob.call("PUT", "/organizations/acme/members/eve", {"role": "owner"}).expect(204)
    assert pushes(registry, eve) == {202}
    bob.call("DELETE", "/organizations/acme/members/eve").expect(204)
    assert both(registry, eve) == {404}
    assert (
        "last owner" in bob.call("DELETE", "/organizations/acme/members/bob").expect(409).json()["errors"][0]["message"]
    )
    bob.call("PUT", "/organizations/acme/members/bob", {"role": "member"}).expect(409)
    bob.call("PUT", "/organizations/acme/members/nobody", {"role": "member"}).expect(404)
    bob.call("DELETE", "/organizations/acme/members/eve").expect(404)


def test_teams_hold_grants_together(registry, bob, as_user, shown):
    cid = shown["cid"]
    assert (
        bob.call("POST", "/organizations/acme/teams", {"name": "dev"}).expect(201).location
        == f"{ROOT}/organizations/acme/teams/dev"
    )
    bob.call("POST", "/organizations/acme/teams", {"name": "dev"}).expect(409)
    bob.call("PUT", "/grants/acme%2Fapp*/team:acme%2Fdev", {"right": "write"}).expect(204)
    assert pushes(registry, cid) == {403}
    bob.call("PUT", "/organizations/acme/teams/dev/members/cid").expect(204)
    assert pushes(registry, cid) == {202}
    assert bob.all("/organizations/acme/teams") == [{"name": "dev", "members": 1}]
    assert as_user["cid"].all("/organizations/acme/teams/dev/members") == [{"user": "cid"}]
    bob.call("PUT", "/organizations/acme/teams/dev/members/eve").expect(404)
    bob.call("DELETE", "/organizations/acme/teams/dev/members/cid").expect(204)
    assert pushes(registry, cid) == {403}
    bob.call("DELETE", "/organizations/acme/teams/dev").expect(204)
    assert bob.call("GET", "/namespaces/acme/grants").json() == {"items": []}


def test_grants_come_and_go(registry, bob, ann, shown):
    eve = shown["eve"]
    for right, pulls, may_push in (("read", {200}, {403}), ("write", {200}, {202}), ("admin", {200}, {202})):
        bob.call("PUT", "/grants/acme%2Fapp/user:eve", {"right": right}).expect(204)
        assert (both(registry, eve), pushes(registry, eve)) == (pulls, may_push)
    (grant,) = ann.all("/grants")
    assert (grant["pattern"], grant["holder"], grant["right"]) == ("acme/app", "user:eve", "admin")
    bob.call("DELETE", "/grants/acme%2Fapp/user:eve").expect(204)
    assert both(registry, eve) == {404}
    bob.call("DELETE", "/grants/acme%2Fapp/user:eve").expect(404)
    for pattern, found in (
        ("acme%2F**%2F**", 422),
        ("acme%2F" + "x" * 260, 404),
        ("*%2Fapp", 422),
        ("eve%2Fapp", 404),
        ("none%2Fapp", 404),
    ):
        bob.call("PUT", f"/grants/{pattern}/user:eve", {"right": "read"}).expect(found)
    bob.call("PUT", "/grants/acme%2Fapp/user:eve", {"right": "owner"}).expect(400)
    bob.call("PUT", "/grants/acme%2Fapp/eve", {"right": "read"}).expect(404)


def test_who_has_the_right_admin_on_one_repository_gives_rights_to_that_one(registry, bob, as_user):
    eve = as_user["eve"]
    bob.call("PUT", "/grants/acme%2Fapp/user:eve", {"right": "admin"}).expect(204)
    eve.call("PUT", "/grants/acme%2Fapp/user:ann", {"right": "read"}).expect(204)
    eve.call("PATCH", "/repositories/acme%2Fapp", {"description": "by eve"}).expect(200)
    rights = eve.all("/repositories/acme%2Fapp/rights", 1)
    assert {(item["holder"], item["right"]) for item in rights} == {
        ("user:bob", "admin"),
        ("user:cid", "read"),
        ("user:eve", "admin"),
        ("user:ann", "read"),
    }
    eve.call("GET", "/explain?who=cid&action=push&repository=acme/app").expect(200)
    for method, path, document in (
        ("PUT", "/grants/acme%2Fapp-2/user:ann", {"right": "read"}), ("PUT", "/grants/acme%2F*/user:ann",
        {"right": "read"}), ("GET", "/namespaces/acme/grants", None),
        ("PUT", "/organizations/acme/members/eve", {"role": "owner"}), ("POST", "/organizations/acme/robots",
        {"name": "mine"}), ("GET", "/organizations/acme", None),
        ("GET", "/explain?who=cid&action=push&repository=acme/app-2", None), ("PATCH", "/namespaces/acme",
        {"default_visibility": "public"}),
        ("PUT", "/grants/acme%2Fapp/team:acme%2Fnone", {"right": "read"}),
    ):  # fmt: skip
        eve.call(method, path, document).expect(404)
    bob.call("DELETE", "/grants/acme%2Fapp/user:eve").expect(204)
    bob.call("DELETE", "/grants/acme%2Fapp/user:ann").expect(204)


def test_robots(registry, bob):
    made = bob.call("POST", "/organizations/acme/robots", {"name": "ci", "expires": "90d"}).expect(201)
    first = made.json()["secret"]
    assert made.location == f"{ROOT}/organizations/acme/robots/ci" and made.json()["login"] == "acme/ci"
    bob.call("POST", "/organizations/acme/robots", {"name": "ci"}).expect(409)
    bob.call("PUT", "/grants/acme%2F**/robot:acme%2Fci", {"right": "read"}).expect(204)
    assert both(registry, basic("acme/ci", first)) == {200}
    second = bob.call("POST", "/organizations/acme/robots/ci/rotate", {}).expect(200).json()["secret"]
    assert both(registry, basic("acme/ci", first)) == both(registry, basic("acme/ci", second)) == {200}
    kept = {item["hint"][-4:]: item for item in bob.all("/organizations/acme/robots/ci/secrets", 1)}
    assert (
        set(kept) == {first[-4:], second[-4:]}
        and kept[second[-4:]]["expires_at"] is None
        and first not in json.dumps(kept)
    )
    wait_for(
        lambda: all(item["last_used_at"] for item in bob.all("/organizations/acme/robots/ci/secrets")),
        5,
        "the note of the last use",
    )
    third = (
        bob.call("POST", "/organizations/acme/robots/ci/rotate", {"overlap": "0s", "expires": "1d"})
        .expect(200)
        .json()["secret"]
    )
    assert [both(registry, basic("acme/ci", secret)) for secret in (first, second, third)] == [{401}, {401}, {200}]
    assert (
        bob.call("PATCH", "/organizations/acme/robots/ci", {"state": "disabled"}).expect(200).json()["state"]
        == "disabled"
    )
    assert both(registry, basic("acme/ci", third)) == {401}
    bob.call("PATCH", "/organizations/acme/robots/ci", {"state": "active"}).expect(200)
    assert both(registry, basic("acme/ci", third)) == {200}
    assert [item["login"] for item in bob.all("/organizations/acme/robots")] == ["acme/ci"] and third not in json.dumps(
        bob.all("/organizations/acme/robots")
    )
    bob.call("DELETE", "/organizations/acme/robots/ci").expect(204)
    assert both(registry, basic("acme/ci", third)) == {401}
    bob.call("GET", "/organizations/acme/robots/ci").expect(404)


def test_what_is_below_one_organization_is_not_found_below_another(ann, bob):
    """security S26"""
    ann.call("POST", "/organizations", {"name": "other", "owner": "bob"}).expect(201)
    bob.call("POST", "/organizations/other/teams", {"name": "ops"}).expect(201)
    bob.call("POST", "/organizations/other/robots", {"name": "bot"}).expect(201)
    for path in ("teams/ops", "teams/ops/members", "robots/bot"):
        bob.call("GET", f"/organizations/other/{path}").expect(200)
        bob.call("GET", f"/organizations/acme/{path}").expect(404)
    bob.call("DELETE", "/organizations/acme/robots/bot").expect(404)
    bob.call("DELETE", "/organizations/acme/teams/ops").expect(404)
    bob.call("DELETE", "/organizations/other").expect(204)


def test_repositories_are_listed_for_those_who_may_pull_them(registry, ann, bob, as_user):
    with People(registry).as_user("ann") as pusher:
        for name in ("tool", "acme/b/c", "ann/own"):
            pusher.push_image(name, "v1")
    everything = ["acme/app", "acme/b/c", "ann/own", "tool"]
    assert [item["name"] for item in ann.all("/repositories", 1)] == everything
    assert [item["name"] for item in bob.all("/repositories", 1)] == ["acme/app", "acme/b/c", "tool"]
    assert [item["name"] for item in as_user["eve"].all("/repositories")] == ["tool"]
    bob.call("PUT", "/grants/acme%2F*%2Fc/user:eve", {"right": "read"}).expect(204)
    assert [item["name"] for item in as_user["eve"].all("/repositories", 1)] == ["acme/b/c", "tool"]
    ann.call("PATCH", "/repositories/tool", {"visibility": "private"}).expect(200)
    ann.call("PUT", "/grants/tool/user:bob", {"right": "read"}).expect(204)
    assert [[item["name"] for item in who.all("/repositories", 1)] for who in (bob, as_user["eve"])] == [
        ["acme/app", "acme/b/c", "tool"],
        ["acme/b/c"],
    ]
    with People(registry).as_user("ann") as pusher:
        pusher.push_image("library/deep", "v1")
    ann.call("PATCH", "/repositories/library%2Fdeep", {"visibility": "private"}).expect(200)
    ann.call("PUT", "/grants/library%2F**/user:eve", {"right": "read"}).expect(204)
    assert [item["name"] for item in as_user["eve"].all("/repositories", 1)] == ["acme/b/c", "library/deep", "tool"]
    ann.call("DELETE", "/grants/library%2F**/user:eve").expect(204)
    secret = (
        by_password(registry, "bob")
        .call("POST", "/account/tokens", {"name": "narrow", "repositories": "acme/b/**"})
        .expect(201)
        .json()["secret"]
    )
    with Api(registry.address, bearer(secret)) as narrow:
        assert [item["name"] for item in narrow.all("/repositories")] == ["acme/b/c"]
    secret = (
        by_password(registry, "ann")
        .call("POST", "/account/tokens", {"name": "narrow", "repositories": "acme/b/**,ann/*"})
        .expect(201)
        .json()["secret"]
    )
    with Api(registry.address, bearer(secret)) as narrow:
        assert [item["name"] for item in narrow.all("/repositories", 1)] == ["acme/b/c", "ann/own"]
    bob.call("DELETE", "/grants/acme%2F*%2Fc/user:eve").expect(204)


def test_visibility_and_description(registry, bob, as_user):
    before = bob.call("GET", "/repositories/acme%2Fapp").expect(200).json()
    assert before["visibility"] == "private" and both(registry, {}) == {401}
    changed = (
        bob.call("PATCH", "/repositories/acme%2Fapp", {"visibility": "public", "description": "for\nall ☃"})
        .expect(200)
        .json()
    )
    assert changed == {**before, "visibility": "public", "description": "for\nall ☃"} and both(registry, {}) == {200}
    as_user["eve"].call("PATCH", "/repositories/acme%2Fapp", {"visibility": "private"}).expect(403)
    assert (
        bob.call("PATCH", "/repositories/acme%2Fapp", {"visibility": "private", "description": ""})
        .expect(200)
        .json()["description"]
        is None
    )
    assert both(registry, {}) == {401}
    as_user["eve"].call("PATCH", "/repositories/acme%2Fapp", {"visibility": "public"}).expect(404)
    bob.call("PATCH", "/repositories/acme%2Fnone", {"visibility": "public"}).expect(404)
    bob.call("PATCH", "/repositories/acme%2Fapp", {"visibility": "hidden"}).expect(400)


def test_what_the_first_push_makes(registry, ann, bob):
    assert bob.call("GET", "/namespaces/acme").expect(200).json() == {
        "name": "acme",
        "kind": "organization",
        "default_visibility": "private",
    }
    assert (
        bob.call("PATCH", "/namespaces/acme", {"default_visibility": "public"}).expect(200).json()["default_visibility"]
        == "public"
    )
    with People(registry).as_user("bob") as pusher:
        pusher.push_image("acme/later", "v1")
    assert status(registry, {}, "/v2/acme/later/tags/list") == 200
    bob.call("PATCH", "/namespaces/acme", {"default_visibility": "private"}).expect(200)
    assert bob.call("GET", "/namespaces/bob").expect(200).json()["kind"] == "user"
    assert ann.call("GET", "/namespaces/library").expect(200).json()["kind"] == "system"
    for name in ("ann", "library", "none"):
        bob.call("GET", f"/namespaces/{name}").expect(404)


def test_explain(ann, bob):
    found = bob.call("GET", "/explain?who=cid&action=push&repository=acme/app").expect(200).json()
    assert (
        not found["allowed"]
        and found["reason"] == "user cid needs the right write on acme/app"
        and len(found["steps"]) > 5
    )
    assert bob.call("GET", "/explain?who=cid&action=pull&repository=acme/app").expect(200).json()["allowed"]
    assert not ann.call("GET", "/explain?who=bob&action=catalog").expect(200).json()["allowed"]
    assert (
        ann.call("GET", "/explain?who=anonymous&action=pull&repository=none/x").expect(200).json()["allowed"] is False
    )
    for query, found in (
        ("who=nobody&action=pull&repository=acme/app", 404),
        ("who=cid&action=sing&repository=acme/app", 400),
        ("who=cid&action=pull&repository=ann/own2", 404),
    ):
        bob.call("GET", f"/explain?{query}").expect(found)
    bob.call("GET", "/explain?who=cid&action=catalog").expect(403)


def test_every_change_is_in_the_audit(registry, ann, bob):
    """Who, from where, what, to which object; and no secret."""
    ann.call("POST", "/users", {"name": "jim", "password": LONG}).expect(201)
    secret = (
        by_password(registry, "bob").call("POST", "/account/tokens", {"name": "audited"}).expect(201).json()["secret"]
    )
    ann.call(
        "PATCH", "/users/jim", {"administrator": True, "state": "disabled"}, {"X-Forwarded-For": "198.51.100.9"}
    ).expect(200)
    events = ann.call("GET", "/audit?object=user%20jim").expect(200).json()["items"]
    assert [(event["actor"], event["action"], event["address"]) for event in events] == [
        ("user ann", "user.disable", "198.51.100.9"), ("user ann", "user.administrator", "198.51.100.9"), ("user ann",
        "user.add", "127.0.0.1")
    ]  # fmt: skip
    assert (
        ann.call("GET", "/audit?actor=user%20bob&action=token.add&limit=1").json()["items"][0]["detail"]["token"]
        == "audited"
    )
    assert ann.call("GET", "/audit?since=9007199254740991").json() == {"items": []}
    whole, lines = ann.all("/audit", 100), []
    assert [int(event["id"]) for event in whole] == sorted((int(event["id"]) for event in whole), reverse=True)
    answer = ann.call("GET", "/audit/export?limit=7").expect(200)
    while True:
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        lines += [json.loads(line) for line in answer.body.decode().splitlines()]
        if answer.headers["Link"] is None:
            break
        answer = ann.get(answer.headers["Link"].partition(">")[0][1:]).expect(200)
    assert lines == whole
    assert secret not in json.dumps(whole) and LONG not in json.dumps(whole)
    bob.call("GET", "/audit").expect(403)


def test_the_signing_key_is_rotated(registry, ann):
    token = People(registry).bearer(basic("bob"), "repository:acme/app:pull")
    assert both(registry, token) == {200}
    ann.call("POST", "/signing-keys/rotate").expect(204)
    assert both(registry, token) == {200}
    ann.call("POST", "/signing-keys/rotate").expect(204)
    assert both(registry, token) == {401}


@pytest.mark.edge
def test_users_make_organizations_where_the_setting_says_so(tmp_path):
    with Registry(tmp_path / "data", 1, auth_organizations="users", auth_anonymous="push") as registry:
        with Client(registry.address) as client:
            client.push_image("wild/app", "v1")
        people = People(registry)
        people.add("ann", "bob")
        secret = people.command("token", "add", "bob", "--name", "narrow", "--repositories", "bob/*")
        with Api(registry.address, bearer(secret)) as narrow:
            narrow.call("POST", "/organizations", {"name": "mine"}).expect(403)
        with Api(registry.address, basic("bob")) as bob:
            bob.call("POST", "/organizations", {"name": "mine", "owner": "ann"}).expect(403)
            bob.call("POST", "/organizations", {"name": "mine"}).expect(201)
            assert bob.call("GET", "/account").json()["organizations"] == [{"organization": "mine", "role": "owner"}]
            # What others pushed is not had by taking its name.
            assert (
                "not free"
                in bob.call("POST", "/organizations", {"name": "wild"}).expect(409).json()["errors"][0]["message"]
            )


@pytest.mark.edge
def test_a_user_tries_to_make_ten_organizations_an_hour(tmp_path):
    """Deleting them gives no names back, and no tries. Administrators make as many as they like."""
    with Registry(tmp_path / "data", 2, auth_organizations="users") as registry:
        people = People(registry)
        people.add("ann", "bob", "eve")
        people.command("user", "promote", "ann")
        with Api(registry.address, people.shown("bob")) as bob:
            for number in range(MOST_TRIES):
                bob.call("POST", "/organizations", {"name": f"mine{number}"}).expect(201)
                bob.call("DELETE", f"/organizations/mine{number}").expect(204)
            refused = bob.call("POST", "/organizations", {"name": "more"}).expect(429)
            assert refused.code() == "TOOMANYREQUESTS" and int(refused.headers["Retry-After"]) > 60
        with Api(registry.address, people.shown("eve")) as eve, Api(registry.address, people.shown("ann")) as ann:
            eve.call("POST", "/organizations", {"name": "hers"}).expect(201)
            for number in range(MOST_TRIES + 1):
                ann.call("POST", "/organizations", {"name": f"any{number}"}).expect(201)


@pytest.mark.edge
@pytest.mark.parametrize("level", ["", "pull", "push"])
def test_before_there_are_accounts_this_machine_adds_the_first_user_and_nobody_else_anything(tmp_path, level):
    first = {"name": "ann", "password": LONG, "administrator": True}
    with Registry(tmp_path / "data", 1, auth_anonymous=level) as registry, Api(registry.address, {}) as client:
        for headers in (
            {"X-Forwarded-For": "192.0.2.1"},
            {"Host": "evil.example"},
            {"Host": "[:::]"},
            {"Host": "127.0.0.1.evil.example"},
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
        ):
            client.call("POST", "/users", first, headers).expect(403)
        for method, path in (
            ("GET", "/users"),
            ("GET", "/account"),
            ("GET", "/repositories"),
            ("GET", "/audit"),
            ("POST", "/signing-keys/rotate"),
            ("DELETE", "/users/ann"),
        ):
            client.call(method, path).expect(403)
        client.call("GET", "/openapi.json").expect(200)
        if level:
            client.call("POST", "/users", first).expect(403)
            return
        client.call("POST", "/users", {**first, "administrator": False}).expect(409)
        client.call("POST", "/users", first).expect(201)
        client.call("POST", "/users", {**first, "name": "eve"}).expect(401)
        assert status(registry, basic("ann", LONG), f"{ROOT}/users") == 200
