"""Secrets that are shown in right and in wrong places stand nowhere afterwards (security S12): not in logs, metrics,
answers, the process list, the database's rows and files, nor any other file of the registry. A secret of its own for
each of more than 80 places.
"""

from __future__ import annotations

import base64
import json
import secrets
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, quote_plus, urlencode

import pytest

from dockboard_registry.domain.credentials.access_tokens import make_secret
from tests.security.state import rows
from tests.support.http import OCTETS, Client, digest_of
from tests.support.people import FORM, People, basic, bearer
from tests.support.server import Registry, free_port

pytestmark = pytest.mark.direct
MANIFEST, JSON = "/v2/bob/app/manifests/v1", {"Content-Type": "application/json"}
OCI = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}


class Shown(NamedTuple):
    """A request that shows a secret."""

    method: str
    path: str
    headers: dict[str, str] = {}
    body: bytes | None = None


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def form(**fields: str) -> Shown:
    return Shown("POST", "/token", FORM, urlencode(fields).encode())


def jwt(secret: str) -> str:
    return ".".join(
        base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
        for part in ('{"alg":"HS256","typ":"JWT"}', json.dumps({"s": secret}), secret)
    )


def boundary(secret: str) -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{secret}\r\n--x--\r\n'.encode()


_AUTHORIZATION = {
    "a password that is wrong": lambda s: basic("bob", s),
    "a name": lambda s: basic(s, "some password"),
    "a name of somebody": lambda s: basic("nobody", s),
    "a name that is none": lambda s: basic("Bad Name", s),
    "both": lambda s: basic(s, s),
    "without a name": lambda s: basic("", s),
    "without a colon": lambda s: {"Authorization": "Basic " + encoded(s)},
    "not encoded": lambda s: {"Authorization": "Basic bob:" + quote(s)},
    "not encoded, alone": lambda s: {"Authorization": quote(s)},
    "bearer": lambda s: bearer(quote(s)),
    "bearer, encoded": lambda s: bearer(encoded(s)),
    "bearer like one of ours": lambda s: bearer(jwt(s)),
    "token": lambda s: {"Authorization": "Token " + quote(s)},
    "digest": lambda s: {"Authorization": f'Digest username="bob", response="{quote(s)}"'},
    "negotiate": lambda s: {"Authorization": "Negotiate " + encoded(s)},
    "very long": lambda s: {"Authorization": "Basic " + encoded(s * 900)},
    "with a NUL": lambda s: basic("bob", s + "\0"),
    "no text": lambda s: {"Authorization": "Basic " + base64.b64encode(b"bob:\xff" + s.encode()).decode()},
}
_FIELDS = {
    "Proxy-Authorization": lambda s: "Basic " + encoded("bob:" + s),
    "Cookie": lambda s: f"session={quote(s)}",
    "X-Api-Key": quote,
    "X-Auth-Token": quote,
    "Private-Token": quote,
    "X-Registry-Auth": lambda s: encoded(json.dumps({"username": "bob", "password": s})),
    "X-Registry-Config": lambda s: encoded(json.dumps({"registry": {"password": s}})),
    "Referer": lambda s: f"https://bob:{quote(s)}@hub.example/",
    "X-Csrf-Token": quote,
    "Authentication": quote,
}
_QUERIES = (
    "password",
    "token",
    "access_token",
    "api_key",
    "client_secret",
    "refresh_token",
    "code",
    "account",
    "service",
    "scope",
    "secret",
)
_FORMS = {
    "password": lambda s: form(grant_type="password", username="bob", password=s),
    "name": lambda s: form(grant_type="password", username=s, password="some password"),
    "refresh token": lambda s: form(grant_type="refresh_token", refresh_token=s),
    "refresh token like ours": lambda s: form(grant_type="refresh_token", refresh_token=jwt(s)),
    "client's secret": lambda s: form(grant_type="client_credentials", client_id="x", client_secret=s),
    "unknown field": lambda s: form(grant_type="password", username="bob", passwort=s),
    "grant type": lambda s: form(grant_type=s),
    "twice": lambda s: Shown(
        "POST", "/token", FORM, urlencode([("grant_type", "password"), ("password", s), ("password", s)]).encode()
    ),
    "no form": lambda s: Shown("POST", "/token", FORM, s.encode() + b"\xff"),
    "JSON": lambda s: Shown("POST", "/token", JSON, json.dumps({"username": "bob", "password": s}).encode()),
    "several parts": lambda s: Shown(
        "POST", "/token", {"Content-Type": "multipart/form-data; boundary=x"}, boundary(s)
    ),
    "too long": lambda s: form(grant_type="password", username="bob", password=s * 2000),
}
_BODIES = {
    "a manifest, not logged in": lambda s: Shown("PUT", MANIFEST, OCI, json.dumps({"auth": s}).encode()),
    "a manifest's field": lambda s: Shown("PUT", MANIFEST, {**OCI, **_GOOD}, json.dumps({"schemaVersion": s}).encode()),
    "a manifest's configuration": lambda s: Shown(
        "PUT",
        MANIFEST,
        {**OCI, **_GOOD},
        json.dumps({"schemaVersion": 2, "config": {"password": s}, "layers": []}).encode(),
    ),
    "a manifest that is none": lambda s: Shown(
        "PUT", MANIFEST, {**OCI, **_GOOD}, b'{"auths": {"x": {"password": "' + s.encode()
    ),
    "docker's configuration as a type": lambda s: Shown(
        "PUT", MANIFEST, {**_GOOD, "Content-Type": "x/" + encoded(s).rstrip("=")}, b"{}"
    ),
    "a blob, not logged in": lambda s: Shown(
        "POST", f"/v2/bob/app/blobs/uploads/?digest={digest_of(b'x')}", {"Content-Type": OCTETS}, s.encode()
    ),
    "a blob of another digest": lambda s: Shown(
        "POST", f"/v2/bob/app/blobs/uploads/?digest={digest_of(b'x')}", {"Content-Type": OCTETS, **_GOOD}, s.encode()
    ),
    "a body of a GET": lambda s: Shown("GET", MANIFEST, {}, s.encode()),
    "a body of another method": lambda s: Shown("BREW", MANIFEST, {}, s.encode()),
    "a body of no route": lambda s: Shown("POST", "/login", JSON, json.dumps({"password": s}).encode()),
}
# The header of a good access token; filled by the fixture before any of these is made.
_GOOD: dict[str, str] = {}
_RAW = {
    "a name in the URL": lambda s: f"GET http://bob:{quote(s)}@127.0.0.1/v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
    "a password with a slash in the URL": lambda s: (
        f"GET http://bob:x/{quote(s)}@127.0.0.1/v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
    ),
    "the whole target": lambda s: f"GET {quote(s)} HTTP/1.1\r\nHost: x\r\n\r\n",
    "a fragment": lambda s: f"GET /v2/#access_token={quote(s)} HTTP/1.1\r\nHost: x\r\n\r\n",
    "behind a known field": lambda s: f"GET /v2/_catalog?n=1;password={quote(s)} HTTP/1.1\r\nHost: x\r\n\r\n",
    "no version": lambda s: f"GET /v2/ HTTP/9.9\r\nAuthorization: Basic {encoded('bob:' + s)}\r\n\r\n",
    "a blank before the colon": lambda s: (
        f"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization : Basic {encoded('bob:' + s)}\r\n\r\n"
    ),
    "no colon": lambda s: f"GET /v2/ HTTP/1.1\r\nHost: x\r\n{quote(s)}\r\n\r\n",
    "folded": lambda s: f"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic\r\n {encoded('bob:' + s)}\r\n\r\n",
    "two of them": lambda s: (
        f"GET /v2/ HTTP/1.1\r\nHost: x\r\nAuthorization: {quote(s)}\r\nAuthorization: Basic"
        f" {encoded('bob:' + s)}\r\n\r\n"
    ),
    "no request": lambda s: f"{quote(s)}\r\n\r\n",
}
# Heads that are refused before a handler sees them; @ stands for CR LF.
_MALFORMED = {
    "a token with the CR of a Windows file": "GET /v2/ HTTP/1.1@Host: x@Authorization: Bearer SECRET\r@@",
    "Basic with a control character": "GET /v2/ HTTP/1.1@Host: x@Authorization: Basic SECRET\x01@@",
    "a password with a NUL": "GET /v2/ HTTP/1.1@Host: x@Authorization: Basic SECRET\0@@",
    "a cookie with DEL": "GET /v2/ HTTP/1.1@Host: x@Cookie: session=SECRET\x7f@@",
    "a field of any name": "GET /v2/ HTTP/1.1@Host: x@X-Api-Key: SECRET\x0b@@",
    "the name of a field": "GET /v2/ HTTP/1.1@Host: x@Bearer SECRET: x@@",
    "a name with a bracket": "GET /v2/ HTTP/1.1@Host: x@SECRET]: x@@",
    "an empty name": "GET /v2/ HTTP/1.1@Host: x@: SECRET@@",
    "the length": "POST /v2/ HTTP/1.1@Host: x@Content-Length: SECRET@@",
    "two lengths": "POST /v2/ HTTP/1.1@Host: x@Content-Length: 1, SECRET@@",
    "the coding": "POST /v2/ HTTP/1.1@Host: x@Transfer-Encoding: SECRET@@",
    "the host": "GET /v2/ HTTP/1.1@Host: a b SECRET@@",
    "a query of another version": "GET /v2/?password=SECRET HTTP/3.0@Host: x@@",
    "a query behind a blank": "GET /v2/ ?password=SECRET HTTP/1.1@Host: x@@",
    "the version": "GET /v2/ SECRET@Host: x@@",
    "the method": "SECRET /v2/ HTTP/1.1@Host: x@@",
    "a first line of one word": "SECRET@@",
    "a chunk's size": "PUT /v2/bob/app/manifests/v1 HTTP/1.1@Host: x@Transfer-Encoding: chunked@@SECRET@",
    "a chunk's size, in an upload": (
        "PATCH /v2/bob/app/blobs/uploads/x HTTP/1.1@Host: x@Transfer-Encoding: chunked@@SECRET@"
    ),
    "what follows a chunk": "POST /token HTTP/1.1@Host: x@Transfer-Encoding: chunked@@1@xSECRET@",
    "a head that is too long": "GET /v2/ HTTP/1.1@Host: x@Authorization: Bearer SECRET@X-Long: " + "l" * 70_000,
    "no HTTP at all": "\x16\x03\x01SECRET@@",
}
REQUESTS: dict[str, Callable[[str], Shown]] = {
    **{f"Authorization, {name}": lambda s, make=make: Shown("GET", MANIFEST, make(s)) for name,
    make in _AUTHORIZATION.items()},
    **{f"Authorization at /token, {name}": lambda s, make=make: Shown("GET", "/token", make(s)) for name,
    make in list(_AUTHORIZATION.items())[9:]},
    **{f"field {name}": lambda s, name=name, make=make: Shown("GET", MANIFEST, {name: make(s)}) for name,
    make in _FIELDS.items()},
    **{f"query {name}": lambda s, name=name: Shown("GET",
    f"{path_of(name)}?{name}={quote_plus(s)}") for name in _QUERIES},
    **{f"form, {name}": make for name, make in _FORMS.items()},
    **{f"body, {name}": make for name, make in _BODIES.items()},
}  # fmt: skip


