"""Blobs and manifests whose last bytes come slowly: what was decided when they began need not be true any more at their
end.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator

import pytest

from dockboard_registry.domain.credentials.signed_tokens import sign
from tests.support.http import OCTETS, digest_of, with_query
from tests.support.people import As, People, basic, bearer
from tests.support.server import Registry

SLOWLY = 1.5
SCOPE = "repository:acme/app:pull,push"


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """bob owns acme, which has app."""
    with Registry(tmp_path_factory.mktemp("slow") / "data", 1) as registry:
        people = People(registry)
        people.add("ann", "bob")
        people.command("org", "add", "acme", "--owner", "bob")
        with people.as_user("bob") as bob:
            bob.push_image("acme/app", "v1")
        yield registry


@pytest.fixture
def people(registry):
    return People(registry)


@pytest.fixture
def writer(people):
    """Somebody who may write to acme's app, for one test."""
    people.add(name := f"hal-{secrets.token_hex(4)}")
    people.command("grant", "add", "acme/app", "--to", f"user:{name}", "--right", "write")
    return name


def pieces(size: int, act: Callable[[], object], seconds: float = SLOWLY) -> Iterator[bytes]:
    yield b"x" * (size - 1)
    act()
    time.sleep(seconds)
    yield b"y"


def pushed(
    registry, shown: dict, size: int, act: Callable[[], object], whole: bool = False, seconds: float = SLOWLY
) -> int:
    """The status of a PUT, or of the POST of a whole blob, with this happening before its last byte."""
    digest = digest_of(b"x" * (size - 1) + b"y")
    with As(registry.address, shown) as client:
        path = (
            f"/v2/acme/app/blobs/uploads/?digest={digest}"
            if whole
            else with_query(client.start_upload("acme/app"), digest=digest)
        )
        status = client.request(
            "POST" if whole else "PUT", path, {"Content-Type": OCTETS}, pieces(size, act, seconds)
        ).status
    with People(registry).as_user("bob") as bob:
        assert bob.head(f"/v2/acme/app/blobs/{digest}").status == (200 if status == 201 else 404)
    return status


@pytest.mark.parametrize("whole", [False, True])
def test_a_blob_does_not_outlive_the_right_to_push_it(registry, people, writer, whole):
    """Few bytes and many, which come by other ways; by a password, what /token signs, and
    an access token behind that.
    """
    secret = people.command("token", "add", writer, "--name", "ci")
    by_secret = people.bearer(basic(writer, secret), SCOPE)
    assert pushed(registry, by_secret, 1000, lambda: people.command("token", "revoke", writer, "ci"), whole) == 401
    by_password = people.bearer(basic(writer), SCOPE)
    assert (
        pushed(
            registry,
            by_password,
            300_000,
            lambda: people.command("grant", "remove", "acme/app", "--from", f"user:{writer}"),
            whole,
        )
        == 403
    )
    people.command("grant", "add", "acme/app", "--to", f"user:{writer}", "--right", "write")
    assert pushed(registry, basic(writer), 300_001, lambda: people.command("user", "disable", writer), whole) == 401


def test_a_manifest_that_comes_slowly_does_not_outlive_the_right_to_push_it(people, writer):
    def body(image: bytes) -> Iterator[bytes]:
        yield image[:10]
        people.command("grant", "remove", "acme/app", "--from", f"user:{writer}")
        time.sleep(SLOWLY)
        yield image[10:]

    with people.as_user(writer) as client, people.as_user("bob") as bob:
        image = client.get("/v2/acme/app/manifests/v1").expect(200)
        kind = {"Content-Type": image.headers["Content-Type"]}
        client.request("PUT", "/v2/acme/app/manifests/slow", kind, body(image.body)).expect(403)
        bob.get("/v2/acme/app/manifests/slow").expect(404)


def signed(registry, name: str, seconds: float) -> dict[str, str]:
    """A token that is as good as those of /token, for so long."""
    with sqlite3.connect(registry.root / "registry.db") as database:
        key = bytes.fromhex(database.execute("SELECT secret FROM signing_keys ORDER BY created_at DESC").fetchone()[0])
        id, generation = database.execute(
            "SELECT id, credential_generation FROM users WHERE name = ?", (name,)
        ).fetchone()
    at = int(time.time())
    claims = {
        "iss": "dockboard-registry", "aud": "dockboard-registry", "use": "access", "sub": f"user:{id}",
        "gen": generation, "tid": None,
        "iat": at, "nbf": at, "exp": int(time.time() + seconds), "jti": "test", "access": [{"type": "repository",
        "name": "acme/app", "actions": ["pull", "push"]}],
    }  # fmt: skip
    return bearer(sign(key, json.dumps(claims).encode()))


def test_that_a_signed_token_expires_meanwhile_is_no_matter(registry, people, writer):
    people.token(basic(writer)).expect(200)
    shown = signed(registry, writer, 3)
    assert pushed(registry, shown, 2000, lambda: None, seconds=3.5) == 201
    assert As(registry.address, shown).get("/v2/acme/app/tags/list").status == 401
    again = signed(registry, writer, 3)
    assert (
        pushed(
            registry,
            again,
            2001,
            lambda: people.command("grant", "remove", "acme/app", "--from", f"user:{writer}"),
            seconds=3.5,
        )
        == 403
    )


def test_what_changes_for_others_meanwhile_is_no_hindrance(registry, people, writer):
    assert (
        pushed(registry, basic(writer), 3000, lambda: people.command("user", "set", "ann", "--company", "Acme")) == 201
    )
    assert (
        pushed(
            registry,
            people.bearer(basic(writer), SCOPE),
            3001,
            lambda: people.command("grant", "add", "acme/*", "--to", "user:ann", "--right", "read"),
        )
        == 201
    )
