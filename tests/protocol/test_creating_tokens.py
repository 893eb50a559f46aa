"""Access tokens that push what is new and move no tag: what a build that may be taken over should have."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.http import OCI_MANIFEST, digest_of
from tests.support.people import As, People, basic


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    with deploy(tmp_path_factory.mktemp("creating") / "data") as started:
        yield started


@pytest.fixture(scope="module")
def people(registry):
    made = People(registry)
    made.add("ann", "bob")
    return made


def test_a_token_that_creates_moves_no_tag(registry, people):
    """What is new comes in, what is there stays: by Basic, and by what /token gives for it."""
    secret = people.command("token", "add", "bob", "--name", "adds", "--actions", "pull,create")
    shown = basic("bob", secret)
    with people.as_user("bob") as bob:
        there = bob.push_image("bob/kept", "v1")
    for way in (shown, people.bearer(shown, "repository:bob/kept:pull,push")):
        with As(registry.address, way) as client:
            tag = f"new-{len(way['Authorization'])}"
            other = {**client.get("/v2/bob/kept/manifests/v1").expect(200).json(), "annotations": {"another": tag}}
            digest = client.push_manifest("bob/kept", tag, other)
            assert client.push_manifest("bob/kept", tag, other) == digest
            third = json.dumps({**other, "annotations": {"a": "third"}}).encode()
            for target in ("v1", tag, f"{digest_of(third)}?tag=unheard-of,v1"):
                refused = client.request(
                    "PUT", f"/v2/bob/kept/manifests/{target}", {"Content-Type": OCI_MANIFEST}, third
                ).expect(403)
                assert refused.code() == "DENIED" and "is there already" in refused.json()["errors"][0]["message"]
            client.head(f"/v2/bob/kept/manifests/{digest_of(third)}").expect(404)
            client.head("/v2/bob/kept/manifests/unheard-of").expect(404)
            assert client.head("/v2/bob/kept/manifests/v1").headers["Docker-Content-Digest"] == there
            assert client.head(f"/v2/bob/kept/manifests/{tag}").headers["Docker-Content-Digest"] == digest
    with people.as_user("bob") as bob:
        bob.push_manifest("bob/kept", "v1", other)


@pytest.mark.database
def test_of_many_who_create_a_tag_at_once_the_first_makes_it(registry, people):
    """CVE-2026-31801 of zot: the right to create overwrote what was there (security S10)."""
    shown = basic("bob", people.command("token", "add", "bob", "--name", "race", "--actions", "pull,create"))
    with As(registry.address, shown) as client:
        client.push_image("bob/race", "base")
        base = client.get("/v2/bob/race/manifests/base").json()

    def push(number: int) -> tuple[int, str]:
        body = json.dumps({**base, "annotations": {"n": str(number)}}).encode()
        with As(registry.address, shown) as client:
            return client.request(
                "PUT", "/v2/bob/race/manifests/latest", {"Content-Type": OCI_MANIFEST}, body
            ).status, digest_of(body)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(push, range(24)))
    made = [digest for status, digest in answers if status == 201]
    assert len(made) == 1 and {status for status, _ in answers} == {201, 403}
    with As(registry.address, shown) as client:
        assert client.head("/v2/bob/race/manifests/latest").headers["Docker-Content-Digest"] == made[0]
