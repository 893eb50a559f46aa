"""The JSON API: who is let in and by what, what requests may be, and each group of objects, with the effect of every
change on the next request.
"""

from __future__ import annotations

import json

import pytest

from tests.support.api import JSON, ROOT, Api
from tests.support.people import PASSWORD, QUICK_HASH, People, basic, bearer

LONG = "correct horse battery staple"
MANIFEST = "/v2/acme/app/manifests/v1"
DOCUMENT = {"name": "xyz", "password": LONG}


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """ann administers, bob owns acme, cid is its member, eve has nothing."""
    with deploy(
        tmp_path_factory.mktemp("api") / "data", auth_anonymous="pull", server_trusted_proxies=["127.0.0.1/32"]
    ) as registry:
        people = People(registry)
        people.add("ann", "bob", "cid", "eve")
        people.command("user", "promote", "ann")
        with Api(registry.address, basic("ann")) as ann:
            ann.call("POST", "/organizations", {"name": "acme", "owner": "bob"}).expect(201)
            ann.call("PUT", "/organizations/acme/members/cid", {"role": "member"}).expect(204)
        with people.as_user("bob") as bob:
            bob.push_image("acme/app", "v1", [b"a layer"])
        yield registry


@pytest.fixture(scope="module")
def shown(registry):
    """What each shows by name: an access token, since passwords take their time."""
    with Api(registry.address, basic("ann")) as ann:
        tokens = {
            name: ann.call("POST", f"/users/{name}/tokens", {"name": "api"}).expect(201).json()["secret"]
            for name in ("ann", "bob", "cid", "eve")
        }
    return {name: basic(name, secret) for name, secret in tokens.items()}


@pytest.fixture(scope="module")
def as_user(registry, shown):
    """A client for each by name."""
    made = {name: Api(registry.address, header) for name, header in shown.items()}
    yield made
    for client in made.values():
        client.close()


@pytest.fixture
def ann(as_user):
    return as_user["ann"]


@pytest.fixture
def bob(as_user):
    return as_user["bob"]


def status(registry, shown: dict, path: str = MANIFEST) -> int:
    """What a connection of its own is answered; every second one comes to the other node."""
    with Api(registry.address, shown) as client:
        return client.get(path).status


def both(registry, shown: dict, path: str = MANIFEST) -> set[int]:
    """The answers of every worker and node."""
    return {status(registry, shown, path) for _ in range(4)}


# Who is let in


def test_every_way_to_show_who_one_is(registry, ann):
    people = People(registry)
    secret = people.command("token", "add", "eve", "--name", "ways")
    robot = ann.call("POST", "/organizations/acme/robots", {"name": "ways"}).expect(201).json()["secret"]
    for shown, kind, name in (
        (basic("eve"), "user", "eve"), (basic("eve", secret), "user", "eve"), (bearer(secret), "user", "eve"),
        (basic("acme/ways", robot), "robot", "acme/ways"), (bearer(robot), "robot", "acme/ways"),
    ):  # fmt: skip
        with Api(registry.address, shown) as client:
            found = client.call("GET", "/account").expect(200).json()
        assert (found["kind"], found["name"], found["user"] is None) == (kind, name, kind == "robot")


def test_what_does_not_count_is_challenged(registry):
    """security A8, S23: what the token server signs is for images"""
    people = People(registry)
    signed = people.bearer(basic("ann"), "registry:catalog:*", "repository:acme/app:pull")
    refresh = people.token(basic("ann"), offline_token="true").json()["refresh_token"]
    for shown in (
        {},
        signed,
        bearer(refresh),
        bearer("dbr_" + "x" * 46),
        basic("ann", "wrong horse"),
        {"Authorization": "Digest x"},
        {"Authorization": "Basic ="},
    ):
        with Api(registry.address, {**shown, "X-Forwarded-For": "192.0.2.7"}) as client:
            answer = client.call("GET", "/account").expect(401)
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="Dockboard Registry", charset="UTF-8"'
        assert answer.code() == "UNAUTHORIZED" and answer.headers["Cache-Control"] == "no-store"


