"""Signed tokens that somebody else made, or that were made for something else, are
refused (security A6, A8, S3, S23).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import sqlite3
import time

import pytest

from tests.support.http import Client
from tests.support.people import PASSWORD, People, basic, bearer
from tests.support.server import Registry

MANIFEST = "/v2/bob/app/manifests/v1"
SCOPE = "repository:bob/app:pull,push"
HEADER = {"alg": "HS256", "typ": "JWT"}
KEY, ACCESS = "the key", [{"type": "repository", "name": "bob/app", "actions": ["pull"]}]


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with Registry(tmp_path_factory.mktemp("tokens") / "data", 1, auth_anonymous="pull") as registry:
        people = People(registry)
        people.add("ann", "bob")
        with people.as_user("bob") as bob:
            bob.push_image("bob/app", "v1")
        yield registry


@pytest.fixture(scope="module")
def key(registry) -> bytes:
    """The registry's own key: what is wrong with a token that it signed is found without the signature's help."""
    People(registry).token({}).expect(200)
    with contextlib.closing(sqlite3.connect(registry.root / "registry.db")) as database:
        return bytes.fromhex(database.execute("SELECT secret FROM signing_keys").fetchone()[0])


@pytest.fixture(scope="module")
def claims(registry) -> dict:
    """What a good token of bob says."""
    token = People(registry).token(basic("bob"), SCOPE).expect(200).json()["token"]
    return json.loads(unpadded(token.split(".")[1]))


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def padless(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(
    key: bytes, payload: dict | bytes, header: dict | bytes = b'{"alg":"HS256","typ":"JWT"}', digest=hashlib.sha256
) -> str:
    """A token of our own making."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()
        for part in (header, payload)
    ]
    body = ".".join(map(padless, parts))
    return f"{body}.{padless(hmac.new(key, body.encode(), digest).digest())}"


def status(registry, token: str, path: str = MANIFEST) -> int:
    with Client(registry.address) as client:
        return client.get(path, bearer(token)).status


def test_what_the_registry_itself_would_sign_is_good(registry, key, claims):
    """Else all that follows would be refused for another reason."""
    assert status(registry, signed(key, claims)) == 200
    assert set(claims) == {"iss", "aud", "use", "sub", "gen", "tid", "iat", "nbf", "exp", "jti", "access"}
    assert claims["exp"] - claims["iat"] == 300


HEADERS = [
    {"alg": "none", "typ": "JWT"}, {"alg": "None", "typ": "JWT"}, {"alg": "HS512", "typ": "JWT"}, {"alg": "RS256",
    "typ": "JWT"}, {"alg": "HS256"},
    {"typ": "JWT", "alg": "HS256"}, {"alg": "HS256", "typ": "JWE"}, {**HEADER, "kid": "0000000001"}, {**HEADER,
    "kid": "../../../dev/null"},
    {**HEADER, "jwk": {"kty": "oct", "k": padless(b"mine")}}, {**HEADER, "jku": "http://127.0.0.1/keys"}, {**HEADER,
    "x5c": ["MIIB"]},
    {**HEADER, "x5u": "http://127.0.0.1/keys"}, {**HEADER, "crit": []}, {**HEADER, "b64": False},
    b'{"alg":"HS256","alg":"none","typ":"JWT"}', b"{}", b"x",
]  # fmt: skip


@pytest.mark.parametrize("header", HEADERS, ids=str)
def test_there_is_one_header(registry, key, claims, header):
    assert status(registry, signed(key, claims, header)) == 401
    assert status(registry, signed(b"mine", claims, header)) == 401
    assert status(registry, signed(key, claims, header).rpartition(".")[0] + ".") == 401


@pytest.mark.parametrize("other", [b"", b" ", b"secret", b"0" * 32])
def test_other_keys_sign_nothing(registry, claims, other):
    assert status(registry, signed(other, claims)) == 401


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "elsewhere"}, {"aud": "elsewhere"}, {"aud": ["dockboard-registry"]}, {"use": "refresh"}, {"sub": 1},
        {"sub": ["user:1"]}, {"sub": "user:"},
        {"sub": "user:1"}, {"sub": "admin:1"}, {"sub": "user:99999999999999999999"}, {"sub": "team:1"}, {"gen": 7},
        {"gen": "0"}, {"gen": True}, {"gen": None},
        {"tid": 1}, {"tid": "x"}, {"exp": None}, {"exp": "9999999999"}, {"exp": 1e12}, {"exp": 1 << 62}, {"exp": 0},
        {"iat": 0}, {"nbf": 1 << 40},
        {"access": None}, {"access": {}}, {"access": ACCESS * 101}, {"access": [1]}, {"access": [{**ACCESS[0],
        "more": 1}]}, {"access": [{"type": "repository"}]},
        {"access": [{**ACCESS[0], "type": "x"}]}, {"access": [{**ACCESS[0], "name": 1}]}, {"access": [{**ACCESS[0],
        "actions": ["*"]}]},
        {"access": [{**ACCESS[0], "actions": [["pull"]]}]}, {"access": [{"type": "registry", "name": "catalog",
        "actions": ["pull"]}]},
    ],
    ids=str,
)  # fmt: skip
def test_claims_that_are_not_those_of_a_good_token(registry, key, claims, change):
    assert status(registry, signed(key, {**claims, **change})) == 401


