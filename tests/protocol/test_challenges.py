"""What those are answered who show nothing, or too little: where to log in, and what a token has to be for."""

from __future__ import annotations

import re

import pytest

from tests.support.http import Client, digest_of
from tests.support.people import As, People, basic

LAYER = b"a layer that only acme has"
PULL, BOTH = "repository:acme/app:pull", "repository:acme/app:pull,push"
MANIFEST = "/v2/acme/app/manifests/v1"


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    """bob owns acme, with a private and a public repository."""
    with deploy(tmp_path_factory.mktemp("challenges") / "data", auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("bob")
        people.command("org", "add", "acme", "--owner", "bob")
        with people.as_user("bob") as bob:
            bob.push_image("acme/app", "v1", [LAYER])
            bob.push_image("acme/public", "v1", [b"for all"])
        people.command("repository", "set", "acme/public", "--public")
        yield registry


@pytest.fixture(scope="module")
def people(registry):
    return People(registry)


def test_those_who_are_not_logged_in_are_told_where_and_what_for(registry, client, people):
    realm = f'Bearer realm="http://{registry.address}/token",service="dockboard-registry"'
    blob = digest_of(LAYER)
    for method, path, scope in (
        ("GET", MANIFEST, PULL), ("HEAD", MANIFEST, PULL), ("GET", f"/v2/acme/app/blobs/{blob}", PULL), ("PUT",
        MANIFEST, BOTH),
        ("GET", "/v2/acme/none/tags/list", "repository:acme/none:pull"), ("POST", "/v2/acme/app/blobs/uploads/", BOTH),
        ("DELETE", MANIFEST, "repository:acme/app:delete"), ("GET", "/v2/_catalog", "registry:catalog:*"),
        ("POST", "/v2/acme/public/blobs/uploads/", "repository:acme/public:pull,push"),
        # Who mounts needs both repositories; what is no repository, or the same, is not named.
        ("POST", f"/v2/acme/app/blobs/uploads/?mount={blob}&from=acme/public", f"{BOTH} repository:acme/public:pull"),
        ("POST", f"/v2/acme/none/blobs/uploads/?mount={blob}&from=acme/app", f"repository:acme/none:pull,push {PULL}"),
        *(("POST", f"/v2/acme/app/blobs/uploads/?mount={blob}{source}", BOTH) for source in ("", "&from=",
        "&from=acme/app", "&from=A%22b", "&from=x%0d%0ay")),
        ("GET", MANIFEST + "?from=acme/public", PULL),
    ):  # fmt: skip
        answer = client.request(method, path).expect(401)
        assert answer.headers.get_all("WWW-Authenticate") == [f'{realm},scope="{scope}"']
        assert method == "HEAD" or answer.code() == "UNAUTHORIZED"
    # docker and podman look for the challenge here, and never log in where there is none.
    assert client.get("/v2/").expect(401).headers["WWW-Authenticate"] == realm
    assert client.get("/v2/", people.bearer({})).expect(200).json() == {}


def test_a_token_of_nobody_that_does_not_suffice_is_said_to_be_insufficient(registry, people):
    """containerd tells its users "access denied" by that word, and an unexpected status without it; RFC 6750 section
    3.1 has it for tokens only.
    """
    for scopes in ((), (PULL,), (BOTH, "repository:acme/public:pull")):
        with As(registry.address, people.bearer({}, *scopes)) as nobody:
            for method, path, scope in (
                ("GET", MANIFEST, PULL), ("HEAD", MANIFEST, PULL), ("GET", "/v2/acme/none/tags/list",
                "repository:acme/none:pull"), ("GET", "/v2/_catalog", "registry:catalog:*"),
                ("POST", "/v2/acme/public/blobs/uploads/", "repository:acme/public:pull,push"), ("DELETE", MANIFEST,
                "repository:acme/app:delete"),
            ):  # fmt: skip
                answer = nobody.request(method, path).expect(401)
                assert answer.headers["WWW-Authenticate"].endswith(f',scope="{scope}",error="insufficient_scope"'), (
                    scopes,
                    method,
                    path,
                )
    for shown in ({}, {"Authorization": "Bearer x"}, basic("bob", "wrong horse")):
        with Client(registry.address) as client:
            assert "insufficient_scope" not in client.get(MANIFEST, shown).expect(401).headers["WWW-Authenticate"]


def test_a_client_that_follows_the_challenge_of_a_mount_mounts(registry, people):
    mount = f"/v2/bob/followed/blobs/uploads/?mount={digest_of(LAYER)}&from=acme/app"
    with Client(registry.address) as client:
        challenge = client.request("POST", mount).expect(401).headers["WWW-Authenticate"]
        token = people.bearer(basic("bob"), re.search(r'scope="([^"]+)"', challenge)[1])
        client.request("POST", mount, token).expect(201)