@pytest.mark.edge
def test_guesses_are_throttled_here_as_everywhere(registry, ann):
    ann.call("POST", "/users", {"name": "gil", "password": LONG}).expect(201)
    with Api(registry.address, {**basic("gil", "wrong horse"), "X-Forwarded-For": "192.0.2.9"}) as client:
        answers = [client.call("GET", "/account") for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) >= 1 and answers[-1].code() == "TOOMANYREQUESTS"


def test_a_token_with_a_scope_administers_no_people(registry):
    people = People(registry)
    for more in (
        ("--repositories", "acme/**"),
        ("--actions", "pull,push,delete"),
        ("--repositories", "library/*", "--actions", "admin"),
    ):
        secret = people.command("token", "add", "ann", "--name", f"narrow{len(more[1])}", *more)
        with Api(registry.address, bearer(secret)) as client:
            assert "scope" in client.call("GET", "/users").expect(403).json()["errors"][0]["message"]
            for method, path, document in (
                ("POST", "/users", DOCUMENT), ("DELETE", "/users/eve", None), ("PATCH", "/account", {"company": "x"}),
                ("POST", "/account/tokens", {"name": "xyz"}),
                ("POST", "/signing-keys/rotate", None), ("PUT", "/users/eve/password", {"password": LONG}),
            ):  # fmt: skip
                client.call(method, path, document).expect(403)
    secret = people.command("token", "add", "ann", "--name", "admin-only", "--actions", "admin")
    with Api(registry.address, bearer(secret)) as client:
        client.call("GET", "/users").expect(200)
        # It may pull nothing, so it must not make a token that does.
        client.call("POST", "/account/tokens", {"name": "wider"}).expect(403)
        client.call("POST", "/users/ann/tokens", {"name": "wider"}).expect(403)


def test_other_sites_change_nothing(registry, ann):
    """security X3, X5"""
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
    ):
        assert (
            "another site" in ann.call("POST", "/users", DOCUMENT, headers).expect(403).json()["errors"][0]["message"]
        )
        ann.call("DELETE", "/users/eve", None, headers).expect(403)
        assert ann.call("GET", "/users", None, headers).expect(200).headers["Access-Control-Allow-Origin"] is None
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/jsonx"):
        ann.call("POST", "/users", DOCUMENT, {"Content-Type": kind}).expect(415)
    ann.call(
        "OPTIONS", "/users", None, {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    ).expect(405)
    ann.call("GET", "/users/xyz").expect(404)
    ann.call(
        "PATCH",
        "/account",
        {"company": "x"},
        {"Sec-Fetch-Site": "same-origin", "Content-Type": "Application/JSON; charset=utf-8"},
    ).expect(200)


# What requests may be


@pytest.mark.edge
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON"), (b"{", "JSON"), (b"[]", "object"), (b"null", "object"), (b'"x"', "object"),
        (b'{"name":"xyz","name":"xyz"}', "twice"), (b'{"name":NaN}', "NaN"),
        (b'{"name":"\xff"}', "UTF-8"), (b'{"name":"a\\u0000b"}', "name"), (b'{"name":"xyz","email":"a\\u0000@b"}',
        "email"), (b'{"name":"\\ud800"}', "UTF-8"),
        (b"[" * 1000 + b"]" * 1000, "JSON"), (b"[" * 100 + b"]" * 100, "nested"), (b'{"name":1e999}', "large"),
        (b'{"name":' + b"9" * 5000 + b"}", "JSON"), (b'{"name":true}', "name"), (b'{"name":["x"]}', "name"),
        (b'{"name":null}', "name"), (b"{}", "lacks the field name"), (b'{"name":"xyz","is_admin":true}',
        "unknown field 'is_admin'"), (b'{"name":"Xyz"}', "name"),
        (b'{"name":"xyz","administrator":1}', "true or false"), (b'{"name":"xyz","administrator":"true"}',
        "true or false"), (b'{"name":"x"}', "name"), (b'{"name":"xyz "}', "name"),
        (b'{"name":"xyz\\n"}', "name"), (b'{"name":"xyz","password":"short"}', "password"),
    ],
)  # fmt: skip
def test_bodies_that_are_not_what_they_have_to_be(ann, body, words):
    """security H4, S32, X8"""
    answer = ann.request("POST", f"{ROOT}/users", JSON, body).expect(400)
    assert words in answer.json()["errors"][0]["message"], answer.body
    ann.call("GET", "/users/xyz").expect(404)


