"""Accounts at the HTTP edge: who is let in, what the others are told, and that every change counts with the next
request everywhere.
"""

from __future__ import annotations

import secrets
from ipaddress import IPv6Address

import pytest

from tests.support.http import OCTETS, Client, digest_of, with_query
from tests.support.people import PASSWORD, As, People, basic, bearer
from tests.support.server import wait_for

LAYER = b"a layer that only acme has"
PULL, BOTH = "repository:acme/app:pull", "repository:acme/app:pull,push"
MANIFEST = "/v2/acme/app/manifests/v1"


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """ann administers, bob owns acme, cid is its member, dan may write app-*, eve has nothing; everyone may pull what
    is public.
    """
    # This machine counts as a proxy, so that failed logins can come from many addresses.
    settings = {"auth_anonymous": "pull", "server_trusted_proxies": ["127.0.0.1/32"]}
    with deploy(tmp_path_factory.mktemp("accounts") / "data", **settings) as registry:
        people = People(registry)
        people.add("ann", "bob", "cid", "dan", "eve")
        for words in (
            "user promote ann", "org add acme --owner bob", "org member add acme cid",
            "grant add acme/app* --to user:dan --right write",
        ):  # fmt: skip
            people.command(*words.split())
        with people.as_user("bob") as bob:
            bob.push_image("acme/app", "v1", [LAYER])
            bob.push_image("acme/public", "v1", [b"for all"])
        people.command("repository", "set", "acme/public", "--public")
        yield registry


@pytest.fixture(scope="module")
def people(registry):
    return People(registry)


def statuses(registry, shown: dict, *paths: str) -> list[int]:
    with As(registry.address, shown) as client:
        return [client.get(path).status for path in paths]


@pytest.mark.parametrize(
    ("who", "found"),
    [
        ("ann", [200, 200, 404]),
        ("bob", [200, 200, 404]),
        ("cid", [200, 200, 404]),
        ("dan", [200, 200, 404]),
        ("eve", [404, 200, 404]),
        (None, [401, 200, 401]),
    ],
)
def test_who_may_pull(registry, who, found):
    assert (
        statuses(
            registry, basic(who) if who else {}, MANIFEST, "/v2/acme/public/manifests/v1", "/v2/acme/none/manifests/v1"
        )
        == found
    )


def test_a_host_that_others_name_is_nowhere_to_log_in(registry, client):
    """security A9"""
    answer = client.get(MANIFEST, {"X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example"}).expect(401)
    assert "evil" not in answer.headers["WWW-Authenticate"]


def bare(answer) -> tuple:
    """All of an answer but what each answer has of its own, and the name that was asked for."""
    headers = sorted((name, value) for name, value in answer.headers.items() if name not in ("Date", "X-Request-Id"))
    return answer.status, headers, answer.body.replace(b"acme/app", b"NAME").replace(b"acme/not", b"NAME")


def test_what_one_may_not_see_answers_like_what_is_not_there(people):
    """The matrix of the security tests has more of these; here each header and the whole body is compared."""
    digest = digest_of(LAYER)
    with people.as_user("eve") as eve:
        for method, rest in (
            ("GET", "manifests/v1"), ("HEAD", "manifests/v1"), ("PUT", "manifests/v1"), ("DELETE", "manifests/v1"),
            ("GET", f"blobs/{digest}"),
            ("HEAD", f"blobs/{digest}"), ("DELETE", f"blobs/{digest}"), ("GET", "tags/list"), ("GET",
            f"referrers/{digest}"), ("POST", "blobs/uploads/"),
            ("PATCH", "blobs/uploads/x"), ("PUT", "blobs/uploads/x"), ("GET", "blobs/uploads/x"), ("DELETE",
            "blobs/uploads/x"),
        ):  # fmt: skip
            there, missing = (bare(eve.request(method, f"/v2/acme/{name}/{rest}")) for name in ("app", "not"))
            assert there == missing, (method, rest)
            assert there[0] in (403, 404)