def path_of(query: str) -> str:
    return "/token" if query in ("account", "service", "scope", "refresh_token", "client_secret") else MANIFEST


def canaries() -> list[str]:
    """Secrets of several kinds: a good form of ours, what needs escapes, what is not ASCII, what looks like a name."""
    return [
        make_secret("dbr_"),
        make_secret("dbk_"),
        *(
            f"{mark}{secrets.token_hex(8)}"
            for mark in ("pass %77 ", 'quo"te\\', "<b>{{7}}", "\u00fcml\u00e4ut", "plain")
        ),
    ]


@pytest.fixture(scope="module")
def registry(deploy, tmp_path_factory):
    settings = {
        "log_level": "debug",
        "metrics_listen": f"127.0.0.1:{free_port()}",
        "auth_anonymous": "pull",
        "server_trusted_proxies": ["127.0.0.1/32"],
    }
    with deploy(tmp_path_factory.mktemp("canaries") / "data", workers=1, **settings) as registry:
        registry.metrics = settings["metrics_listen"]
        people = People(registry)
        people.add("ann", "bob")
        with people.as_user("bob") as bob:
            bob.push_image("bob/app", "v1")
        _GOOD.update(basic("bob", people.command("token", "add", "bob", "--name", "good")))
        yield registry


def shapes(secret: str) -> set[bytes]:
    """What the secret may look like: as it is, quoted, encoded alone or with a name, as JSON or Python write it."""
    texts = [
        secret,
        quote(secret),
        quote_plus(secret),
        encoded(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        secret.encode().hex(),
    ]
    # Of what is encoded with something before it, the middle is the same for one of three places in a group.
    texts += [encoded("x" * before + secret)[4:-4] for before in range(3)]
    return {text.encode() for text in texts}


def sinks(registry) -> dict[str, bytes]:
    """All that others may read later: logs, metrics, the process list, files and rows."""
    time.sleep(0.3)  # the access log is written every 100 ms
    found = {
        "log": registry.log.read_bytes(),
        "output": registry.output.read_bytes(),
        "metrics": Client(registry.metrics).get("/metrics").expect(200).body,
    }
    for pid in (registry.pid, *registry.workers()):
        found[f"process {pid}"] = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    found["rows"] = repr(rows(registry)).encode()
    # Stored bytes are what was pushed, and nothing else.
    found |= {str(path): path.read_bytes() for path in registry.root.rglob("*") if path.is_file()}
    return found


def standing(secret: str, found: dict[str, bytes]) -> list[str]:
    return [place for place, text in found.items() if any(shape in text for shape in shapes(secret))]


def sent(registry, shown: Shown) -> bytes:
    """The whole answer, from an address of its own, so that no other failure counts."""
    address = f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"
    with Client(registry.address) as client:
        answer = client.request(shown.method, shown.path, {"X-Forwarded-For": address, **shown.headers}, shown.body)
    assert answer.status >= 400 or not shown.headers.get("Authorization"), shown
    return str(answer.headers).encode() + answer.body


def raw(registry, text: str) -> bytes:
    host, _, port = registry.address.rpartition(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(text.encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        parts = []
        while data := connection.recv(1 << 16):
            parts.append(data)
    return b"".join(parts)


def test_there_are_more_than_eighty_places():
    assert len(REQUESTS) + len(_RAW) + len(_MALFORMED) >= 80


def test_what_is_shown_in_requests_stands_nowhere(registry):
    kinds, shown = canaries(), {}
    for number, (place, make) in enumerate(REQUESTS.items()):
        secret = kinds[number % len(kinds)] if number < len(kinds) else canaries()[number % len(kinds)]
        shown[place] = secret, sent(registry, make(secret))
    for place, make in _RAW.items():
        secret = "raw" + secrets.token_hex(8)
        shown[place] = secret, raw(registry, make(secret))
    found = sinks(registry)
    told = {
        place: [*(["answer"] if standing(secret, {"": answer}) else []), *standing(secret, found)]
        for place, (secret, answer) in shown.items()
    }
    assert {place: where for place, where in told.items() if where} == {}


@pytest.mark.parametrize("format", ["text", "json"])
def test_what_malformed_heads_show_stands_nowhere(tmp_path, format):
    settings = {
        "log_format": format,
        "log_level": "debug",
        "metrics_listen": f"127.0.0.1:{free_port()}",
        "auth_anonymous": "push",
    }
    with Registry(tmp_path / "data", workers=1, **settings) as other:
        other.metrics = settings["metrics_listen"]
        shown = {}
        for place, text in _MALFORMED.items():
            secret = make_secret("dbr_")
            shown[place] = secret, raw(other, text.replace("@", "\r\n").replace("SECRET", secret))
        found = sinks(other)
        other.logged("refused a request that is not HTTP/1.1", 10)  # what was refused is told without its words
    assert {place: where for place, (secret, _) in shown.items() if (where := standing(secret, found))} == {}
    assert {place for place, (secret, answer) in shown.items() if standing(secret, {"": answer})} == set()


def test_good_secrets_stand_nowhere_either(registry):
    """A password, an access token, a robot's secret, signed tokens and one for a password: each used well."""
    people, password = People(registry), f"staple {secrets.token_hex(8)} horse"
    before = people.told(password, "user", "add", "cid", "--password-stdin")
    once = people.command("user", "invite", "dan"), people.command("user", "reset", "bob")
    people.command("org", "add", "acme", "--owner", "cid")
    access, robot = people.command("token", "add", "cid", "--name", "canary"), people.command("robot", "add", "acme/ci")
    told = people.token(basic("cid", password), "repository:cid/app:pull", offline_token="1").expect(200).json()
    again = (
        people.form(grant_type="password", username="cid", password=password, access_type="offline").expect(200).json()
    )
    for headers in (
        basic("cid", password),
        basic("cid", access),
        basic("acme/ci", robot),
        bearer(told["token"]),
        bearer(again["token"]),
    ):
        with Client(registry.address) as client:
            client.get("/v2/", headers).expect(200)
    signed = [told["token"], told["refresh_token"], again["token"], again["refresh_token"]]
    found = sinks(registry) | {"command": before}
    assert {
        secret: where for secret in (password, access, robot, *once, *signed) if (where := standing(secret, found))
    } == {}


@pytest.mark.edge
def test_commands_do_not_repeat_what_standard_input_says(registry):
    """Passwords that are refused, too: too short, a name's, not text."""
    for secret in ("k" + secrets.token_hex(4), "password" + secrets.token_hex(2)[:3], "\0" + secrets.token_hex(12)):
        said = People(registry).told(secret, "user", "passwd", "bob", "--password-stdin", status=2)
        assert standing(secret, sinks(registry) | {"command": said}) == []