@pytest.mark.edge
@pytest.mark.parametrize(
    "document",
    [
        {"name": "token"},
        {"name": "library"},
        {"name": "xyz", "password": "password1234"},
        {"name": "xyz", "url": "http://[/"},
    ],
)
def test_values_that_only_the_domain_refuses(ann, document):
    answer = ann.call("POST", "/users", document)
    assert answer.status in (400, 422)
    assert answer.status == 400 or answer.json()["errors"][0]["message"].partition("; ")[2]


def test_bodies_are_bounded(ann):
    large = b'{"name":"xyz","company":"' + b"x" * (64 << 10) + b'"}'
    ann.request("POST", f"{ROOT}/users", JSON, large).expect(413)
    ann.request("POST", f"{ROOT}/users", JSON, iter([large])).expect(413)
    ann.request("POST", f"{ROOT}/users/eve/reset", JSON, b"{}").expect(400)


def test_queries_are_checked(ann):
    for query in (
        *("limit=0", "limit=101", "limit=-1", "limit=x", "limit=1&limit=2", "limit=", "limit=%EF%BC%91"),
        *("limt=5", "after=%00", "after=%ff", f"after={'x' * 601}"),
    ):
        ann.call("GET", f"/users?{query}").expect(400)
    ann.call("GET", "/audit?since=yesterday").expect(400)
    ann.call("GET", "/explain?who=eve").expect(400)


@pytest.mark.edge
def test_paths_have_one_reading(ann):
    """security S29: no other spelling of a path leads past a decision"""
    for path in (
        "/users/",
        "//users",
        "/users/eve/",
        "/users/..%2Fann",
        "/users/%2e%2e",
        "/users/eve%00",
        "/users/eve%20",
        "/users/EVE",
        "/users/eve;x",
        "/users/%ff",
        "/Users",
        # fmt: skip
        "/users/eve%2Ftokens",
        "/repositories/acme/app",
        "/repositories/acme%252Fapp",
        "/repositories/..%2Facme%2Fapp",
        "/nothing",
        "",
        "/",
    ):
        answer = ann.call("GET", path).expect(404)
        assert answer.headers["Cache-Control"] == "no-store" and answer.code() in ("UNSUPPORTED", "NAME_UNKNOWN")
    assert ann.call("GET", "/users/%65ve").expect(200).json()["name"] == "eve"
    assert ann.call("GET", "/repositories/acme%2fapp").expect(200).json()["name"] == "acme/app"
    assert ann.call("HEAD", "/users/eve").expect(200).body == b""


# Users


@pytest.mark.database
def test_a_user_from_the_first_to_the_last(registry, ann):
    wanted = {
        "name": "fay",
        "password": LONG,
        "email": "fay@example.org",
        "full_name": "Fay Ü.",
        "url": "https://fay.example",
    }
    made = ann.call("POST", "/users", wanted).expect(201)
    assert made.location == f"{ROOT}/users/fay" and "token" not in made.json()
    assert ann.get(made.location).expect(200).json() == made.json()
    assert (
        made.json().items()
        >= {
            "state": "active",
            "administrator": False,
            "email": "fay@example.org",
            "company": None,
        }.items()
    )
    assert ann.call("POST", "/users", wanted).expect(409).code() == "DENIED"
    shown = basic("fay", LONG)
    assert both(registry, shown) == {404}
    ann.call("PUT", "/organizations/acme/members/fay", {"role": "member"}).expect(204)
    assert both(registry, shown) == {200}
    changed = (
        ann.call("PATCH", "/users/fay", {"state": "disabled", "company": "ACME", "email": None}).expect(200).json()
    )
    assert (changed["state"], changed["company"], changed["email"], changed["avatar_hash"], changed["full_name"]) == (
        "disabled",
        "ACME",
        None,
        None,
        "Fay Ü.",
    )
    assert both(registry, shown) == {401}
    ann.call("PATCH", "/users/fay", {"state": "active"}).expect(200)
    assert both(registry, shown) == {200}
    ann.call("PUT", "/users/fay/password", {"password": LONG + " 2"}).expect(204)
    assert both(registry, basic("fay", LONG + " 2")) == {200} and status(registry, shown) == 401
    ann.call("DELETE", "/users/fay").expect(204)
    assert status(registry, basic("fay", LONG + " 2")) == 401
    ann.call("DELETE", "/users/fay").expect(404)