def test_who_may_pull_and_not_push_hears_why(people):
    with people.as_user("cid") as cid:
        answer = cid.request("POST", "/v2/acme/app/blobs/uploads/").expect(403)
    assert answer.code() == "DENIED"
    words = (
        "requested access to the resource is denied: user cid needs the right write on acme/app; ask the operator of"
        " this registry for access"
    )
    assert answer.json()["errors"][0] == {
        "code": "DENIED",
        "message": words,
        "detail": {"name": "acme/app", "action": "push"},
    }
    secret = people.command("token", "add", "bob", "--name", "read-only", "--actions", "pull")
    answer = (
        As(people.registry.address, basic("bob", secret)).request("POST", "/v2/acme/app/blobs/uploads/").expect(403)
    )
    assert "the token's scope does not include push on acme/app" in answer.json()["errors"][0]["message"]


def test_tokens_carry_what_was_asked_for_and_is_allowed(people):
    for who, wanted, granted in (
        ("bob", [BOTH, PULL], BOTH),
        ("bob", ["repository:acme/app:*"], "repository:acme/app:pull,push,delete"),
        ("cid", [BOTH + " repository:acme/public:pull"], "repository:acme/app:pull repository:acme/public:pull"),
        ("eve", [BOTH, "repository:acme/public:pull,push", "repository:acme/none:pull"], "repository:acme/public:pull"),
        (
            "eve",
            [
                "registry:catalog:*",
                "repository:../x:pull",
                "repository:acme/*:pull",
                "repository::pull",
                "other:acme/app:pull",
                ":::",
            ],
            "",
        ),
        ("ann", ["registry:catalog:*"], "registry:catalog:*"),
        (None, [BOTH, "repository:acme/public:pull,push"], "repository:acme/public:pull"),
        # docker names the class of what it pushes: the right is that to the repository.
        (
            "bob",
            ["repository(plugin):acme/app:pull,push", "repository(image):acme/public:pull"],
            f"{BOTH} repository:acme/public:pull",
        ),
        ("bob", ["repository(plugin):acme/app:push", PULL], BOTH),
        (
            "eve",
            ["repository(plugin):acme/app:pull,push", "repository(plugin):acme/public:pull"],
            "repository:acme/public:pull",
        ),
        (
            "ann",
            [
                "repository():acme/app:pull",
                "repository(A):acme/app:pull",
                "(plugin):acme/app:pull",
                "repository(a)(b):acme/app:pull",
                "registry(x):catalog:*",
            ],
            "",
        ),
    ):
        told = people.token(basic(who) if who else {}, *wanted, service="dockboard-registry").expect(200)
        assert told.json()["scope"] == granted
        assert told.json()["token"] == told.json()["access_token"] and told.json()["expires_in"] == 300
        assert told.headers["Cache-Control"] == "no-store" and "refresh_token" not in told.json()


def test_a_token_is_good_for_its_scope_alone(registry, people):
    with As(registry.address, people.bearer(basic("bob"), PULL)) as client:
        client.get(MANIFEST).expect(200)
        for method, path in (
            ("POST", "/v2/acme/app/blobs/uploads/"),
            ("DELETE", MANIFEST),
            ("GET", "/v2/acme/public/tags/list"),
            ("GET", "/v2/bob/x/tags/list"),
        ):
            challenge = client.request(method, path).expect(401).headers["WWW-Authenticate"]
            assert challenge.endswith(',error="insufficient_scope"') and "scope=" in challenge
        assert client.get("/v2/_catalog").expect(403).code() == "DENIED"
    with As(registry.address, people.bearer(basic("cid"), BOTH)) as client:
        assert client.request("POST", "/v2/acme/app/blobs/uploads/").expect(403).code() == "DENIED"


def test_the_form_of_the_token_server(registry, people):
    told = people.form(
        grant_type="password",
        username="bob",
        password=PASSWORD,
        access_type="offline",
        service="dockboard-registry",
        scope=PULL,
    )
    refresh = told.expect(200).json()["refresh_token"]
    again = (
        people.form(grant_type="refresh_token", refresh_token=refresh, scope=BOTH, client_id="test").expect(200).json()
    )
    assert again["scope"] == BOTH and "refresh_token" not in again
    assert statuses(registry, bearer(again["access_token"]), MANIFEST) == [200]
    # Each kind of token is good for its own use.
    assert statuses(registry, bearer(refresh), MANIFEST) == [401]
    people.form(grant_type="refresh_token", refresh_token=again["access_token"]).expect(401)
    for fields in (
        {},
        {"grant_type": "x"},
        {"grant_type": "password", "username": "bob"},
        {"grant_type": "refresh_token"},
    ):
        people.form(**fields).expect(400)
    assert people.token(basic("bob"), offline_token="true").json()["refresh_token"]
    assert (
        people.token({"Authorization": "Bearer x"}).expect(401).headers["WWW-Authenticate"].startswith("Basic realm=")
    )
    people.token({}, service="elsewhere.example").expect(400)