@pytest.mark.parametrize("name", ["iss", "aud", "use", "sub", "gen", "tid", "iat", "nbf", "exp", "access"])
def test_no_claim_may_be_missing_or_stand_twice(registry, key, claims, name):
    assert status(registry, signed(key, {claim: value for claim, value in claims.items() if claim != name})) == 401
    twice = json.dumps(claims)[:-1] + f', "{name}": {json.dumps(claims[name])}}}'
    assert status(registry, signed(key, twice.encode())) == 401


def test_a_token_lives_as_long_as_it_says(registry, key, claims):
    begun = int(time.time())
    token = signed(key, {**claims, "exp": begun + 2})
    assert status(registry, token) == 200
    time.sleep(begun + 2.1 - time.time())
    assert status(registry, token) == 401


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "a.b.c",
        "=.=.=",
        "x" * 9000,
        "a" * 5000 + "." + "b" * 5000 + "." + "c" * 43,
        "\u00e4.b.c",
        "dbr_" + "0" * 46,
    ],
    ids=lambda text: text[:12],
)
def test_what_is_no_token(registry, token):
    with Client(registry.address) as client:
        assert client.get(MANIFEST, {"Authorization": f"Bearer {token}".encode().decode("latin-1")}).status in (
            401,
            431,
        )


def test_payloads_that_are_no_object(registry, key):
    for payload in (b"", b"[]", b"null", b"1", b'"x"', b"{", b"[" * 5000, b"\xff\xfe", b"{}"):
        assert status(registry, signed(key, payload)) == 401


def test_a_token_opens_its_repository_alone(registry, key, claims):
    """security A8: names are compared whole, and nothing in them is a pattern."""
    for name in (
        "bob/ap",
        "bob/app2",
        "bob/*",
        "bob/**",
        "**",
        "*",
        "bob/app/manifests",
        "BOB/app",
        "bob%2fapp",
        "bob/app\0",
    ):
        assert (
            status(
                registry, signed(key, {**claims, "access": [{"type": "repository", "name": name, "actions": ["pull"]}]})
            )
            == 401
        )
    token = signed(key, claims)
    assert status(registry, token, "/v2/bob/other/tags/list") == 401
    assert status(registry, token, "/v2/_catalog") == 403


@pytest.mark.parametrize("count", [100, 101, 1000])
def test_many_scopes_at_once(registry, count):
    answer = People(registry).token(
        basic("bob"), " ".join(f"repository:bob/r{number}:pull" for number in range(min(count, 180)))
    )
    assert answer.status == (200 if count <= 100 else 400)


@pytest.mark.parametrize("length", [35, 41, 46, 49])
def test_a_token_that_is_given_is_read(registry, length):
    """However long the names are: what no request could show is refused where it is asked for."""
    names = [f"bob/{number:02d}".ljust(length, "a") for number in range(100)]
    answer = People(registry).form(
        grant_type="password",
        username="bob",
        password=PASSWORD,
        scope=" ".join(f"repository:{name}:pull,push,delete" for name in names),
    )
    if answer.expect(200, 400).status == 200:
        assert status(registry, answer.json()["token"], f"/v2/{names[0]}/tags/list") == 404


def test_a_token_of_v1_ends_after_an_hour(registry, key, claims):
    """It says for what it was made as the others do, and counts in no other way than theirs."""
    at = int(time.time())
    for use, begun, life, expected in (
        ("v1", at, 3600, 200),
        ("v1", at - 3595, 3600, 200),
        ("v1", at - 3601, 3600, 401),
        ("v1", at, 3601, 401),
        ("access", at, 300, 401),
    ):
        payload = {**claims, "use": use, "iat": begun, "nbf": begun, "exp": begun + life}
        shown = f'Token Token signature={signed(key, payload)},repository="bob/app",access=read'
        with Client(registry.address) as client:
            assert client.get("/v1/repositories/bob/app/tags", {"Authorization": shown}).status == expected