def test_a_change_of_several_fields_is_made_whole_or_not_at_all(ann):
    before = ann.call("GET", "/users/ann").json()
    for document in (
        {"administrator": False, "company": "x"},
        {"state": "disabled", "company": "x"},
        {"administrator": False, "state": "disabled"},
    ):
        assert (
            "last administrator" in ann.call("PATCH", "/users/ann", document).expect(409).json()["errors"][0]["message"]
        )
    ann.call("PATCH", "/users/ann", {"company": "x", "state": "invited"}).expect(400)
    ann.call("PATCH", "/users/ann", {}).expect(400)
    found = ann.call("GET", "/users/ann").json()
    assert {**found, "last_seen_at": 0} == {**before, "last_seen_at": 0}


@pytest.mark.database
def test_administrators_are_made_and_unmade_at_once(registry, ann, as_user):
    as_user["eve"].call("GET", "/users").expect(403)
    ann.call("PATCH", "/users/eve", {"administrator": True}).expect(200)
    assert (
        as_user["eve"].call("GET", "/users").expect(200)
        and as_user["eve"].call("GET", "/account").json()["administrator"]
    )
    ann.call("PATCH", "/users/eve", {"administrator": False}).expect(200)
    as_user["eve"].call("GET", "/users").expect(403)


def test_who_is_invited_has_a_token_and_no_password(ann):
    made = ann.call("POST", "/users", {"name": "ivy", "email": "ivy@example.org"}).expect(201).json()
    assert made["state"] == "invited" and len(made["token"]) > 30
    again = ann.call("POST", "/users/ivy/invite").expect(200).json()["token"]
    assert again != made["token"] and "token" not in ann.call("GET", "/users/ivy").json()
    ann.call("POST", "/users/ivy/reset").expect(409)
    ann.call("PATCH", "/users/ivy", {"state": "active"}).expect(409)
    ann.call("PUT", "/users/ivy/password", {"password": LONG}).expect(204)
    assert ann.call("GET", "/users/ivy").json()["state"] == "active"
    ann.call("POST", "/users/ivy/invite").expect(409)
    assert ann.call("POST", "/users/ivy/reset").expect(200).json()["token"]


@pytest.mark.database
def test_lists_come_in_pages_by_name(ann):
    whole = ann.call("GET", "/users?limit=100").expect(200).json()
    assert "next" not in whole
    assert [user["name"] for user in ann.all("/users")] == sorted(user["name"] for user in whole["items"])
    page = ann.call("GET", "/users?limit=2&after=ann").expect(200).json()
    assert [user["name"] for user in page["items"]] == ["bob", "cid"] and page[
        "next"
    ] == f"{ROOT}/users?after=cid&limit=2"


# Oneself


def test_ones_own_account(registry, as_user):
    cid = as_user["cid"]
    found = cid.call("GET", "/account").expect(200).json()
    assert found["organizations"] == [{"organization": "acme", "role": "member"}] and not found["administrator"]
    assert (
        cid.call("PATCH", "/account", {"full_name": "Cid", "location": "Ulm"}).expect(200).json()["location"] == "Ulm"
    )
    for document in ({"administrator": True}, {"state": "active"}, {"name": "ann"}):
        assert "unknown field" in cid.call("PATCH", "/account", document).expect(400).json()["errors"][0]["message"]
    for path in ("/users/cid", "/users/ann", "/users/nobody"):
        cid.call("GET", path).expect(403)