def everywhere(registry, shown: dict, path: str = MANIFEST, times: int = 6) -> set[int]:
    """The statuses of many connections: every worker and node answers some of them."""
    return {As(registry.address, {**shown, "X-Forwarded-For": address()}).get(path).status for _ in range(times)}


def address() -> str:
    """An address from which no login failed yet."""
    return str(IPv6Address((0x20010DB8 << 96) | secrets.randbits(64) << 32))


@pytest.mark.database
def test_what_ends_ends_with_the_next_request_everywhere(registry, people):
    """security A7, S11, S18: what was verified before is remembered by the workers, and must not count any more."""
    people.add("fay")
    people.command("org", "member", "add", "acme", "fay")
    secret = people.command("token", "add", "fay", "--name", "ci")
    by_password, by_secret = basic("fay"), basic("fay", secret)
    signed = people.bearer(by_password, PULL), people.bearer(by_secret, PULL)
    refresh = people.token(by_password, offline_token="true").json()["refresh_token"]
    every = (by_password, by_secret, *signed)

    def answers() -> list[set[int]]:
        """Wrong passwords cost time, and ten of them in all would cost more."""
        return [everywhere(registry, shown, times=2 if shown is by_password else 6) for shown in every]

    assert answers() == [{200}] * 4
    people.command("org", "member", "remove", "acme", "fay")
    assert answers() == [{404}] * 4
    people.command("org", "member", "add", "acme", "fay")
    assert answers() == [{200}] * 4
    people.command("user", "disable", "fay")
    assert answers() == [{401}] * 4
    people.form(grant_type="refresh_token", refresh_token=refresh).expect(401)
    people.command("user", "enable", "fay")
    # Tokens that were signed before stay dead; the password and the access token are as good as before.
    assert answers() == [{200}, {200}, {401}, {401}]
    signed = [people.bearer(by_secret, PULL)]
    people.command("token", "revoke", "fay", "ci")
    assert [everywhere(registry, shown) for shown in (by_password, by_secret, *signed)] == [{200}, {401}, {401}]
    people.command("user", "delete", "fay")
    assert answers() == [{401}] * 4


@pytest.mark.database
def test_private_and_public_count_at_once(registry, people):
    assert everywhere(registry, {}, "/v2/acme/public/manifests/v1") == {200}
    token = people.bearer({}, "repository:acme/public:pull")
    people.command("repository", "set", "acme/public", "--private")
    assert [everywhere(registry, shown, "/v2/acme/public/manifests/v1") for shown in ({}, token, basic("eve"))] == [
        {401},
        {401},
        {404},
    ]
    people.command("repository", "set", "acme/public", "--public")
    assert everywhere(registry, token, "/v2/acme/public/manifests/v1") == {200}


@pytest.mark.database
def test_two_keys_count_and_no_third(registry, people):
    first = people.bearer(basic("bob"), PULL)
    people.command("token", "rotate-key")
    second = people.bearer(basic("bob"), PULL)
    assert everywhere(registry, first) == everywhere(registry, second) == {200}
    people.command("token", "rotate-key")
    assert (everywhere(registry, first), everywhere(registry, second)) == ({401}, {200})


@pytest.mark.database
def test_robots_do_what_grants_give_them(registry, people):
    secret = people.command("robot", "add", "acme/ci")
    robot = basic("acme/ci", secret)
    assert statuses(registry, robot, "/v2/", MANIFEST) == [200, 404]
    people.command("grant", "add", "acme/**", "--to", "robot:acme/ci", "--right", "read")
    assert everywhere(registry, robot) == {200}
    assert everywhere(registry, basic("acme/other", secret)) == everywhere(registry, basic("bob", secret)) == {401}
    with As(registry.address, people.bearer(robot, BOTH)) as client:
        client.get(MANIFEST).expect(200)
        assert client.request("POST", "/v2/acme/app/blobs/uploads/").expect(403).code() == "DENIED"
    people.command("robot", "disable", "acme/ci")
    assert everywhere(registry, robot) == {401}


