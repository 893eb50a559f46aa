"""Access tokens that are for some actions or repositories alone: what they see of their
owner, and what everyone sees.
"""

from __future__ import annotations

import pytest

from tests.support.api import Api
from tests.support.people import As, People, basic, bearer

APP, PUBLIC, LIBRARY = (f"/v2/{name}/manifests/v1" for name in ("acme/app", "acme/public", "tool"))
# Name of a token -> the flags that restrict it.
RESTRICTED = {
    "pulls": ("--actions", "pull"), "pushes": ("--actions", "pull,push"), "elsewhere": ("--repositories", "ann/x"),
    "nothing": ("--actions", "catalog"),
    "in-acme": ("--repositories", "acme/app"),
}  # fmt: skip


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """ann administers, and owns acme with its team dev."""
    with deploy(tmp_path_factory.mktemp("restricted") / "data", auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob")
        for words in (
            "user promote ann",
            "user set ann --email ann@example.org --full-name Ann",
            "org add acme --owner ann",
            "team add acme dev",
            "team member add acme dev ann",
        ):
            people.command(*words.split())
        with people.as_user("ann") as ann:
            for name in ("acme/app", "acme/public", "tool"):
                ann.push_image(name, "v1", [name.encode()])
        people.command("repository", "set", "acme/public", "--public")
        registry.tokens = {
            name: people.command("token", "add", "ann", "--name", name, *flags)
            for name, flags in {**RESTRICTED, "admin": ("--actions", "admin"), "all": ()}.items()
        }
        yield registry


@pytest.fixture
def people(registry):
    return People(registry)


@pytest.mark.parametrize("name", RESTRICTED)
def test_a_restricted_token_hears_of_its_owner_no_more_than_the_name(registry, name):
    with Api(registry.address, bearer(registry.tokens[name])) as client:
        found = client.call("GET", "/account").expect(200).json()
        told = found.pop("token")
        assert found == {
            "kind": "user",
            "name": "ann",
            "administrator": False,
            "organizations": [],
            "teams": [],
            "user": None,
        }
        flags = dict(zip(RESTRICTED[name][::2], RESTRICTED[name][1::2]))
        assert (told["name"], told["state"], told["actions"], told["repositories"]) == (
            name,
            "active",
            flags.get("--actions"),
            flags.get("--repositories"),
        )
        assert client.call("GET", "/organizations").expect(200).json() == {"items": []}
        for path in (
            "/organizations/acme",
            "/organizations/acme/members",
            "/organizations/acme/teams",
            "/organizations/acme/teams/dev",
            "/namespaces/acme",
        ):
            client.call("GET", path).expect(404)
        for path in ("/account/tokens", "/users", "/users/ann", "/grants", "/audit", "/explain?who=ann&action=catalog"):
            client.call("GET", path).expect(403)


def test_a_token_for_a_repository_does_not_hear_by_an_explanation_that_its_owner_administers(registry):
    with Api(registry.address, bearer(registry.tokens["in-acme"])) as client:
        found = client.call("GET", "/explain?who=ann&action=delete&repository=acme/app").expect(200).json()
    assert found["allowed"] and "administ" not in found["reason"]


def test_others_hear_what_they_may_use(registry, people):
    with Api(registry.address, bearer(registry.tokens["admin"])) as client:
        found = client.call("GET", "/account").expect(200).json()
        assert found["administrator"] and found["user"]["email"] == "ann@example.org" and found["teams"] == ["acme/dev"]
        assert (found["token"]["name"], found["token"]["actions"], found["token"]["repositories"]) == (
            "admin",
            "admin",
            None,
        )
    with Api(registry.address, bearer(registry.tokens["all"])) as client:
        found = client.call("GET", "/account").expect(200).json()
        assert (
            found["organizations"] == [{"organization": "acme", "role": "owner"}] and found["token"]["actions"] is None
        )
    with Api(registry.address, basic("ann")) as client:
        assert client.call("GET", "/account").expect(200).json()["token"] is None
    with Api(registry.address, bearer(people.command("robot", "add", "acme/seen"))) as client:
        assert client.call("GET", "/account").expect(200).json()["token"] is None


@pytest.mark.parametrize("name", RESTRICTED)
def test_a_restricted_token_pulls_what_nobody_may_pull(registry, people, name):
    """And nothing else: neither what is private, nor what everyone may pull to push to it."""
    private = 200 if name in ("pulls", "pushes", "in-acme") else 404
    for shown in (
        basic("ann", registry.tokens[name]),
        people.bearer(
            basic("ann", registry.tokens[name]),
            *(f"repository:{each}:pull,push" for each in ("acme/app", "acme/public", "tool")),
        ),
    ):
        with As(registry.address, shown) as client:
            assert [client.get(path).status for path in (PUBLIC, LIBRARY)] == [200, 200]
            assert client.get(APP).status == private
            assert client.request("POST", "/v2/acme/public/blobs/uploads/").status == (202 if name == "pushes" else 403)
            client.delete(PUBLIC).expect(403)
    with Api(registry.address, bearer(registry.tokens[name])) as client:
        seen = [repository["name"] for repository in client.all("/repositories")]
        assert seen == ["acme/app", "acme/public", "tool"] if private == 200 else seen == ["acme/public", "tool"]
        client.call("GET", "/repositories/acme%2Fpublic").expect(200)


def test_a_signed_token_is_for_what_it_was_asked_for_alone(registry, people):
    """In its place another one can be asked for, as the challenge says."""
    with As(
        registry.address, people.bearer(basic("ann", registry.tokens["elsewhere"]), "repository:tool:pull")
    ) as client:
        client.get(LIBRARY).expect(200)
        assert (
            client.get(PUBLIC)
            .expect(401)
            .headers["WWW-Authenticate"]
            .endswith('scope="repository:acme/public:pull",error="insufficient_scope"')
        )


def explained(people: People, *words: str) -> tuple[int, str]:
    done = people.registry.prepare("explain", *words)
    return done.returncode, done.stdout


def test_explain_knows_robots_and_tokens(registry, people):
    people.command("robot", "add", "acme/ci")
    people.command("grant", "add", "acme/**", "--to", "robot:acme/ci", "--right", "read")
    for who in ("acme/ci", "robot:acme/ci"):
        status, text = explained(people, who, "pull", "acme/app")
        assert status == 0 and "the grant of read on acme/** to robot:acme/ci allows it" in text
        assert explained(people, who, "push", "acme/app")[0] == 1
    ids = {line.split()[0]: line.split()[-1] for line in people.command("token", "list", "ann").splitlines()[1:]}
    for who in (
        ("ann", "--token", "pulls"),
        ("ann", "--token", ids["pulls"]),
        ("token:ann/pulls",),
        (f"token:{ids['pulls']}",),
        (f"user:ann/token:{ids['pulls']}",),
    ):
        assert explained(people, who[0], "pull", "acme/app", *who[1:])[0] == 0
        status, text = explained(people, who[0], "push", "acme/app", *who[1:])
        assert status == 1 and "the token's scope does not include push on acme/app" in text
    people.command("token", "add", "bob", "--name", "gone")
    people.command("token", "revoke", "bob", "gone")
    assert "user bob shows a token that was revoked" in explained(people, "token:bob/gone", "pull", "acme/public")[1]
    for who in (
        ("token:ann/none",),
        ("token:1",),
        ("token:" + "9" * 40,),
        ("ann", "--token", "none"),
        ("bob", "--token", ids["pulls"]),
        ("acme/none",),
        ("token:none/x",),
    ):
        assert explained(people, who[0], "pull", "acme/app", *who[1:])[0] == 2


def test_tokens_are_explained_to_administrators_and_to_whose_they_are(registry, people):
    people.command("token", "add", "bob", "--name", "own", "--actions", "pull")
    query = "/explain?who=token:bob/{}&action=push&repository=bob/app"
    for user in ("ann", "bob"):
        with Api(registry.address, basic(user)) as client:
            assert "scope" in client.call("GET", query.format("own")).expect(200).json()["reason"]
            client.call("GET", query.format("none")).expect(404)
    with Api(registry.address, basic("bob")) as client:
        there, missing = (
            client.call("GET", f"/explain?who=token:ann/{name}&action=push&repository=bob/app").expect(404)
            for name in ("pulls", "none")
        )
        assert there.body.replace(b"pulls", b"none") == missing.body