def test_accounts_are_made_from_an_htpasswd_file(registry, ann, as_user):
    text = f"gus:{QUICK_HASH}\nann:{QUICK_HASH}\n# none\nGus:{QUICK_HASH}\nida:plain\n"
    found = ann.call("POST", "/user-imports", {"htpasswd": text}).expect(200).json()
    refused = [(item["line"], item["name"]) for item in found["refused"]]
    assert (found["added"], refused) == (["gus"], [(2, "ann"), (4, "Gus"), (5, "ida")])
    assert status(registry, basic("gus")) == 404
    as_user["cid"].call("POST", "/user-imports", {"htpasswd": text}).expect(403)
    ann.call("DELETE", "/users/gus").expect(204)


def test_avatars_are_those_of_the_address_or_another_one(ann, as_user):
    ann.call("PATCH", "/users/cid", {"email": "cid@example.org"}).expect(200)
    own = ann.call("GET", "/users/cid").json()["avatar_hash"]
    for who, path in ((ann, "/users/cid"), (as_user["cid"], "/account")):
        assert who.call("PATCH", path, {"avatar_hash": "ab" * 16}).expect(200).json()["avatar_hash"] == "ab" * 16
        assert who.call("PATCH", path, {"company": "ACME"}).expect(200).json()["avatar_hash"] == "ab" * 16
        assert who.call("PATCH", path, {"avatar_hash": None}).expect(200).json()["avatar_hash"] == own
        who.call("PATCH", path, {"avatar_hash": "ab" * 17}).expect(400)
    ann.call("PATCH", "/users/cid", {"email": None, "company": None}).expect(200)


@pytest.mark.edge
def test_ones_own_password_takes_the_present_one(registry, ann):
    ann.call("POST", "/users", {"name": "hal", "password": LONG}).expect(201)
    with Api(registry.address, basic("hal", LONG)) as hal:
        answer = hal.call("PUT", "/account/password", {"current": "a wrong horse", "password": LONG + "!!"}).expect(403)
        assert "present password" in answer.json()["errors"][0]["message"]
        hal.call("PUT", "/account/password", {"current": LONG, "password": "hal hal hal hal"}).expect(422)
        hal.call("PUT", "/account/password", {"current": LONG, "password": LONG + " again"}).expect(204)
        hal.call("GET", "/account").expect(401)
    assert status(registry, basic("hal", LONG + " again"), f"{ROOT}/account") == 200


def test_tokens_are_told_once(registry):
    eve, ann = (Api(registry.address, basic(name)) for name in ("eve", "ann"))
    made = eve.call(
        "POST", "/account/tokens", {"name": "ci", "repositories": "eve/*", "actions": "pull", "expires": "90d"}
    ).expect(201)
    secret = made.json()["secret"]
    assert made.location == f"{ROOT}/account/tokens/ci" and made.headers["Cache-Control"] == "no-store"
    eve.call("POST", "/account/tokens", {"name": "ci"}).expect(409)
    (listed,) = [token for token in eve.all("/account/tokens") if token["name"] == "ci"]
    assert (listed["state"], listed["repositories"], listed["actions"]) == (
        "active",
        "eve/*",
        "pull",
    ) and secret not in json.dumps(listed)
    assert status(registry, bearer(secret), f"{ROOT}/account") == 200
    assert [token["name"] for token in ann.all("/users/eve/tokens")] == sorted(
        token["name"] for token in eve.all("/account/tokens")
    )
    eve.call("DELETE", "/account/tokens/ci").expect(204)
    assert both(registry, bearer(secret), f"{ROOT}/account") == {401}
    eve.call("DELETE", "/account/tokens/ci").expect(404)
    other = ann.call("POST", "/users/eve/tokens", {"name": "by-ann", "expires": "1d"}).expect(201)
    assert (
        other.location == f"{ROOT}/users/eve/tokens/by-ann"
        and status(registry, basic("eve", other.json()["secret"]), f"{ROOT}/account") == 200
    )
    ann.call("DELETE", "/users/eve/tokens/by-ann").expect(204)
    for document in (
        {"name": "x1", "expires": "90"},
        {"name": "x1", "actions": "sing"},
        {"name": "x1", "repositories": ""},
    ):
        eve.call("POST", "/account/tokens", document).expect(400)
    eve.call("POST", "/account/tokens", {"name": "x1", "repositories": "**"}).expect(422)
    assert PASSWORD not in registry.log.read_text()