def test_an_upload_belongs_to_who_began_it(people):
    """security S21"""
    with people.as_user("bob") as bob, people.as_user("dan") as dan:
        location = bob.start_upload("acme/app")
        path = with_query(location, digest=digest_of(b"bytes"))
        for method, where in (("GET", location), ("PATCH", location), ("PUT", path), ("DELETE", location)):
            assert (
                dan.request(method, where, {"Content-Type": OCTETS}, b"bytes" if method in ("PATCH", "PUT") else None)
                .expect(404)
                .code()
                == "BLOB_UPLOAD_UNKNOWN"
            )
        bob.request("PATCH", location, {"Content-Type": OCTETS}, b"bytes").expect(202)
        bob.request("PUT", path, {"Content-Type": OCTETS}, b"").expect(201)


def test_a_blob_is_mounted_from_where_this_token_may_pull(registry, people):
    """security S9, S14: what may not be pulled is not there for a mount either."""
    mount = f"/v2/{{}}/blobs/uploads/?mount={digest_of(LAYER)}&from=acme/app"
    with people.as_user("eve") as eve:
        eve.request("POST", mount.format("eve/app")).expect(202)
        eve.request("POST", f"/v2/eve/app/blobs/uploads/?mount={digest_of(LAYER)}").expect(202)
        eve.get(f"/v2/eve/app/blobs/{digest_of(LAYER)}").expect(404)
    with As(registry.address, people.bearer(basic("bob"), "repository:bob/app:pull,push")) as narrow:
        narrow.request("POST", mount.format("bob/app")).expect(202)
    with As(registry.address, people.bearer(basic("bob"), "repository:bob/app:pull,push", PULL)) as wide:
        wide.request("POST", mount.format("bob/app")).expect(201)


def test_the_catalog_is_for_administrators(registry, people):
    with people.as_user("ann") as ann:
        assert {"acme/app", "acme/public"} <= set(ann.get("/v2/_catalog").expect(200).json()["repositories"])
    assert statuses(registry, people.bearer(basic("ann"), "registry:catalog:*"), "/v2/_catalog") == [200]
    assert statuses(registry, basic("bob"), "/v2/_catalog") == [403]


def test_guessing_is_throttled_and_tokens_go_on(registry, people):
    """security A3: failures at /v2/ and /token count together, on every worker and node."""
    people.add("gil")
    secret = people.command("token", "add", "gil", "--name", "ci")
    token = people.bearer(basic("gil", secret), "repository:gil/app:pull")
    found = []
    for number in range(14):
        with Client(registry.address) as client:
            shown = {**basic("gil", f"guess number {number}"), "X-Forwarded-For": address()}
            found.append(client.get("/token" if number % 2 else "/v2/", shown))
    assert {answer.status for answer in found[:10]} == {401}
    assert (
        found[-1].status == 429 and int(found[-1].headers["Retry-After"]) >= 1 and found[-1].code() == "TOOMANYREQUESTS"
    )
    with Client(registry.address) as client:
        client.get("/v2/", basic("gil", secret)).expect(200)
        client.get("/v2/", token).expect(200)
        client.get("/token", basic("gil", secret)).expect(200)
        # Others log in as before.
        client.get("/v2/", {**basic("eve"), "X-Forwarded-For": address()}).expect(200)


@pytest.mark.database
def test_the_last_use_of_an_access_token_is_noted(registry, people):
    secret = people.command("token", "add", "bob", "--name", "noted")
    assert everywhere(registry, basic("bob", secret)) == {200}
    wait_for(lambda: "2001:db8:" in used(people), 20, "the note of the use")


def used(people: People) -> str:
    return next(line for line in people.command("token", "list", "bob").splitlines() if line.startswith("noted "))


# fmt: off
@pytest.mark.parametrize("shown", (
    "Basic", "Basic x", "Basic !!!!", "Basic Og", "Basic //8=", "Basic Og==x", "Bearer", "Bearer x", "Digest x", "x",
    " ", "Negotiate a=b",
))
# fmt: on
def test_what_can_not_be_read_is_refused(client, shown):
    for path in (MANIFEST, "/v2/", "/v2/acme/public/manifests/v1"):
        assert client.get(path, {"Authorization": shown}).expect(401).code() == "UNAUTHORIZED"
